"""The store on an S3 endpoint that fails: the same bytes, or one line that names the object."""

import os
import time

import pytest

from pipeline.base.errors import StorageError, UserError
from pipeline.inputs.compression import open_source
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store import object_store
from pipeline.store.aws_settings import bucket_settings
from pipeline.store.filesystem import Store
from pipeline.store.object_store import SMALL_OBJECT_BYTES
from tests.support import toy
from tests.support.faulty_endpoint import FAULTS, LIES, STALL_SECONDS, FaultyEndpoint
from tests.support.s3 import BUCKET, client_settings, download, s3_server


@pytest.fixture(scope="module")
def upstream():
    with s3_server() as url:
        yield url


@pytest.fixture
def endpoint(upstream, monkeypatch):
    """A function that starts a proxy with these faults, and points clients there; they are patient for 20 seconds."""
    started = []

    def start(rate: float = 0.0, faults: tuple[str, ...] = FAULTS, seed: int = 0, budget: float = 20) -> FaultyEndpoint:
        proxy = FaultyEndpoint(upstream, rate, faults, seed)
        started.append(proxy.__enter__())
        for name, value in client_settings(proxy.url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CORPUS_STORE_TIMEOUT_SECONDS", "0.3" if rate else "30")
        monkeypatch.setenv("CORPUS_STORE_RETRY_SECONDS", str(budget))
        return proxy

    yield start
    for proxy in started:
        proxy.__exit__()


def root(name: str) -> str:
    return f"s3://{BUCKET}/{name}"


@pytest.mark.parametrize("name", ["a.json", "crawl.warc.gz", "a b+c%d=ü.bin", "x.bz2", "x.zst"])
def test_bytes_come_back_as_they_were_whatever_the_name(endpoint, name):
    endpoint()
    store = Store(root("names"))
    for size in (0, 1, SMALL_OBJECT_BYTES, SMALL_OBJECT_BYTES + 1):
        data = os.urandom(size)
        store.write(name, data)
        for known_size in (None, size):
            with store.open(name, known_size) as file:
                assert (file.size(), file.read()) == (size, data)
        assert store.size(name) == size
        assert [(info.base_name, info.size) for info in store.list() if info.base_name == name] == [(name, size)]


def test_a_large_object_is_read_at_any_place_and_in_order(endpoint, monkeypatch):
    monkeypatch.setattr(object_store, "PART_BYTES", 16 << 20)
    proxy = endpoint()
    store, data = Store(root("large")), os.urandom((32 << 20) - 5)
    store.write("large.bin", data)
    assert proxy.requests["PUT uploadId"] == 2
    with store.open("large.bin", len(data)) as file:
        before = proxy.requests["GET"]
        assert file.read_at(16, 7_000_000) == data[7_000_000:7_000_016]
        assert proxy.requests["GET"] == before + 1
        assert file.read_at(100, len(data) - 50) == data[-50:]
        file.seek(0)
        assert b"".join(iter(lambda: file.read(1_000_000), b"")) == data
        assert proxy.requests["GET"] <= before + 8


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_passes(endpoint, fault):
    """Reads and writes of which every third meets one fault: the bytes are those that were written."""
    proxy = endpoint(0.3, (fault,), seed=6)
    store = Store(root(f"one-{fault}"))
    objects = {f"{i}.bin": os.urandom(100 * i) for i in range(4)}
    for name, data in objects.items():
        store.write(name, data)
    with store.listing(""):
        pass
    for name, data in objects.items():
        with store.open(name) as file:
            assert file.read() == data
        assert store.exists(name)
        with store.open(name, len(data)) as file:
            assert file.read() == data
    store.copy("3.bin", "copy.bin")
    assert sorted(info.base_name for info in store.list()) == sorted([*objects, "copy.bin"])
    assert proxy.injected[fault] > 0


def test_multipart_uploads_survive_failing_parts(endpoint, monkeypatch):
    monkeypatch.setattr(object_store, "PART_BYTES", 5 << 20)  # the smallest that S3 takes
    proxy = endpoint(0.3, ("500", "reset", "reset_after"), seed=3)
    store, data = Store(root("parts")), os.urandom(22 << 20)
    store.write("parts.bin", data)
    assert proxy.injected.total() > 0
    assert download(store)["parts.bin"] == data


@pytest.mark.parametrize(("rate", "seed"), [(0.01, 1), (0.05, 2), (0.20, 3)])
def test_a_run_on_a_failing_endpoint_writes_the_same_bytes(endpoint, tmp_path, rate, seed):
    proxy = endpoint(rate, FAULTS, seed, budget=60)
    remote, local = Store(root(f"run-{rate}")), Store(tmp_path)
    for store in (remote, local):
        execute(toy.goal(), store, InProcess)
    assert proxy.injected.total() > 0 or rate < 0.05
    proxy.rate = 0.0
    for name, data in download(remote).items():
        if "/shards/" not in name and "/costs/" not in name:
            assert data == (tmp_path / name).read_bytes(), name


def test_what_was_acknowledged_and_not_kept_is_found_before_the_manifest_is_written(endpoint, monkeypatch):
    monkeypatch.setattr("pipeline.runner.task.RETRY_SECONDS", 0)
    proxy = endpoint(1.0, LIES, budget=0.5)
    store = Store(root("lost"))
    with pytest.raises(Exception, match=rf"{root('lost')}/[\w/-]+\.[a-z]+: ") as failure:
        execute(toy.goal(), store, InProcess)
    assert len(str(failure.value).splitlines()) <= 3 * toy.SHARDS
    assert "Traceback" not in str(failure.value)
    proxy.rate = 0.0
    execute(toy.goal(), store, InProcess)


@pytest.mark.parametrize("fault", ["500", "503", "reset", "stall"])
def test_an_endpoint_that_stays_away_is_one_line_within_the_budget(endpoint, fault):
    endpoint(1.0, (fault,), budget=0.5)
    store, began = Store(root("away")), time.monotonic()
    for attempt in (
        lambda: store.write("x.json", b"1"),
        lambda: store.open("x.json"),
        lambda: store.exists("x.json"),
        lambda: store.list("folder"),
        lambda: store.delete("folder"),
    ):
        with pytest.raises(
            StorageError, match=rf"^{root('away')}/\S+: cannot be \w+ \([\w ]+\); tried \d+ times in \d+ s$"
        ):
            attempt()
    assert time.monotonic() - began < 5 * (1 + STALL_SECONDS)


def test_missing_objects_and_buckets(endpoint):
    endpoint(budget=1)
    store = Store(root("missing"))
    assert not store.exists("x.json")
    assert store.list("folder") == []
    with pytest.raises(StorageError, match=r"missing/x\.json: cannot be read \(no such object\)"):
        store.open("x.json")
    with pytest.raises(StorageError, match=r"s3://nobucket/x\.json: cannot be written \(no such bucket\)"):
        Store("s3://nobucket").write("x.json", b"1")


def test_an_object_shorter_than_its_marker_says_is_named(endpoint):
    endpoint(budget=1)
    store = Store(root("short"))
    store.write("x.bin", b"1234")
    with pytest.raises(StorageError, match=r"short/x\.bin: cannot be read \(4 bytes came instead of 9\)"):
        store.open("x.bin", 9)


def test_an_interrupted_write_leaves_nothing(endpoint):
    endpoint()
    store = Store(root("interrupted"))
    with pytest.raises(KeyboardInterrupt), store.writing("x.bin") as path:
        path.write_bytes(b"half")
        raise KeyboardInterrupt
    assert store.list() == []


def test_requests_of_the_small_run(endpoint):
    """One PUT an object; a marker, a manifest and a small file are one GET; a folder is listed 3 times at most."""
    proxy = endpoint()
    execute(toy.goal(), Store(root("count")), InProcess)
    steps, tasks = 4, 2 * toy.SHARDS + toy.BUCKETS + 1
    requests = proxy.requests.copy()
    files = len(download(Store(root("count"))))
    assert requests["PUT"] == files
    assert requests["HEAD"] <= steps + 1  # each manifest, and the first object
    assert requests["GET list"] <= 3 * steps + 1
    assert requests["GET"] <= 2 * tasks + 3 * steps


def test_sources_on_s3_are_read_whole_or_not_at_all(endpoint):
    endpoint()
    data = os.urandom(3 * SMALL_OBJECT_BYTES)
    Store(root("sources/x")).write("a b.warc.gz", data)
    uri = root("sources/x/a%20b.warc.gz")
    endpoint(0.2, seed=4)
    with open_source(uri) as file:
        assert file.seek(0, os.SEEK_END) == len(data)
        file.seek(5)
        assert b"".join(iter(lambda: file.read(300_000), b"")) == data[5:]
    endpoint(budget=0.5)
    with pytest.raises(UserError, match=r"sources/nothing\.warc: cannot be read"):
        open_source(root("sources/nothing.warc"))
    endpoint(1.0, ("503",), budget=0.5)
    with pytest.raises(StorageError, match=r"sources/x/a b\.warc\.gz: cannot be read \(503"):
        open_source(uri)


def test_a_listing_answers_for_its_folder_and_knows_what_is_written_meanwhile(endpoint):
    proxy = endpoint()
    store = Store(root("listing"))
    store.write("a/1", b"x")
    with store.listing("a"):
        before = proxy.requests.total()
        assert (store.exists("a/1"), store.size("a/2"), proxy.requests.total()) == (True, -1, before)
        store.write("a/2", b"xy")
        assert store.size("a/2") == 2
    store.delete("a")
    assert not store.exists("a/1")


def test_an_object_that_was_written_again_is_read_again(endpoint):
    endpoint()
    store = Store(root("again"))
    for data in (b"1", b"2"):
        store.write("x", data)
        with Store(root("again")).open("x", 1) as file:
            assert file.read() == data


@pytest.mark.parametrize(
    ("uri", "environment", "expected"),
    [
        ("s3://b", {"AWS_REGION": "r", "AWS_ACCESS_KEY_ID": "k"}, {"bucket": "b", "region": "r", "allow_http": False}),
        (
            "s3://b/x/y?region=q&endpoint_override=h:9&scheme=http",
            {"AWS_ACCESS_KEY_ID": "k"},
            {"bucket": "b", "prefix": "x/y", "region": "q", "endpoint": "http://h:9", "allow_http": True},
        ),
        (
            "s3://key:s%2Fe@b",
            {"AWS_DEFAULT_REGION": "r"},
            {"bucket": "b", "region": "r", "allow_http": False, "access_key_id": "key", "secret_access_key": "s/e"},
        ),
        (
            "s3://b",
            {"AWS_PROFILE": "work"},
            {"bucket": "b", "region": "eu-west-3", "allow_http": False, "access_key_id": "K", "secret_access_key": "S"},
        ),
    ],
)
def test_where_a_bucket_is_and_who_asks(tmp_path, uri, environment, expected):
    files = {"AWS_CONFIG_FILE": tmp_path / "config", "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "credentials"}
    files["AWS_CONFIG_FILE"].write_text(
        "[profile work]\nregion = eu-west-3\n[profile sso]\nsso_session = s\nregion = r\n"
    )
    files["AWS_SHARED_CREDENTIALS_FILE"].write_text("[work]\naws_access_key_id = K\naws_secret_access_key = S\n")
    assert bucket_settings(uri, {name: str(path) for name, path in files.items()} | environment) == expected
    with pytest.raises(UserError, match=r"AWS profile sso \(sso_session\): type eval"):
        bucket_settings("s3://b", {name: str(path) for name, path in files.items()} | {"AWS_PROFILE": "sso"})


@pytest.mark.parametrize("uri", ["gs://b/x", "nosuch://x", "s3:///x", "s3://b?regoin=x"])
def test_a_uri_that_names_no_bucket_is_one_line(uri):
    with pytest.raises(UserError, match=r"ROOT=.*: not a folder that can be used; give a folder or s3://bucket/prefix"):
        Store(uri)


def test_a_waiting_time_that_is_no_number_is_one_line(monkeypatch):
    monkeypatch.setenv("CORPUS_STORE_RETRY_SECONDS", "soon")
    with pytest.raises(UserError, match="CORPUS_STORE_RETRY_SECONDS=soon: not a number of seconds"):
        Store("s3://b")
