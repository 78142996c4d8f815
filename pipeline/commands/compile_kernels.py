"""`python -m pipeline warm`: compile all kernels now. Also the two tiny runs that compile them.

As a module (`python -m pipeline.commands.compile_kernels pages`) it is one of the child processes that
`pipeline.kernels.compile` starts: "pages" makes documents of HTML pages, "texts" makes a corpus of texts, with every
optional step.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from pipeline.base.paths import CHECKOUT
from pipeline.commands.options import add_log_option
from pipeline.kernels.compile import ensure_compiled

# Steps of each run, in the order in which they run: what both need comes late in the second.
STEPS: dict[str, tuple[str, ...]] = {
    "pages": ("pages", "languages", "signatures", "fingerprints"),
    "texts": ("signals", "contamination", "corpus", "index_entry"),
}
RECIPES = {
    "pages": 'extends = "de"\n[extract]\nengine = "blocks"\n',
    "texts": 'extends = "de"\n[near]\nthreshold = 0.5\n',  # and every optional section
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_log_option(parser)


def run(_: argparse.Namespace) -> None:
    ensure_compiled()


def run_tiny_pipeline(name: str) -> None:
    """Run the pipeline `name` in a temporary folder: "texts" twice, the second time against an index of the first."""
    from pipeline.build import load_recipe, recipe_schema
    from pipeline.index.compaction import commit_run
    from pipeline.index.pointer import Pointer
    from pipeline.runner.manifests import output_folder
    from pipeline.runner.scheduler import InProcess, execute
    from pipeline.store.filesystem import Store

    with tempfile.TemporaryDirectory() as folder:
        recipe_file = Path(folder, "tiny.toml")
        optional_sections = [f"[{section}]\n" for section in recipe_schema().optional if name == "texts"]
        recipe_file.write_text(RECIPES[name] + "".join(optional_sections))
        store, source = Store(Path(folder, "root")), (str(_write_source(name, Path(folder))),)
        index = Pointer(store, "tiny") if name == "texts" else None
        first = load_recipe(str(recipe_file), source, {}, index)
        for step in STEPS[name]:
            execute(first.steps[step], store, InProcess)
        if index:
            index = commit_run(index, first.steps, first.adds_to_index, InProcess)
            published = tuple(map(str, Path(store.root, output_folder(store, first.corpus), "data").glob("*.parquet")))
            second = load_recipe(str(recipe_file), published, {}, index)
            execute(second.steps["index"], store, InProcess)


def _write_source(name: str, folder: Path) -> Path:
    """Write a WARC file of demo pages, or German texts with copies, near-duplicates and benchmark items among them."""
    if name == "pages":
        from extract.demo import crawl as demo

        file_name, data = next(iter(demo.build_warc_files().items()))
        (folder / file_name).write_bytes(data)
        return folder / file_name
    configs = CHECKOUT / "configs" / "demo"
    texts = [row["text"] for row in _read_jsonl(configs / "reference-de.jsonl")]
    items = [f"{row['question']} {row['answer']}" for row in _read_jsonl(configs / "benchmark-de.jsonl")]
    copies = texts[:9]
    near_duplicates = [f"{text}\n\nEin Satz mehr." for text in texts]
    reversed_texts = [" ".join(reversed(text.split())) for text in texts]
    triples = zip(texts[:9], reversed_texts, reversed_texts[1:], strict=False)
    overlapping = ["\n\n".join(triple) for triple in triples]  # a third of each occurs elsewhere
    contaminated = [f"{text}\n\n{item}" for text, item in zip(texts, items, strict=False)]
    texts += [*copies, *near_duplicates, *overlapping, *contaminated]
    rows = [{"url": f"https://www.example/{i}", "text": text} for i, text in enumerate(texts)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "texts.jsonl"


def _read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    run_tiny_pipeline(sys.argv[1])
