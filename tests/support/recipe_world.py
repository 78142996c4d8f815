"""A small recipe schema with stages of every kind of setting, and a checkout with presets for it."""

from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa

from pipeline.base.columns import Column
from pipeline.config.recipe_file import Config, load_config
from pipeline.config.recipe_schema import RecipeSchema
from pipeline.config.values import Range
from pipeline.runner.dag import Asset


def extract(source, *, engine: Literal["trafilatura", "resiliparse"] = "trafilatura", timeout: float = 30.0): ...


def signals(pages, *, stop_words: tuple[str, ...] = (), bad_words: Asset | None = None, language: str = "en"): ...


def signatures(
    pages,
    *,
    bands: int = 14,
    seed: Annotated[int, Range(-5, 5)] = 1,
    threshold: Annotated[float, Range(0, 1)] = 0.8,
): ...


def clusters(
    pairs,
    *,
    keep: str = "longest",
    exact: bool = True,
    weights: dict[str, float] | None = None,
    sizes: tuple[int, ...] = (),
): ...


def train(pages, *, lists: tuple[Asset, ...] = (), limit: int | None = 5): ...


SECTIONS = {"extract": extract, "signals": signals, "near": (signatures, clusters), "quality": train}
COLUMNS = {
    "pages": pa.schema([("id", pa.string()), ("host", pa.string()), ("date", pa.timestamp("s", "UTC"))]),
    "signals": pa.schema([("word_count", pa.int64()), ("ratio", pa.float64()), ("stop_word_count", pa.int64())]),
    "quality": pa.schema([("quality", pa.float64())]),
    "flags": pa.schema([("flag", pa.bool_())]),
}
DECLARED = {
    "ratio": Column("ratio", pa.float64(), "Share of something.", 0, 1),
    "word_count": Column("word_count", pa.int64(), "Words.", 0),
}
SCHEMA = RecipeSchema(SECTIONS, COLUMNS, ("quality",), (), DECLARED)
PRESETS = {
    "length": """
source = "a paper"
[stop_words]
xx = ["uno", "du"]
[[rule]]
name = "short"
column = "word_count"
min = 50
why = "a stub"
[[rule]]
name = "long"
column = "word_count"
max = 1000
""",
    "all": 'includes = ["length"]\n[[rule]]\nname = "host"\ncolumn = "host"\nnot_equals = "{language}.example"\n',
    "looped": 'includes = ["looped"]\n',
    "best": '[[rule]]\nname = "best"\ncolumn = "quality"\nmin = 0.5\n',
    "good": 'needs = "quality"\n[[rule]]\nname = "good"\ncolumn = "quality"\nmin = 0.5\n',
    "stops": '[[rule]]\nname = "stops"\ncolumn = "stop_word_count"\nmin = 2\n',
    "odd": "rules = []\n",
    "local/xx": '[[rule]]\nname = "own"\ncolumn = "ratio"\nmax = 0.5\n',
}


def write_checkout(folder: Path) -> None:
    """Write a checkout with one shipped language (xx), presets and a word list."""
    for name, text in PRESETS.items():
        path = folder / "configs" / "presets" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "configs" / "xx.toml").write_text('language = "xx"\n[near]\nbands = 20\n[rules]\npresets = ["length"]\n')
    (folder / "words.txt").write_text("bad\n")


def load_text(
    folder: Path, text: str | bytes = 'language = "xx"\n', overrides: dict | None = None, name: str = "my.toml"
) -> Config:
    """Load a recipe of this text, written to `folder / name`; the current folder must be `folder`."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_recipe(folder, name, overrides)


def load_recipe(folder: Path, recipe: str = "xx", overrides: dict | None = None) -> Config:
    """Load a recipe of the checkout in `folder` by language or path."""
    return load_config(recipe, overrides, SCHEMA, folder / "configs")
