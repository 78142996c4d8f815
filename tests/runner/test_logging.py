"""What commands and workers log: as dated lines, as JSON, and from other processes."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from extract.watchdog import Limits, run_guarded
from pipeline.__main__ import main
from pipeline.base.logs import MAX_CAPTURED_RECORDS, capture_records, configure_logging, replay, task_context
from tests.support.paths import CHECKOUT

DATED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (WARNING |ERROR )?\S.*")
FIELDS = {"time", "level", "logger", "message"}


@pytest.fixture(autouse=True)
def restored_logging():
    """Handlers and levels as they were before the test."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    root.handlers[:] = handlers


def run_toy(root: Path, workers: int, *traps: str, json_lines: bool = False) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a run of the toy DAG."""
    folder = root.with_name("traps")
    folder.mkdir()
    for name in traps:
        (folder / name).touch()
    code = f"import tests.support.toy; tests.support.toy.main({json_lines})"
    command = [sys.executable, "-c", code, str(root), str(workers), "1", "0", str(folder)]
    process = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    return process.returncode, process.stdout, process.stderr


@pytest.mark.parametrize("workers", [0, 2])
def test_a_workers_warning_reaches_the_driver(tmp_path, workers):
    """In this process, and from a Ray worker; standard output has the folder alone."""
    code, answer, log = run_toy(tmp_path / "root", workers, "warn-1", "raise-2")
    assert code == 0 and answer.count("\n") == 1 and answer.startswith(str(tmp_path / "root" / "grand"))
    assert all(DATED.fullmatch(line) for line in log.splitlines()), log
    assert log.count(" WARNING number 1 is odd\n") == 1
    assert re.search(r":\d\d WARNING numbers shard 2: ValueError: .*; trying again \(2 of 3\)\n", log)
    assert re.search(r":\d\d grand: done, 3 rows, ", log)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_json_log_has_one_object_a_line_with_step_and_shard(tmp_path, workers):
    code, _, log = run_toy(tmp_path / "root", workers, "warn-1", "raise-2", json_lines=True)
    records = [json.loads(line) for line in log.splitlines()]
    assert code == 0 and all(FIELDS <= record.keys() <= FIELDS | {"step", "shard"} for record in records)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"]) for record in records)
    (warning,) = [record for record in records if record["logger"] == "filters.toy"]
    assert warning["level"] == "warning" and (warning["step"], warning["shard"]) == ("numbers", 1)
    (retry,) = [record for record in records if "trying again" in record["message"]]
    assert retry["level"] == "warning" and (retry["step"], retry["shard"]) == ("numbers", 2)
    assert any(record["level"] == "info" and record.get("step") == "grand" for record in records)


def test_a_warning_of_a_task_that_fails_reaches_the_driver(tmp_path):
    code, _, log = run_toy(tmp_path / "root", 2, "warn-1", "always-1")
    assert code != 0 and log.count(" WARNING number 1 is odd\n") == 1


@pytest.mark.parametrize("as_json", [False, True])
def test_the_error_of_a_command(tmp_path, capsys, as_json):
    arguments = ["gc", "--root", "s3:/bucket", *(["--json-log"] if as_json else [])]
    assert main(arguments) == 2
    log = capsys.readouterr().err
    text = "ROOT=s3:/bucket: buckets are written with two slashes: s3://bucket/prefix"
    if as_json:
        record = json.loads(log)
        assert record["level"] == "error" and record["message"] == text
    else:
        assert log == f"error: {text}\n"


@pytest.mark.parametrize("as_json", [False, True])
def test_progress_of_a_command(tmp_path, capsys, as_json):
    assert main(["gc", "--root", str(tmp_path), *(["--json-log"] if as_json else [])]) == 0
    log = capsys.readouterr().err
    text = f"nothing to remove in {tmp_path}"
    if as_json:
        assert json.loads(log)["message"] == text
    else:
        assert DATED.fullmatch(log.strip()) and log.endswith(f" {text}\n") and "INFO" not in log


def test_wrong_arguments_are_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["corpus", "de", "--workers", "none"])
    assert ended.value.code == 2
    log = capsys.readouterr().err
    assert log.startswith("error: argument --workers: 'none' is not a number of workers; give 1 or more; type ")
    assert log.endswith("python -m pipeline corpus --help\n") and log.count("\n") == 1


def test_a_message_of_several_lines_is_one_json_object(capsys):
    configure_logging(json_lines=True)
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("pipeline.test").exception("failed")
    record = json.loads(capsys.readouterr().err)
    assert record["message"].startswith("failed\nTraceback") and record["message"].endswith("first\nsecond")


def test_captured_records_are_replayed_with_their_time_and_task(capsys):
    with capture_records() as records, task_context("pages", 7):
        logging.getLogger("extract.test").warning("%s of %d", "one", 2)
        logging.getLogger("other.library").warning("not ours")
    configure_logging(json_lines=True)
    records[0]["created"] = 0.0
    capsys.readouterr()
    replay(records)
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record["message"] == "one of 2" and record["time"].startswith("1970-01-01T00:00:00")
    assert (record["logger"], record["step"], record["shard"]) == ("extract.test", "pages", 7)


def test_a_task_cannot_flood_the_driver():
    with capture_records() as records:
        for number in range(MAX_CAPTURED_RECORDS + 5):
            logging.getLogger("pipeline.test").warning("message %d", number)
    assert len(records) == MAX_CAPTURED_RECORDS + 1
    assert records[-1]["msg"] == "5 more messages of this task are left out"


def warn(settings, first, skipped, begin):
    """Work of an extraction child: one item, and a warning."""
    begin(0)
    logging.getLogger("extract.test").warning("from the child")
    yield 0, "result"


def test_a_warning_of_the_extraction_child_reaches_its_worker():
    with capture_records() as records:
        assert list(run_guarded(f"{__name__}:warn", None, Limits(30, 1 << 30))) == ["result"]
    assert [record["msg"] for record in records] == ["from the child"]


def test_make_passes_json_log_on():
    command = ["make", "--dry-run", "--old-file", ".venv/ready", "corpus", "LANG=de", "JSON_LOG=1"]
    process = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=True)
    assert "--json-log" in process.stdout
    assert "--json-log" not in subprocess.run(command[:-1], capture_output=True, text=True, cwd=CHECKOUT).stdout
