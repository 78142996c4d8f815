"""Settings that a recipe gives in other words than the stages take them."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dedup.near import minhash
from extract.langid import identify as langid
from extract.langid.model import load_model
from pipeline.base.errors import UserError
from pipeline.builder import Builder, locate_errors
from pipeline.config.recipe_file import Config
from pipeline.config.recipe_sources import shipped_languages
from pipeline.publish.statistics.alarms import AlarmBounds
from pipeline.runner.dag import Asset, InputFiles, Step, digest


class _Every(frozenset):
    """The set of which everything is a member."""

    def __contains__(self, item: object) -> bool:
        return True


def everything() -> Config:
    """Return a recipe that has every section and says nothing in any."""
    return Config(
        name="",
        language="de",
        settings=defaultdict(dict),
        rules=(),
        reasons={},
        sections_on=_Every(),
        plugins={},
        origins={},
        files=("",),
    )


def lsh(*, preset: str = "") -> None:
    """Bands and rows of near deduplication in one word.

    Args:
        preset: Bands x rows in one word, "14x8", "26x11" or any pair, instead of `bands` and `rows`.
    """


def banding(recipe: Config, b: Builder) -> dict[str, int]:
    """Return `preset` as bands and rows. Raises UserError for one that is none, or that stands beside other numbers."""
    preset = b.settings("near", lsh).get("preset")
    if not preset:
        return {}
    near = recipe["near"]
    with locate_errors(recipe.error_prefix("near.preset")):
        bands, rows = minhash.parse_preset(preset)
        if (near.get("bands", bands), near.get("rows", rows)) != (bands, rows):
            raise UserError(f"preset = {preset!r} is {bands} bands x {rows} rows: leave out bands and rows, or preset")
    return {"bands": bands, "rows": rows}


def language_model(recipe: Config) -> dict[str, Any]:
    """Return the language model as an asset: its content is part of the key, its path is not.

    Raises UserError for a model file that is not pinned, and for a language that the embedded model does not know.
    """
    model, sha256 = recipe["identify"].get("model", "embedded"), recipe["identify"].get("sha256")
    if model.endswith((".bin", ".ftz")) and "://" not in model:
        model = str(recipe.folder_of("identify.model") / Path(model).expanduser())
    with locate_errors(recipe.error_prefix("identify.model")):
        langid.check_identifier(model, sha256)
    if model == "embedded" and recipe.language not in shipped_languages():
        labels = load_model().labels
        if recipe.language not in labels:
            raise UserError(
                f'{recipe.error_prefix("language")}the embedded model does not tell the language "{recipe.language}": '
                f"take a code it tells ({', '.join(labels[:8])}, ...), or name a fastText model: [identify] model and "
                "sha256"
            )
    return {"model": Asset(model, sha256)} if sha256 else {}


def benchmarks(recipe: Config) -> dict[str, Any]:
    """Return the benchmark files and their names: those of the recipe, else their paths below a common folder."""
    section = recipe["decontaminate"]
    assets = section.get("benchmarks", ())
    paths = [Path(asset.path).with_suffix("") for asset in assets]
    base = os.path.commonpath([path.parent for path in paths]) if paths else ""
    names = section.get("names") or tuple(path.relative_to(base).as_posix() for path in paths)
    return {"benchmarks": assets, "names": names}


def checked_index(recipe: Config, earlier: InputFiles | None) -> InputFiles | None:
    """Return the index of earlier runs. Raises UserError where the recipe compares no dumps with one another."""
    if earlier and recipe["near"].get("scope", "corpus") == "dump":
        raise UserError(
            f'{recipe.error_prefix("near.scope")}scope = "dump" compares no dumps: leave it out, or the index'
        )
    return earlier


def alarm_bounds(b: Builder) -> dict[str, Any]:
    """Return the settings of [alarms], those that the recipe leaves out with their defaults."""
    settings = b.settings("alarms", AlarmBounds)
    if settings.get("allow_empty"):
        settings = {"max_unreadable_files": None, **settings}
    return asdict(AlarmBounds(**settings))


def description(recipe: Config, steps: Mapping[str, Step]) -> str:
    """Return the recipe as JSON, for the published folder: name, rules with their reasons, hashes of steps' settings.

    Keys of steps are in the folder's manifest: here they would make a corpus of the same rows another one.
    """
    rules = [{**rule, "why": recipe.reasons.get(rule["name"], "")} for rule in recipe.rules]
    settings = {name: digest(bound.params) for name, bound in steps.items()}
    return json.dumps({"name": recipe.name, "rules": rules, "steps": settings}, sort_keys=True)
