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


LEAF = InputFiles("files", (["a.warc.gz", 12, 99],), ({"path": "/x/a.warc.gz"},))


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
    assert (step(first, source=LEAF, **one).key == step(first, source=LEAF, **other).key) is same


def test_paths_are_not_in_keys_but_contents_are():
    moved = InputFiles("files", LEAF.identities, ({"path": "/elsewhere/a.warc.gz"},))
    touched = InputFiles("files", (["a.warc.gz", 12, 100],), LEAF.rows)
    assert step(first, source=LEAF).key == step(first, source=moved).key != step(first, source=touched).key


def test_mode_of_an_edge_and_number_of_tasks_are_in_keys():
    source = step(first, source=LEAF)
    assert (
        len(
            {
                step(second, first=edge, tasks=n).key
                for edge, n in ((source, None), (all_shards(source), None), (source, 2))
            }
        )
        == 3
    )


def test_an_input_changed_changes_everything_behind_it():
    old, new = (step(second, first=step(first, source=LEAF, bound=b)) for b in (0.5, 0.6))
    assert old.key != new.key
    assert list(differences(old.identity["params"], new.identity["params"])) == []
    assert list(differences(old.edges["first"].source.identity, new.edges["first"].source.identity)) == [
        "params.bound: 0.5 -> 0.6"
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a"}, b"x", object()])
def test_what_has_no_single_spelling_is_refused(value):
    with pytest.raises(TypeError, match=r"first\.names\[1\]: .* has no single spelling"):
        _ = step(first, source=LEAF, names=("a", value)).key


def test_unknown_setting_is_refused():
    with pytest.raises(TypeError, match="treshold"):
        step(first, source=LEAF, treshold=1)


@stage(version=1, outputs={"part": ROW})
def third(one, other, *, n: int = 3):
    yield


@stage(version=1, outputs={"part": ROW})
def several(sidecars, optional=None):
    yield


def test_the_order_in_which_inputs_are_given_does_not_matter():
    a, b = step(first, source=LEAF), step(first, source=LEAF, bound=0.9)
    assert step(third, one=a, other=b).key == step(third, other=b, one=a).key != step(third, one=b, other=a).key


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"one": LEAF}, "third\\(other=...\\) is missing"),
        ({"one": LEAF, "other": LEAF, "another": LEAF}, "third has no parameter \\['another'\\]"),
        ({"one": LEAF, "other": 3}, "third\\(other=...\\) is an input"),
        ({"one": LEAF, "other": {"a": "b"}}, "third\\(other=...\\)\\['a'\\] is an input"),
    ],
)
def test_what_is_no_input_is_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        step(third, **arguments)
    with pytest.raises(TypeError):
        step(third, LEAF, LEAF)  # inputs have no positions


def test_a_mapping_of_inputs_is_bound_in_its_order_and_an_absent_one_is_left_out():
    a, b = step(first, source=LEAF), step(first, source=LEAF, bound=0.9)
    bound = step(several, sidecars={"a": a, "b": all_shards(b)})
    assert list(bound.edges) == ["sidecars.a", "sidecars.b"]
    assert bound.key != step(several, sidecars={"b": all_shards(b), "a": a}).key
    assert bound.key == step(several, sidecars={"a": a, "b": all_shards(b)}, optional=None).key
    assert bound.key != step(several, sidecars={"a": a, "b": all_shards(b)}, optional=a).key


def test_equal_steps_are_one():
    a, b = step(first, source=LEAF), step(first, source=LEAF)
    assert [s.name for s in ancestors(step(second, first=all_shards(a), n=1))] == ["first", "second"]
    assert len(ancestors(step(second, first=step(first, source=LEAF)))) == 2
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
