"""The sources a recipe is made of: its TOML file, the recipes it extends, and the `--set` options."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.base.errors import UserError
from pipeline.base.paths import CONFIGS
from pipeline.base.suggestions import nearest_name
from pipeline.config.config_value import ConfigSource
from pipeline.config.toml import parse_toml, read_toml
from pipeline.config.values import check_value

_LANGUAGE_CODE_LETTERS = 3  # a longer name is a word, which resembles some code by chance


def shipped_languages(configs: Path = CONFIGS) -> list[str]:
    """Return the languages that have a recipe in `configs`, sorted."""
    return sorted(path.stem for path in configs.glob("*.toml"))


def read_recipe_chain(recipe: str, configs: Path) -> tuple[Path, list[ConfigSource]]:
    """Return the file of a recipe, and its source after those of the recipes it extends, the base first.

    Raises UserError for a recipe that does not exist and for recipes that extend each other in a circle.
    """
    recipe_path, folder = _find_recipe(recipe, configs)
    chain = [read_toml(recipe_path, folder)]
    path, visited = recipe_path, {recipe_path.resolve()}
    while "extends" in chain[0].data:
        extends = chain[0].root().child("extends")
        base = check_value(extends, str)
        if base.endswith(".toml") and not Path(base).is_absolute():
            base = str(path.parent / base)
        try:
            path, folder = _find_recipe(base, configs)
        except UserError as error:
            raise extends.error(f"extends: {error}") from error
        if path.resolve() in visited:
            circle = " <- ".join([*(source.name for source in chain), chain[-1].name])
            raise extends.error(f"extends goes round in a circle: {circle}")
        visited.add(path.resolve())
        chain.insert(0, read_toml(path, folder))
    return recipe_path, chain


def _find_recipe(recipe: str, configs: Path) -> tuple[Path, Path]:
    """Return the file of a recipe (a language or a path), and the folder where relative paths in it start."""
    if recipe.endswith(".toml") or "/" in recipe:
        path = Path(recipe).expanduser()
        if not path.is_file():
            raise UserError(f"{recipe}: there is no such recipe file")
        is_shipped = path.resolve().parent == configs.resolve()
        return path, configs.parent if is_shipped else path.parent
    known = shipped_languages(configs)
    if recipe in known:
        return configs / f"{recipe}.toml", configs.parent
    similar = nearest_name(recipe.lower(), known) if len(recipe) <= _LANGUAGE_CODE_LETTERS else ""
    locale_language = re.split(r"[-_.]", recipe)[0].lower()  # de_DE.UTF-8
    guess = next((code for code in (locale_language, similar) if code in known), "")
    hint = f"did you mean {guess}? There" if guess else "there"
    raise UserError(
        f"no recipe for language '{recipe}': {hint} are {', '.join(known)}; to add one, "
        f"copy configs/fr.toml to configs/{recipe}.toml (CONTRIBUTING.md), or give the path of a .toml file"
    )


def override_sources(overrides: Mapping[str, Any]) -> list[ConfigSource]:
    """Return each `near.threshold=0.7` as a source of its own. A text that is a TOML value is read as one."""
    sources = []
    for key, value in overrides.items():
        raw = value if isinstance(value, str) else ""
        data: Any = _parse_toml_value(key, value) if isinstance(value, str) else value
        for part in reversed(key.split(".")):
            data = {part: data}
        sources.append(ConfigSource(f"--set {key}", Path.cwd(), data, None, raw))
    return sources


def _parse_toml_value(key: str, text: str) -> Any:
    try:
        document = parse_toml(f"value = {text}", f"--set {key}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if len(document) == 1 else text


def language_warning(sources: list[ConfigSource], configs: Path) -> str:
    """Return a warning where a recipe extends that of a language and then sets another one; "" where none does.

    Word lists, reference texts and rules of the extended recipe were chosen for its own language; a recipe for every
    language ("any") has none of these.
    """
    base = ""
    for source in sources:
        if "language" not in source.data:
            continue
        setting, language = source.root().child("language"), source.data["language"]
        if base not in ("", "any", language):
            is_shipped = language in shipped_languages(configs)
            if source.from_command_line:
                verb, action = "changes", f"{language} as the recipe" if is_shipped else "any as the recipe"
            else:
                verb, action = "extends", f'extends = "{language}"' if is_shipped else 'extends = "any"'
            return (
                f'{setting.location}: language "{language}" {verb} the recipe of "{base}", whose word lists, '
                f'reference texts and rules were chosen for "{base}": type {action}'
            )
        base = language
    return ""
