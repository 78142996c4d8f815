"""User code named in a recipe: `[[sidecars]]`, `[[selections]]` and `[[sources]]` with `use = "my.py:function"`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.suggestions import unknown_name
from pipeline.config.config_value import PLUGIN_TABLES, ConfigValue
from pipeline.config.recipe_schema import setting_annotations
from pipeline.config.values import check_value, missing_file

_OWN_KEYS = ("use", "name")


@dataclass(frozen=True)
class Plugin:
    """A function of the user's that a recipe names.

    kind: "sidecars", "selections" or "sources", as the table is called.
    use: `path.py:function` as the recipe has it.
    path: the Python file; a relative one starts at the recipe's folder.
    function: name of the function in the file.
    settings: the other keys of the table, unchecked until the function is known (`check_plugin_settings`).
    name: the key `name`, else the function's name.
    location: `file:line` of the table.
    """

    kind: str
    use: ConfigValue
    path: Path
    function: str
    settings: dict[str, ConfigValue]
    name: str
    location: str


def parse_plugin_tables(tables: ConfigValue) -> list[Plugin]:
    """Return the plugins of one kind in a recipe file: an array of tables.

    Raises UserError with the location for a table without `use`, a `use` without a function, and a missing file.
    """
    kind = str(tables.path[-1])
    if not isinstance(tables.value, list) or not all(isinstance(table, dict) for table in tables.value):
        source_hint = ", or [source] for input files" if kind == "sources" else ""
        raise tables.error(f"{kind} is a list of tables, one for each function: type [[{kind}]]{source_hint}")
    return [_parse_plugin(table, kind) for table in tables.children()]


def _parse_plugin(table: ConfigValue, kind: str) -> Plugin:
    if "use" not in table.value:
        raise table.error('no function is named: type use = "my_file.py:my_function"')
    use = table.child("use")
    file, _, function = check_value(use, str).rpartition(":")
    if not file.strip() or not function.isidentifier():
        file = file or function
        file = file if file.endswith(".py") else "my_file.py"
        raise use.error(f'use = "{use.value}" names no function in a file: type use = "{file}:my_function"')
    path = use.source.folder / Path(file).expanduser()
    if not path.is_file():
        raise use.error(f"use: {missing_file(Path(file), path)}")
    name = check_value(table.child("name"), str) if "name" in table.value else function
    settings = {entry.key: entry for entry in table.children() if entry.key not in _OWN_KEYS}
    return Plugin(kind, use, path, function, settings, name, table.location)


def group_plugins(plugins: Iterable[Plugin]) -> dict[str, tuple[Plugin, ...]]:
    """Return the plugins by kind, every kind present. Raises UserError where two have the same name."""
    groups: dict[str, tuple[Plugin, ...]] = dict.fromkeys(PLUGIN_TABLES, ())
    by_name: dict[str, Plugin] = {}
    for plugin in plugins:
        if plugin.name in by_name:
            other = by_name[plugin.name].location
            raise plugin.use.error(
                f"'{plugin.name}' is there twice: also at {other}; type name = \"...\" in one of them"
            )
        by_name[plugin.name] = plugin
        groups[plugin.kind] += (plugin,)
    return groups


def check_plugin_settings(plugin: Plugin, function: Callable) -> dict[str, Any]:
    """Return the plugin's settings as `function` expects them: its keyword-only parameters say which there are.

    Raises UserError with the location for an unknown setting or a value of the wrong type.
    """
    annotations: Mapping[str, Any] = setting_annotations(function)
    for key, setting in plugin.settings.items():
        if key not in annotations:
            raise setting.error(unknown_name("setting", key, annotations))
    return {key: check_value(setting, annotations[key]) for key, setting in plugin.settings.items()}
