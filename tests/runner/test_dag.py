"""Keys: what is in them, what is not, and one spelling for every value."""

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import UserError
from pipeline.runner.dag import Asset, InputFiles, all_shards, ancestors, canonical, differences, digest, step
from pipeline.runner.stage import stage
from tests.support.paths import CHECKOUT

ROW = pa.schema([("id", pa.string())])


@stage(version=1, libraries=("pyarrow",), outputs={"part": ROW})
def first(source, *, bound: float = 0.5, names: tuple[str, ...] = (), asset: Asset | None = None):
    yield


@stage(version=1, outputs={"part": ROW})
def second(first, *, n: int = 3):
    yield


LEAF = InputFiles("files", [["a.warc.gz", 12, 99]], ({"path": "/x/a.warc.gz"},))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {"bound": 0.5}, True),  # a default said is the default
        ({"bound": 1}, {"bound": 1.0}, True),
        ({"bound": 0.0}, {"bound": -0.0}, True),
        ({"names": ["a"]}, {"names": ("a",)}, True),
        ({"bound": 0.5}, {"bound": 0.6}, False),
        ({"names": ("a", "b")}, {"names": ("b", "a")}, False),
        ({"asset": Asset("/here", "00")}, {"asset": Asset("/there", "00")}, True),
        ({"asset": Asset("/here", "00")}, {"asset": Asset("/here", "01")}, False),
    ],
)
def test_settings_in_keys(one, other, same):
    assert (step(first, LEAF, **one).key == step(first, LEAF, **other).key) is same


def test_paths_are_not_in_keys_but_contents_are():
    moved = InputFiles("files", LEAF.identity, ({"path": "/elsewhere/a.warc.gz"},))
    touched = InputFiles("files", [["a.warc.gz", 12, 100]], LEAF.rows)
    assert step(first, LEAF).key == step(first, moved).key != step(first, touched).key


def test_mode_of_an_edge_and_number_of_tasks_are_in_keys():
    source = step(first, LEAF)
    assert len({step(second, source).key, step(second, all_shards(source)).key, step(second, source, tasks=2).key}) == 3


def test_an_input_changed_changes_everything_behind_it():
    old, new = (step(second, step(first, LEAF, bound=b)) for b in (0.5, 0.6))
    assert old.key != new.key
    assert list(differences(old.identity["params"], new.identity["params"])) == []
    assert list(differences(old.inputs[0].source.identity, new.inputs[0].source.identity)) == [
        "params.bound: 0.5 -> 0.6"
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a"}, b"x", object()])
def test_what_has_no_single_spelling_is_refused(value):
    with pytest.raises(TypeError, match=r"first\.names\[1\]: .* has no single spelling"):
        _ = step(first, LEAF, names=("a", value)).key


def test_unknown_setting_is_refused():
    with pytest.raises(TypeError, match="treshold"):
        step(first, LEAF, treshold=1)


def test_equal_steps_are_one():
    a, b = step(first, LEAF), step(first, LEAF)
    assert [s.name for s in ancestors(step(second, all_shards(a), n=1))] == ["first", "second"]
    assert len(ancestors(step(second, step(first, LEAF)))) == 2
    assert a.key == b.key


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_canonical_is_idempotent_and_compares_equal_to_itself(value):
    assert canonical(canonical(value, "x"), "x") == canonical(value, "x")
    assert digest(value) == digest(canonical(value, "x"))
    assert list(differences(canonical(value, "x"), canonical(value, "x"))) == []


def test_keys_do_not_depend_on_the_process():
    code = "import tests.support.toy as t; print(t.goal().key)"
    keys = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=CHECKOUT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("0", "1")
    }
    assert len(keys) == 1


def test_asset_is_its_content(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    assert Asset.of(tmp_path / "a").sha256 == Asset.of(tmp_path / "b").sha256
    with pytest.raises(UserError, match=r"nothing: cannot be read .* give the path of an existing file"):
        Asset.of(tmp_path / "nothing")
