"""What a recipe may contain: sections with the settings of their stages, and the columns that rules may name."""

import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from pipeline.base.columns import Column, sidecar_schema
from pipeline.base.errors import UserError
from pipeline.base.user_code import UserFunction
from pipeline.config.rules import RuleColumns

# Marks a keyword-only parameter that the DAG fills in: Annotated[int, DERIVED]. It is no setting of a recipe.
DERIVED = "filled in by the DAG"
UserCode = tuple[UserFunction, ...]  # a recipe names user code by [[tables]], not as a setting
Stages = Callable | tuple[Callable, ...]


@dataclass(frozen=True)
class RecipeSchema:
    """What a recipe may contain.

    sections: section -> the stage or stages whose keyword-only parameters are its settings.
    columns: section -> schema of the columns that it makes and that rules may name.
    optional: sections that are off unless the recipe has them.
    always: sections that cannot be switched off.
    declared: column -> its declaration with meaning and range, for columns that have one.
    """

    sections: Mapping[str, Stages]
    columns: Mapping[str, pa.Schema] = field(default_factory=dict)
    optional: Collection[str] = ()
    always: Collection[str] = ()
    declared: Mapping[str, Column] = field(default_factory=dict)

    def with_columns(self, measured: Mapping[str, tuple[Column, ...]]) -> "RecipeSchema":
        """Return the schema with columns that user code measures, by its name.

        Raises UserError for a column that there is already.
        """
        owners = {column.name: section for section, schema in self.columns.items() for column in schema}
        for name, columns in measured.items():
            for column in columns:
                if column.name in owners:
                    raise UserError(f"[[sidecars]] {name}: [{owners[column.name]}] measures '{column.name}'; rename it")
                owners[column.name] = name
        schemas = {name: sidecar_schema(columns) for name, columns in measured.items()}
        declared = {column.name: column for columns in measured.values() for column in columns}
        return replace(self, columns={**self.columns, **schemas}, declared={**self.declared, **declared})

    def rule_columns(self, enabled: Collection[str]) -> RuleColumns:
        """Return the columns that rules may look at when the sections `enabled` are on; `id` is none of them.

        Columns of something that is no section of a recipe are always there.
        """
        types: dict[str, pa.DataType] = {}
        sections: dict[str, str] = {}
        for section, schema in self.columns.items():
            is_on = section in enabled or section not in self.sections
            for column in schema:
                if column.name == "id" or column.name in types:
                    continue
                sections[column.name] = section
                if is_on:
                    types[column.name] = column.type
        return RuleColumns(types, sections, self.declared)


def as_tuple(stages: Stages) -> tuple[Callable, ...]:
    """Return one or several stages as a tuple."""
    return stages if isinstance(stages, tuple) else (stages,)


def setting_annotations(stages: Stages) -> dict[str, Any]:
    """Return keyword-only parameter -> annotation of one or several stages; `str` where a parameter has none."""
    annotations: dict[str, Any] = {}
    for stage in as_tuple(stages):
        hints = typing.get_type_hints(stage, include_extras=True)
        for name, parameter in inspect.signature(stage).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and not _is_derived(hints.get(name)):
                annotations.setdefault(name, hints.get(name, str))
    return annotations


def _is_derived(annotation: Any) -> bool:
    """Return whether the DAG fills a parameter in, so that it is no setting of a recipe."""
    return annotation == UserCode or DERIVED in getattr(annotation, "__metadata__", ())


def setting_defaults(stages: Stages) -> dict[str, Any]:
    """Return keyword-only parameter -> default of one or several stages; required parameters are left out."""
    defaults: dict[str, Any] = {}
    for stage in as_tuple(stages):
        for name, parameter in inspect.signature(stage).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty:
                defaults.setdefault(name, parameter.default)
    return defaults
