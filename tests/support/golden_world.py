"""What golden digests are taken of: the demo crawl, and two made-up dumps that every optional step acts on."""

import json
import random
from pathlib import Path

from extract.demo import html as demo_texts
from pipeline.build import load_recipe
from pipeline.index.compaction import commit_run
from pipeline.index.pointer import open_index
from pipeline.runner.dag import Step
from pipeline.runner.scheduler import InProcess, execute
from pipeline.store.filesystem import Store

DOCUMENTS = 80  # of one dump
EVERY_STEP = """language = "de"
[source]
pack_bytes = 0  # several shards: steps that compare them have something to do
[extract]
format = "markdown"
[clean]
[signals]
split_hyphens = false
[quality]
references = ["reference.jsonl"]
folds = 2
[decontaminate]
benchmarks = ["benchmark.jsonl"]
[url_dedup]
[near]
bands = 20
rows = 5
[spans]
min_words = 4
[substrings]
tokens = 20
[rules]
presets = ["language", "gopher-repetition", "decontaminated"]
[[sidecars]]
use = "own.py:questions"
[[selections]]
use = "own.py:beginning"
"""
OWN_CODE = '''from pipeline.plugins import selection, sidecar


@sidecar(columns={"question_marks": int})
def questions(text):
    """Question marks of a text."""
    return [t.count("?") for t in text.to_pylist()]


@selection(rule="same_beginning", keep="longest")
def beginning(text):
    """The first forty characters."""
    return [t[:40] for t in text.to_pylist()]
'''


def run_demo(root: Path) -> dict[str, Step]:
    """Run the German recipe on the demo crawl; return its steps."""
    steps = load_recipe("de").steps
    execute(steps["corpus"], Store(root), InProcess)
    return steps


def run_every_step(root: Path) -> dict[str, Step]:
    """Run a recipe with every optional section on two dumps, with an index; return the steps of the second one."""
    folder = root / "input"
    folder.mkdir(parents=True)
    (folder / "every.toml").write_text(EVERY_STEP)
    (folder / "own.py").write_text(OWN_CODE)
    items = (demo_texts.FOLDER / "benchmark-de.jsonl").read_text("utf-8")
    (folder / "benchmark.jsonl").write_text(items, "utf-8")
    references = (demo_texts.FOLDER / "reference-de.jsonl").read_text("utf-8").splitlines()
    (folder / "reference.jsonl").write_text("\n".join(references), "utf-8")
    questions = [json.loads(line)["question"] for line in items.splitlines()]
    sentences = [part for line in references for part in json.loads(line)["text"].split(". ") if len(part.split()) > 5]
    steps: dict[str, Step] = {}
    for number in range(2):
        files = _write_dump(folder / f"dump{number}", number, sentences, questions)
        with open_index(Store(root / "root"), "golden") as index:
            build = load_recipe(str(folder / "every.toml"), files, {}, index)
            execute(build.goal, index.store, InProcess)
            commit_run(index, build.steps, build.adds_to_index, InProcess)
            steps = build.steps
    return steps


def _write_dump(folder: Path, number: int, sentences: list[str], questions: list[str]) -> tuple[str, ...]:
    """Write a dump as three files of JSON lines: fresh texts, and copies of every kind."""
    folder.mkdir()
    documents = [document for dump in range(number + 1) for document in _documents(dump, sentences, questions)]
    own = documents[-DOCUMENTS:] + documents[: number * 12]  # some of the dump before, as they were
    paths = []
    for part in range(3):
        path = folder / f"part-{number}-{part}.jsonl"
        path.write_text("".join(json.dumps(document) + "\n" for document in own[part::3]), "utf-8")
        paths.append(str(path))
    return tuple(paths)


def _documents(dump: int, sentences: list[str], questions: list[str]) -> list[dict]:
    rng = random.Random(f"dump {dump}")
    documents: list[dict] = []
    repeated = ". ".join(rng.sample(sentences, 5))
    for i in range(DOCUMENTS):
        text = ". ".join(rng.sample(sentences, 14)) + "."
        kind = i % 8
        if kind == 1 and documents:
            text = documents[-1]["text"]  # an exact copy
        elif kind == 2 and documents:
            words = documents[-1]["text"].split()
            words[rng.randrange(len(words))] = "anders"  # a near one
            text = " ".join(words)
        elif kind == 3:
            text = f"{text} {repeated}. {rng.choice(sentences)}."  # a passage that others have, too
        elif kind == 4:
            text = f"{text} {rng.choice(questions)}"
        elif kind == 5:
            text = f"{text}\njavascript is disabled\nlorem\n{text}"
        elif kind == 6:
            text = " ".join(["immer dasselbe"] * 60)
        place = i if kind else i - i % 16  # some addresses are there twice
        address = f"https://host{place % 9}.example/{dump}/{place}"
        documents.append({"text": text, "url": address, "date": f"2026-0{dump + 1}-{i % 27 + 1:02}T00:00:00Z"})
    return documents
