"""How each regular expression of the code that reads page text is used: which method, on how much text at most."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Packages and modules whose patterns read page text, HTML or addresses.
PACKAGES = ("filters", "extract", "dedup", "pipeline.base", "pipeline.publish", "pipeline.plugins")
# Formats of files are read in bounded pieces by their own rules; the demo, training and presets read files of ours.
_OTHER_TEXT = ("extract.sources", "extract.demo", "extract.blocks.train", "filters.make_presets")


class Use(NamedTuple):
    """A pattern's method, and how many characters it is given at most; 0 for as many as a text has."""

    method: str = "finditer"
    max_length: int = 0


_ANYWHERE = Use()  # searched for in a whole text; what a pattern is that is not listed below
_CHAIN = 300  # characters of the longest chain of digits with its separators
_TAG, _NAME = 4096, 300
EXCEPTIONS = {
    "filters.contamination.benchmark_items._NUMBERED_LABEL": Use("fullmatch"),
    "filters.fix_text._VERBOSE": Use(max_length=1),  # reads ftfy's pattern
    "filters.pii.mask._EMAIL.host": Use("match"),  # in regions between signs, which do not overlap
    "filters.pii.mask._OBFUSCATED_EMAIL.host": Use("match"),
    "filters.pii.mask._JOINED_BEFORE": Use(max_length=16),
    "filters.pii.mask._VERSION_BEFORE": Use(max_length=16),
    "filters.pii.phone._OPENING": Use(max_length=3),
    "filters.pii.phone._NOT_AFTER": Use(max_length=32),
    "filters.pii.phone._NOT_BEFORE": Use("match", 8),
    "filters.pii.phone._DATE": Use(max_length=_CHAIN),
    "filters.pii.phone._ISBN": Use("match", _CHAIN),
    "filters.pii.phone._POSTCODE": Use(max_length=_CHAIN),
    "filters.pii.phone._CITY": Use("match", 8),
    "filters.pii.phone._YEAR": Use("match", _CHAIN),
    "filters.pii.phone._NANP": Use("match", _CHAIN),
    "filters.pii.phone._PHONE_WORD": Use(max_length=32),
    "filters.pii.phone._OTHER_NUMBER": Use(max_length=32),
    "extract.blocks.inline_marks._SUP_OR_SUB": Use(max_length=1),  # only up to the last end; `render_marks` is measured
    "extract.blocks.render._LINE_NUMBERS": Use("fullmatch"),
    "extract.blocks.render._CODE_TAG": Use("match"),
    "extract.blocks.render._CHECKBOX": Use("match", _TAG),
    "extract.html.decode._COMMENT": Use(max_length=4096),
    "extract.html.decode._META": Use(max_length=4096),
    "extract.html.decode._XML": Use(max_length=4096),
    "extract.html.formulas._TEX_SCRIPT_FOLLOWS": Use("match"),
    "extract.html.formulas._ALT_TEXT": Use("match"),
    "extract.html.formulas._STYLE_GROUP": Use("fullmatch"),
    "extract.html.metadata._BY_AND_NAME": Use("match", _NAME),
    "extract.html.metadata._ABSOLUTE_URL": Use("match"),
    "extract.html.mathml_symbols._COMMAND": Use(max_length=24),
    "extract.html.rights._BOT": Use("fullmatch", _TAG),
    "extract.html.rights._DIRECTIVE": Use("fullmatch"),
    "extract.langid.prefilter._HTML_LANG": Use(max_length=8192),
    "extract.record_to_html._HTML_START": Use("match", 4096),
}


def use_of(name: str) -> Use:
    return EXCEPTIONS.get(name, _ANYWHERE)


def module_names() -> list[str]:
    """Modules of PACKAGES."""
    names = []
    for package in PACKAGES:
        module = importlib.import_module(package)
        names += [found.name for found in pkgutil.walk_packages(module.__path__, f"{package}.")]
    return [name for name in names if not name.startswith(_OTHER_TEXT)]


def compiled_patterns() -> dict[str, re.Pattern]:
    """Every pattern that a module compiles when it is imported, alone, in a tuple or in a mapping, by its name."""
    patterns: dict[int, tuple[str, re.Pattern]] = {}
    for module_name in module_names():
        for name, value in vars(importlib.import_module(module_name)).items():
            for found, pattern in _patterns_in(f"{module_name}.{name}", value):
                patterns.setdefault(id(pattern), (found, pattern))
    return dict(patterns.values())


def _patterns_in(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, re.Pattern]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif depth < 3 and isinstance(value, tuple | list | dict):
        fields = getattr(value, "_fields", None) or (value if isinstance(value, dict) else range(len(value)))
        items = value.values() if isinstance(value, dict) else value
        for field, item in zip(fields, items, strict=True):
            yield from _patterns_in(f"{name}.{field}", item, depth + 1)


def inline_patterns() -> dict[str, tuple[re.Pattern, str]]:
    """Every pattern that is written where it is used, `re.sub("...", ...)`, with that method, by module and pattern."""
    patterns = {}
    for module_name in module_names():
        path = importlib.import_module(module_name).__file__
        assert path is not None
        for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in ("sub", "search", "match", "fullmatch", "split", "findall", "finditer")
                and isinstance(node.args[0], ast.Constant)
            ):
                text = node.args[0].value
                method = node.func.attr if node.func.attr in ("match", "fullmatch") else "finditer"
                patterns[f"{module_name}: {text}"] = (re.compile(text), method)
    return patterns
