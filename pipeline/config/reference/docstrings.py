"""Descriptions of arguments in Google-style docstrings."""

import inspect
import re

_ARGUMENT = re.compile(r"(?P<names>\*{0,2}\w+(?:, ?\*{0,2}\w+)*)(?: ?\([^)]*\))?:(?: +(?P<text>.*))?$")


def parse_arguments(docstring: str) -> dict[str, str]:
    """Return argument -> description of a Google-style docstring, each on one line; {} without an `Args:` section.

    Continuation lines are indented deeper than the argument's name. Several arguments may share a description:
    `width, height: Size in pixels.`
    """
    lines = iter(inspect.cleandoc(docstring).splitlines())
    if not any(line.rstrip() in ("Args:", "Arguments:") for line in lines):  # stops behind the header
        return {}
    descriptions: dict[str, list[str]] = {}
    names: list[str] = []
    name_indent = 0
    for line in lines:
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if text and indent == 0:
            break
        match = _ARGUMENT.match(text)
        if match and (not names or indent <= name_indent):
            name_indent = indent
            names = [name.strip(" *") for name in match["names"].split(",")]
            descriptions |= {name: [match["text"] or ""] for name in names}
        else:
            for name in names:
                descriptions[name].append(text)
    return {name: " ".join(" ".join(texts).split()) for name, texts in descriptions.items()}
