"""CONTRIBUTING.md is true: its instructions are carried out as they are written, in a copy of the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.paths import CHECKOUT

WORDS = "Der Garten liegt am Fluss und im Sommer kommen viele Kinder, um dort zu spielen und zu lesen. "
PAGES = [
    {"url": "https://a.example/good", "text": WORDS * 8 + "Das war es."},
    {"url": "https://a.example/loud", "text": "DIESER TEXT IST GANZ LAUT UND HÖRT NICHT AUF. " * 12},
    {"url": "https://a.example/asks", "text": "Wer? Wie? Was? " * 40},
    {"url": "https://a.example/copy", "text": WORDS + "Ganz anders geht dieser Text weiter. " * 9},
]


def blocks(heading: str) -> list[tuple[str, str]]:
    """Language and text of the code blocks below a heading."""
    section = (CHECKOUT / "CONTRIBUTING.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.fixture()
def checkout(tmp_path: Path) -> Path:
    """A copy of what is run: code and recipes."""
    for name in ("pipeline", "extract", "filters", "dedup", "configs"):
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(page) + "\n" for page in PAGES))
    return tmp_path


def carry_out(checkout: Path, heading: str) -> str:
    """Write the files of a section's blocks, and bind what it says in the recipe; return its TOML."""
    toml = ""
    for language, text in blocks(heading):
        if language == "toml":
            toml += text
            continue
        name, _, code = text.removeprefix("# ").partition("\n")
        if name == "pipeline/recipe.py":
            file = checkout / name
            imports, lines = code.split("\n\n", 1)
            recipe = file.read_text().replace(
                "from pipeline import options\n", f"{imports}\nfrom pipeline import options\n"
            )
            assert recipe.count("    # 2. Select") == 1
            file.write_text(recipe.replace("    # 2. Select", f"{lines.rstrip()}\n\n    # 2. Select"))
        else:
            (checkout / name).write_text(code)
    return toml


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(checkout), "CORPUS_CACHE": str(CHECKOUT / ".cache")}
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True)


def corpus(checkout: Path, toml: str, source: str = "pages.jsonl") -> dict[str, str | None]:
    """Ledger rules by page of a run with this recipe."""
    (checkout / "my.toml").write_text('language = "de"\n' + toml)
    done = run(checkout, "corpus", "my.toml", "--source", source, "--root", "root", "--local")
    assert done.returncode == 0, done.stderr
    rows = [row for path in Path(done.stdout.strip()).glob("ledger/*") for row in pq.read_table(path).to_pylist()]
    return {row["url"].rpartition("/")[2]: row["rule"] for row in rows}


def test_a_rule(checkout):
    rules = corpus(checkout, carry_out(checkout, "Add a rule"))
    assert rules == {"good": None, "loud": "shouting", "asks": None, "copy": None}


def test_a_signal(checkout):
    rules = corpus(checkout, carry_out(checkout, "Add a signal"))
    assert rules == {"good": None, "loud": None, "asks": "questions", "copy": None}


def test_a_stage_is_in_plan_settings_rules_keep_policy_and_explain(checkout):
    carry_out(checkout, "Add a stage")
    settings = run(checkout, "settings", "readability").stdout
    assert "marks" in settings and "Characters that end a sentence." in settings
    rule = '[[rules.add]]\nname = "short_sentences"\ncolumn = "mean_sentence_length"\nmin = 10\n'
    keep = '[near]\nkeep = "best:mean_sentence_length"\n'
    rules = corpus(checkout, f'{keep}[readability]\nmarks = ".?"\n{rule}')
    assert rules == {"good": None, "loud": None, "asks": "short_sentences", "copy": None}
    options = ("--source", "pages.jsonl", "--root", "root")
    assert "readability" in run(checkout, "plan", "my.toml", *options).stdout
    story = run(checkout, "explain", "https://a.example/asks", "--recipe", "my.toml", *options).stdout
    assert re.search(r"FAIL rules/short_sentences +mean_sentence_length ≥ 10 +\d", story)
    off = run(checkout, "plan", "de", *options).stdout
    assert "readability" not in off


def test_a_source(checkout):
    carry_out(checkout, "Add a source")
    lines = [f"{page['url']}\t{page['text']}\n" for page in PAGES]
    (checkout / "pages.tsv").write_text("".join(lines))
    assert corpus(checkout, "", "pages.tsv") == {"good": None, "loud": None, "asks": None, "copy": None}


def test_a_selection(checkout):
    rules = corpus(checkout, carry_out(checkout, "Add a selection"))
    assert rules == {"good": None, "loud": None, "asks": None, "copy": "same_beginning"}


def test_a_language(checkout):
    fields = (checkout / "configs/presets/fineweb-2/sv.toml").read_text()
    (checkout / "configs/presets/fineweb-2/fi.toml").write_text(fields.replace("sv = [", "fi = ["))
    recipe = (checkout / "configs/fr.toml").read_text()
    (checkout / "configs/fi.toml").write_text(re.sub(r'(?m)^language = "fr"', 'language = "fi"', recipe))
    done = run(checkout, "plan", "fi", "--root", "root")
    assert done.returncode == 0, done.stderr
    assert "fineweb-2" in done.stdout
