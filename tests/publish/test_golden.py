"""Rows of every step are those of `tests/golden_digests.tsv`, or the version of its stage has been raised."""

from dataclasses import replace

import pyarrow as pa
import pytest

from pipeline.runner.dag import InputFiles, Step, step
from pipeline.runner.stage import stage
from pipeline.store.shard import Shard
from tests.support import golden
from tests.support.golden import Line


@pytest.mark.parametrize("world", golden.WORLDS)
def test_rows_are_those_of_the_versions_of_the_stages(tmp_path, world):
    expected = {place: line for place, line in golden.read_lines().items() if place[0] == world}
    steps, actual = golden.compute_lines(world, tmp_path)
    assert golden.forgotten_versions(steps, expected, actual) == []
    differing = [place for place in expected | actual if expected.get(place) != actual.get(place)]
    releases = {
        a.libraries for place, a in actual.items() if place in expected and a.libraries != expected[place].libraries
    }
    if differing and releases:
        pytest.skip(f"other releases are installed than those of the golden digests: {', '.join(sorted(releases))}")
    assert differing == [], "versions or settings have changed: type make golden"


def test_every_output_of_every_optional_step_has_rows():
    """What has no row guards nothing."""
    rows = {(line.step, line.output): line.rows for line in golden.read_lines().values() if line.world == "every step"}
    sections = ("clean", "quality", "contamination", "url_dedup_clusters", "exact_clusters", "near_clusters")
    sections += ("span_duplicates", "substring_duplicates", "beginning_clusters", "index_candidates", "questions")
    assert {name: rows[name, "part"] for name in sections if not rows[name, "part"]} == {}


NUMBERS = pa.schema([("n", pa.int64())])


@stage(version=3, outputs={"part": NUMBERS})
def first(source: Shard):
    """Read the input."""
    yield NUMBERS.empty_table()


@stage(version=1, outputs={"part": NUMBERS})
def second(first: Shard):
    """Read the first step."""
    yield NUMBERS.empty_table()


def two_steps() -> dict[str, Step]:
    one = step(first, source=InputFiles("files", (1,), ({"n": 1},)))
    return {"first": one, "second": step(second, first=one)}


def lines(**changes: dict) -> dict[tuple[str, str, str], Line]:
    """Lines of the two steps; `changes` are fields of a step's line."""
    plain = Line("w", "first", "part", 3, "settings", "lib=1", 7, "aa")
    both = [plain, replace(plain, step="second", version=1, digest="bb")]
    both = [replace(line, **changes.get(line.step, {})) for line in both]
    return {line.place: line for line in both}


@pytest.mark.parametrize(
    ("changes", "forgotten"),
    [
        ({}, []),
        ({"first": {"digest": "cc"}}, ["first"]),
        ({"second": {"digest": "cc"}}, ["second"]),
        ({"first": {"rows": 8}}, ["first"]),
        ({"first": {"digest": "cc", "version": 4}}, []),
        ({"first": {"digest": "cc", "settings": "others"}}, []),
        ({"first": {"digest": "cc", "libraries": "lib=2"}}, []),
        ({"first": {"digest": "cc", "version": 4}, "second": {"digest": "dd"}}, []),  # it reads other rows
        ({"first": {"digest": "cc"}, "second": {"digest": "dd"}}, ["first"]),
        ({"second": {"digest": "cc", "version": 2}}, []),
        ({"first": {"output": "other"}}, ["first"]),
        (
            {"first": {"version": 4}, "second": {"digest": "dd"}},
            [],
        ),  # seen again when the golden lines are of version 4
    ],
)
def test_what_must_have_a_new_version(changes, forgotten):
    found = golden.forgotten_versions(two_steps(), lines(), lines(**changes))
    assert [text.split(" (w):")[0] for text in found] == forgotten
    assert all("raise `version` of its stage and type make golden, or fix the change" in text for text in found)


def test_a_forgotten_version_is_not_written(tmp_path, monkeypatch, capsys):
    file = tmp_path / "golden.tsv"
    golden.write_lines(lines(), file)
    assert golden.read_lines(file) == lines()
    monkeypatch.setattr(golden, "FILE", file)
    monkeypatch.setattr(golden, "read_lines", lambda: lines())
    monkeypatch.setattr(golden, "WORLDS", {"w": None})
    before = file.read_bytes()
    monkeypatch.setattr(golden, "compute_lines", lambda world, root: (two_steps(), lines(first={"digest": "cc"})))
    assert golden.main() == 1 and file.read_bytes() == before
    assert "first (w): other rows of part under the same version 3" in capsys.readouterr().err
    raised = lines(first={"digest": "cc", "version": 4})
    monkeypatch.setattr(golden, "compute_lines", lambda world, root: (two_steps(), raised))
    monkeypatch.setattr(golden, "write_lines", lambda lines: file.write_text(str(lines)))
    assert golden.main() == 0 and file.read_text() == str(raised)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.1 + 0.2, 0.3, True),
        (0.1234561, 0.1234562, True),
        (0.12346, 0.12347, False),
        (float("nan"), float("nan"), True),
        (1e300, 1e301, False),
    ],
)
def test_six_digits_of_a_float_count(one, other, same):
    schema = pa.schema([("x", pa.float64()), ("xs", pa.list_(pa.float64()))])
    first, second = (golden.canonical_rows(pa.table({"x": [v], "xs": [[v]]}, schema)) for v in (one, other))
    assert (first == second) == same


def test_rows_count_and_not_how_they_are_stored():
    table = pa.table({"a": ["x", None, "ä"], "b": [b"1", b"2", None]})
    parts = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert golden.canonical_rows(table) == golden.canonical_rows(parts)
    assert golden.canonical_rows(table) != golden.canonical_rows(table.take([1, 0, 2]))
    learned = pa.table({"quality": [0.5], "id": ["a"]})
    assert golden.canonical_rows(learned, ("quality",)) == golden.canonical_rows(learned.select(["id"]))
