"""A recipe, checked and bound to its input: what commands run, plan and explain."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dedup.near import minhash
from pipeline import options, preflight, recipe
from pipeline.base.format import counted
from pipeline.builder import Builder
from pipeline.config.recipe_file import Config, load_config
from pipeline.config.recipe_schema import RecipeSchema
from pipeline.index.identity import band_parameters, fingerprint, source_key
from pipeline.index.pointer import Pointer
from pipeline.plugins.bind import plugin_columns
from pipeline.runner.dag import Step


@functools.cache
def recipe_schema() -> RecipeSchema:
    """Return what a recipe may say."""
    b = recipe.build(options.everything())
    columns = {section: pa.schema([(c.name, c.type) for c in columns]) for section, columns in b.columns.items()}
    always = frozenset(b.sections) - b.optional - b.switchable
    declared = {column.name: column for columns in b.columns.values() for column in columns}
    return RecipeSchema(b.sections, columns, frozenset(b.optional), always, declared)


@dataclass(frozen=True)
class Build:
    """A recipe bound to its input.

    invocation: recipe, sources and overrides as they were typed, by which `gc` tells runs apart.
    index: the index of earlier runs, if there is one; `adds_to_index` where the dump is not in it yet.
    """

    bound: Builder
    invocation: dict[str, Any]
    index: Pointer | None = None
    adds_to_index: bool = False

    @property
    def config(self) -> Config:
        return self.bound.recipe

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def steps(self) -> dict[str, Step]:
        return self.bound.steps

    @property
    def corpus(self) -> Step:
        return self.steps["corpus"]

    @property
    def goal(self) -> Step:
        """What must be finished: the corpus, and what an index needs of it."""
        return self.steps["index_entry"] if self.adds_to_index else self.corpus

    def summary(self) -> str:
        """Return what the numbers of the recipe mean, for `plan`."""
        signatures, near = self.steps["signatures"].params, self.steps["near_clusters"].params
        bands, rows = signatures["bands"], signatures["rows"]
        chances = [
            (j / 100, minhash.candidate_probability(j / 100, bands, rows)) for j in (50, 60, 70, 75, 80, 85, 90, 95)
        ]
        curve = "  ".join(f"{similarity:.2f}: {chance:.1%}" for similarity, chance in chances)
        presets = dict.fromkeys(rule["stage"] for rule in self.config.rules)
        shingles = f"word {signatures['ngram']}-grams, verified Jaccard {near['threshold']}"
        return (
            f"near dedup: {bands} bands x {rows} rows over {shingles}\n"
            f"  chance that a pair of this similarity is compared:  {curve}\n"
            f"rules: {len(self.config.rules)}, in the order {', '.join(presets)}{self._index_summary()}"
        )

    def _index_summary(self) -> str:
        if self.index is None:
            return ""
        before = self.index.entries[: self.index.position(source_key(self.steps))]
        documents = counted(sum(entry["rows"] for entry in before), "document")
        addition = "the dump is added" if self.adds_to_index else "the dump is in it already"
        compared = f"compared with {documents} of {counted(len(before), 'dump')}"
        warning = self.index_warning()
        return f"\nindex {self.index.name}: {compared}; {addition}" + (f"\n{warning}" if warning else "")

    def index_warning(self) -> str:
        """Return which selections compare the documents of this run alone though there is an index; "" for none."""
        bound = self.bound
        compared = {"exact", "index", "near"}
        names = [name for name in bound.related if self.index and name not in compared]
        verb = "compares" if len(names) == 1 else "compare"
        return f"index: {' and '.join(names)} {verb} this dump's own documents, not those of the index" if names else ""


def load_recipe(
    name: str,
    files: tuple[str, ...] | None = None,
    overrides: Mapping[str, str] | None = None,
    index: Pointer | None = None,
) -> Build:
    """Check a recipe (a language or a file) and bind it, to an index of earlier runs if there is one.

    Raises UserError before anything runs.
    """
    overrides = overrides or {}
    config = load_config(name, overrides, recipe_schema(), plugin_columns=plugin_columns)
    preflight.check_inputs(config)
    bound = recipe.build(config, files, index)
    steps = bound.steps
    invocation = {"recipe": name, "source": list(files or ()), "set": dict(sorted(overrides.items()))}
    invocation |= {"index": index.name} if index else {}
    adds = index is not None and index.admit(source_key(steps), fingerprint(steps), band_parameters(steps))
    return Build(bound, invocation, index, adds)
