"""Named rule sets: the files of configs/presets, read for one language."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline.base.suggestions import unknown_name
from pipeline.config.config_value import ConfigSource, ConfigValue
from pipeline.config.rules import Rule, parse_rule
from pipeline.config.toml import read_toml
from pipeline.config.values import check_value

_PRESET_KEYS = ("source", "includes", "needs", "stop_words", "rule")


class PresetLibrary:
    """The presets of a folder, for one language.

    A preset is a file NAME.toml, or NAME/LANGUAGE.toml where its bounds depend on the language.
    """

    def __init__(self, folder: Path, language: str, sections_off: Collection[str] = ()):
        self.folder = folder
        self.language = language
        self.sections_off = sections_off
        self.left_out: dict[str, str] = {}  # rule -> the section that its preset needs and that is off
        self._stop_words: tuple[str, ...] = ()

    def expand(self, preset: ConfigValue, including: tuple[str, ...] = ()) -> Iterator[Rule]:
        """Yield the rules of the preset that `preset` names, after those of the presets that it includes.

        A preset that needs a section which is switched off has no rules. `including`: the files that led here.
        Raises UserError with the location.
        """
        name = check_value(preset, str)
        source = self._read_preset(preset, name)
        if source.name in including:
            raise preset.error(f"preset '{name}' includes itself")
        document = source.root()
        for entry in document.children():
            if entry.key not in _PRESET_KEYS:
                raise entry.error(unknown_name("key", entry.key, _PRESET_KEYS))
        self._stop_words = self._stop_words or _stop_words_of(document, self.language)
        for entry in _list_at(document, "includes"):
            yield from self.expand(entry, (*including, source.name))
        needed_section = check_value(document.child("needs"), str) if "needs" in source.data else ""
        for entry in _list_at(document, "rule"):
            rule = parse_rule(entry, Path(name).stem, self.language)
            if needed_section in self.sections_off:
                self.left_out[rule.name] = needed_section
            else:
                yield rule

    def stop_words(self) -> tuple[str, ...]:
        """Return the stop words of the first expanded preset that has some, else FineWeb-2's, else none."""
        path = self.folder / "fineweb-2" / f"{self.language}.toml"
        if not self._stop_words and path.is_file():
            self._stop_words = _stop_words_of(read_toml(path, path.parent).root(), self.language)
        return self._stop_words

    def names(self) -> list[str]:
        """Return the names that a recipe may list, sorted."""
        paths = (path for path in self.folder.iterdir() if not path.name.startswith("."))
        return sorted(path.stem if path.is_file() else path.name for path in paths)

    def _read_preset(self, preset: ConfigValue, name: str) -> ConfigSource:
        """Read the file of a preset: a path that starts at the naming file's folder, or a name of this library."""
        if name.endswith(".toml"):
            path = preset.source.folder / name
            if not path.is_file():
                raise preset.error(f"there is no preset file {name}")
            return read_toml(path, path.parent)
        for path in (self.folder / f"{name}.toml", self.folder / name / f"{self.language}.toml"):
            if re.fullmatch(r"[\w.-]+", name) and path.is_file():
                return read_toml(path, path.parent)
        if (self.folder / name).is_dir():
            languages = ", ".join(sorted(path.stem for path in (self.folder / name).glob("*.toml")))
            file = f"configs/presets/{name}/{self.language}.toml"
            hint = f"only for {languages}; write {file} (CONTRIBUTING.md)"
            raise preset.error(f"preset '{name}' has no bounds for language '{self.language}', {hint}")
        raise preset.error(unknown_name("preset", name, self.names()))


def _stop_words_of(document: ConfigValue, language: str) -> tuple[str, ...]:
    """Return the stop words for `language` in a preset file, none where it has none."""
    if "stop_words" not in document.value:
        return ()
    table = document.child("stop_words")
    if not isinstance(table.value, dict):
        raise table.error('stop_words must be a table of languages: en = ["the", "of"]')
    return check_value(table.child(language), tuple[str, ...]) if language in table.value else ()


def _list_at(document: ConfigValue, key: str) -> list[ConfigValue]:
    if key not in document.value:
        return []
    entries = document.child(key)
    if not isinstance(entries.value, list):
        raise entries.error(f"{key} must be a list")
    return list(entries.children())
