"""Jinja environments of the report (HTML) and of the dataset card (Markdown). Both escape every printed value.

Values come from crawled pages, recipes and file names, so any of them may be hostile. Escaping is the default of the
environment and no decision of a template, so it cannot be forgotten. A name that the statistics lack is an error
(`StrictUndefined`), not a gap in a published page.
"""

import functools
import json
import re
from typing import TYPE_CHECKING, Any

from pipeline.base.format import against, bound, counted, number

if TYPE_CHECKING:
    from jinja2 import Environment

# Characters that must not reach a published page: control characters and non-characters, which XML forbids; lone
# surrogates, which UTF-8 cannot encode; bidirectional embeddings, overrides and isolates, which make a text look like
# another one. Marks without a scope (U+200E, U+200F, U+061C) stay, as ordinary Arabic and Hebrew text uses them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]",
)
# What GitHub's Markdown and the Hub's formulas interpret inside a line. An underscore within a word is a plain one.
_MARKDOWN = re.compile(r"[\\`*\[\]<|~#$&]|(?<![^\W_])_|_(?![^\W_])")


class Markdown(str):
    """Markdown source that a template prints as it is."""


def replace_unsafe_characters(text: str) -> str:
    """Return the text with U+FFFD in place of each character that must not reach a published page."""
    return _UNSAFE.sub("\ufffd", text)


def escape_markdown(text: str) -> str:
    """Return one line of Markdown that displays the text. It is meant for the inside of a line, not for its start."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(replace_unsafe_characters(text).split()))


def yaml_value(value: Any) -> Markdown:
    """Return a YAML value in its JSON spelling, so that no text is taken for another type: `no` is Norwegian."""

    def replace_in(part: Any) -> Any:
        if isinstance(part, list):
            return [replace_in(item) for item in part]
        if isinstance(part, dict):
            return {key: replace_in(item) for key, item in part.items()}
        return replace_unsafe_characters(part) if isinstance(part, str) else part

    line = json.dumps(replace_in(value), ensure_ascii=False)
    return Markdown(line.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # YAML ends a line at these too


def percentage(part: float, total: float) -> str:
    """Return the share of `total`, such as `4.3%`. The share of nothing is 0.0%."""
    return f"{part / max(1, total):.1%}"


@functools.cache
def html_environment(package: str) -> "Environment":
    """Return the environment of HTML templates that lie in the folder of `package`, a dotted name."""

    def printable(value: Any) -> Any:
        """Prepare a value for escaping. Markup is what a macro made, of values that were prepared before."""
        if hasattr(value, "__html__"):
            return value
        return "" if value is None else replace_unsafe_characters(str(value))

    return _environment(package, autoescape=True, finalize=printable)


@functools.cache
def markdown_environment(package: str) -> "Environment":
    """Return the environment of Markdown templates that lie in the folder of `package`, a dotted name.

    The result of a Jinja macro is a plain text, which would be escaped again: these templates include each other.
    """

    def printable(value: Any) -> str:
        """Escape a value unless it is Markdown already."""
        if isinstance(value, Markdown):
            return value
        return "" if value is None else escape_markdown(str(value))

    return _environment(package, autoescape=False, finalize=printable)


def _environment(package: str, **options: Any) -> "Environment":
    # Every command imports this module, and Jinja takes 20 ms to import: only the step that publishes pays for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader(package, package_path="")  # beside the modules, in a checkout as in a wheel
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        **options,
    )  # fmt: skip
    environment.filters |= {
        "bound": bound,
        "counted": counted,
        "markdown": Markdown,
        "measured": against,
        "number": number,
        "percentage": percentage,
        "yaml": yaml_value,
    }
    return environment
