"""User code of a recipe, loaded and checked, as the recipe's DAG binds it."""

from collections.abc import Callable, Iterable
from typing import Any

from pipeline.base.columns import Column, sidecar_schema
from pipeline.base.errors import UserError
from pipeline.base.user_code import UserFunction
from pipeline.config.plugins import Plugin, check_plugin_settings
from pipeline.config.recipe_file import Config
from pipeline.plugins.stages import declared_selection, declared_sidecar
from pipeline.runner.stage import Stage


def loaded(plugin: Plugin, declaration: Callable[[UserFunction], Any]) -> tuple[UserFunction, Any, dict[str, Any]]:
    """Return a plugin's function, its declaration and its settings. Raises UserError with the place in the recipe."""
    try:
        function = UserFunction.from_file(plugin.path, plugin.function)
        return function, declaration(function), check_plugin_settings(plugin, function.load())
    except UserError as error:
        message = str(error)
        raise (error if message.startswith(plugin.location.split(":")[0]) else plugin.use.error(message)) from error


def plugin_columns(plugins: Iterable[Plugin]) -> dict[str, tuple[Column, ...]]:
    """Return the columns that the user's sidecars measure, by sidecar: rules may name them."""
    return {plugin.name: loaded(plugin, declared_sidecar)[1].columns for plugin in plugins}


def sidecar_steps(recipe: Config) -> list[dict[str, Any]]:
    """Return the arguments of a step for each of the user's sidecars."""
    steps = []
    for plugin in recipe.plugins.get("sidecars", ()):
        function, declared, settings = loaded(plugin, declared_sidecar)
        outputs = {"part": sidecar_schema(declared.columns)}
        stage = Stage(plugin.name, declared.version, (), outputs, "sidecar", declared.columns)
        steps.append({"name": plugin.name, "stage": stage, "function": function, "settings": settings})
    return steps


def selection_steps(recipe: Config) -> list[dict[str, Any]]:
    """Return the settings of the chain of each of the user's selections."""
    steps = []
    for plugin in recipe.plugins.get("selections", ()):
        function, declared, settings = loaded(plugin, declared_selection)
        own = {"function": function, "settings": settings, "label": plugin.name, "rule": declared.rule}
        steps.append({**own, "keep": declared.keep, "scope": declared.scope})
    return steps


def readers(recipe: Config) -> tuple[UserFunction, ...]:
    """Return the user's readers of source files."""
    from extract.sources.registry import load_reader

    return tuple(loaded(plugin, load_reader)[0] for plugin in recipe.plugins.get("sources", ()))
