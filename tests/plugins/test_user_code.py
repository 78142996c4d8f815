"""User code named in a recipe: a sidecar, a selection and a reader, from a folder outside the checkout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.base.errors import UserError
from pipeline.build import load_recipe
from pipeline.publish.explain import explain_page
from pipeline.runner.manifests import shards_of
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store
from tests.support.paths import CHECKOUT

CODE = '''
from pipeline.plugins import selection, sidecar, source


@sidecar(columns={"exclamation_ratio": float})
def exclamation_ratio(text, *, factor: float = 1.0):
    """Exclamation marks among the characters, 0 to 1."""
    return [factor * t.count("!") / max(1, len(t)) for t in text.to_pylist()]


@selection(rule="same_title", keep="best:exclamation_ratio")
def title_key(title):
    return title


@source(suffixes=(".tsv",), splittable=True)
def tsv(file, start, end):
    for line in file:
        url, title, text = line.decode().rstrip("\\n").split("\\t")
        yield {"url": url, "title": title, "text": text}
'''
RECIPE = """
language = "de"
[[sources]]
use = "my_code.py:tsv"
[[sidecars]]
use = "my_code.py:exclamation_ratio"
factor = 2.0
[[selections]]
use = "my_code.py:title_key"
[[rules.add]]
name = "shouting"
column = "exclamation_ratio"
max = 0.5
"""
ROWS = [
    ("https://a.example/1", "one", "Ein erster Text von heute."),
    ("https://a.example/2", "one", "Ein zweiter Text, der ganz anders lautet!"),
    ("https://a.example/3", "two", "Ja!!!"),
    ("https://a.example/4", "three", "Und noch ein dritter Text ohne Zeichen."),
]


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_code.py").write_text(CODE)
    (tmp_path / "my.toml").write_text(RECIPE)
    (tmp_path / "pages.tsv").write_text("".join("\t".join(row) + "\n" for row in ROWS))
    return tmp_path


def load(folder: Path):
    return load_recipe(str(folder / "my.toml"), (str(folder / "pages.tsv"),))


def ledger_rules(folder: Path) -> dict[str, str | None]:
    rows = [row for path in sorted(folder.glob("ledger/*.parquet")) for row in pq.read_table(path).to_pylist()]
    return {row["url"].rpartition("/")[2]: row["rule"] for row in rows}


def test_a_sidecar_a_selection_and_a_reader_decide_and_are_shown(folder):
    store, build = Store(folder / "root"), load(folder)
    corpus = Path(execute(build.corpus, store, InProcess))
    assert ledger_rules(corpus) == {"1": "same_title", "2": None, "3": "shouting", "4": None}  # the best of "one" stays
    stats = json.loads((corpus / "stats.json").read_text())
    assert [row["rule"] for row in stats["funnel"] if row["dropped"]] == ["shouting", "same_title"]
    assert stats["duplicates"]["title_key"]["dropped"] == 1
    story = explain_page(build, store, "https://a.example/3")
    assert "exclamation_ratio 1.2" in story
    assert "FAIL rules/shouting  exclamation_ratio ≤ 0.5  1.2" in story
    story = explain_page(build, store, "https://a.example/1")
    assert "title_key  same key as https://a.example/2" in story


def test_it_works_on_ray_workers_and_from_another_folder(folder):
    command = [sys.executable, "-m", "pipeline", "corpus", "my.toml", "--source", "pages.tsv", "--root", "root"]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([*command, "--workers", "2"], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ledger_rules(Path(done.stdout.strip())) == {"1": "same_title", "2": None, "3": "shouting", "4": None}


def test_a_changed_file_is_measured_again_and_extraction_is_not(folder):
    before = load(folder).steps
    (folder / "my_code.py").write_text(CODE + "\n\ndef unused():\n    pass\n")
    after = load(folder).steps
    assert before["exclamation_ratio"].key != after["exclamation_ratio"].key
    assert before["near"].key != after["near"].key
    moved = folder / "moved"
    moved.mkdir()
    for name in ("my_code.py", "my.toml", "pages.tsv"):
        (moved / name).write_bytes((folder / name).read_bytes())
        os.utime(moved / name, ns=(os.stat(folder / name).st_atime_ns, os.stat(folder / name).st_mtime_ns))
    assert load(moved).steps["exclamation_ratio"].key == after["exclamation_ratio"].key


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("t.count", "t.counted", "my_code.py:8: AttributeError: 'str' object has no attribute 'counted' (document "),
        ("    return [factor", "    return 3, [factor", "returns what exclamation_ratio cannot hold"),
        ("for t in text.to_pylist()]", "for t in text.to_pylist()[1:]]", "returns 3 values of exclamation_ratio for 4"),
        ("1.0):\n", "1.0):\n    return {'other': text}\n", "returns ['other'], it declares ['exclamation_ratio']"),
        ("t.count(", "(1 / (len(t) - 5)) * t.count(", "ZeroDivisionError"),
    ],
)
def test_an_error_in_user_code_names_file_line_and_document(folder, old, new, message):
    (folder / "my_code.py").write_text(CODE.replace(old, new))
    build = load(folder)
    with pytest.raises(UserError) as error:
        execute(build.steps["exclamation_ratio"], Store(folder / "root"), InProcess)
    assert message in str(error.value) and "\n" not in str(error.value)
    if "ZeroDivision" in message:
        assert "https://a.example/3)" in str(error.value)  # the document that it fails on, not the first of the batch


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("my.toml", "factor = 2.0", "facto = 2.0", "unknown setting 'facto': did you mean 'factor'?"),
        ("my.toml", "factor = 2.0", 'factor = "x"', "factor must be a number"),
        ("my.toml", ":title_key", ":title_keys", "no function 'title_keys'; there are exclamation_ratio, "),
        ("my.toml", ':title_key"', ':tsv"\nname = "keys"', "tsv is not a selection"),
        ("my_code.py", "def title_key(title)", "def title_key(titel)", "unknown column of pages 'titel'"),
        ("my_code.py", '"exclamation_ratio": float', '"word_count": float', "measures 'word_count'; rename it"),
        ("my_code.py", ': float}', ': list}', "is no type; give float, int, bool or str"),
        ("my_code.py", "def tsv", "def tsv)", "my_code.py:17: SyntaxError"),
        ("my_code.py", "from pipeline", "import nowhere\nfrom pipeline", "my_code.py:2: ModuleNotFoundError"),
        ("my_code.py", "best:exclamation_ratio", "best:exclamation", "column of numbers 'exclamation'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_anything_runs(folder, file, old, new, message):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    with pytest.raises(UserError) as error:
        load(folder)
    assert message in str(error.value)


def test_a_name_that_a_step_has_is_refused(folder):
    text = (folder / "my.toml").read_text()
    (folder / "my.toml").write_text(text.replace("factor = 2.0", 'name = "signals"'))
    with pytest.raises(UserError, match="'signals' is the name of a step already"):
        load(folder)


def test_a_sidecar_has_the_order_of_the_pages(folder):
    store, build = Store(folder / "root"), load(folder)
    execute(build.corpus, store, InProcess)
    pages, own = (shards_of(store, build.steps[name]) for name in ("pages", "exclamation_ratio"))
    assert [s.table(["id"])["id"] for s in pages] == [s.table(["id"])["id"] for s in own]
    assert build.steps["exclamation_ratio"].folder.startswith("exclamation_ratio/")
