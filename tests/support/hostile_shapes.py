"""Texts on which a pattern or a loop that backtracks takes quadratic time, and a stopwatch for what grows too fast.

Shapes of every kind repeat a seed; those of a pattern are made from the pattern itself: its own examples, cut short at
every place, repeated, and with what its repeats match repeated in them.
"""

import re
import time
from collections.abc import Callable, Iterator
from itertools import islice
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

GROWTH = 5.0  # times the time that four times the size may take
MIN_SECONDS = 0.08  # CPU; below it a clock says nothing about growth
_FOLLOWING_NODES = 24  # of what follows a repeat, and its beginnings, that are repeated
_MAX_SEEDS = 400  # of one pattern

# A seed that is repeated, or a beginning and a seed.
SEEDS: dict[str, str | tuple[str, str]] = {
    **{
        f"only {name}": char
        for name, char in {
            "letters": "a",
            "capitals": "A",
            "digits": "1",
            "zeros": "0",
            "blanks": " ",
            "tabs": "\t",
            "no-break blanks": "\u00a0",
            "line feeds": "\n",
            "returns": "\r",
            "hyphens": "-",
            "dots": ".",
            "colons": ":",
            "at signs": "@",
            "slashes": "/",
            "opening parentheses": "(",
            "closing parentheses": ")",
            "opening brackets": "[",
            "closing brackets": "]",
            "braces": "{",
            "less-than signs": "<",
            "greater-than signs": ">",
            "ampersands": "&",
            "quotes": '"',
            "apostrophes": "'",
            "backticks": "`",
            "backslashes": "\\",
            "underscores": "_",
            "plus signs": "+",
            "percent signs": "%",
            "number signs": "#",
            "asterisks": "*",
            "pipes": "|",
            "dollars": "$",
            "commas": ",",
            "equals signs": "=",
            "question marks": "?",
            "zero-width spaces": "\u200b",
            "soft hyphens": "\u00ad",
            "byte order marks": "\ufeff",
            "combining marks": "\u0301",
            "umlauts": "ä",
            "mojibake": "Ã¤",
            "euro mojibake": "â‚¬",
            "replacement characters": "\ufffd",
            "controls": "\x85",
            "emoji": "\U0001f600",
            "Han": "天",
            "Hangul jamo": "ᄀ",
            "line separators": "\u2028",
            "terminal escapes": "\x1b[0m",
        }.items()
    },
    "dots and apostrophes": "a'.'",
    "dots and apostrophes before an at sign": ("@", "a'.'"),
    "letter dot": "a.",
    "leader dots": "Kapitel .................... 12\n",
    "leader dots in one line": "a . . . . ",
    "digit blank": "1 ",
    "digit hyphen": "1-",
    "digit dot": "1.",
    "digit colon": "1:",
    "digit slash": "1/",
    "digits in parentheses": "(1) ",
    "address start": "a@",
    "addresses": "a@b.",
    "host": "a@b-",
    "obfuscated": "a (at) ",
    "obfuscated dots": "a [at] b [dot] ",
    "many ats": "a@a@",
    "numbers": "030 1234567 ",
    "international": "+49 30 1234567 ",
    "double zero": "0049 151 15071635 ",
    "numbers joined": "+49-30-1234567-",
    "announced": "Tel. 030 ",
    "IBANs": "DE89 3704 0044 0532 0130 00 ",
    "IBAN starts": "DE89 ",
    "capital digit": "A1",
    "IPv4": "93.184.216.34 ",
    "IPv4 joined": "93.184.216.34.",
    "IPv6": "2003:e7::",
    "hex": "a:",
    "versions": "version 1.",
    "e-mail": "a@b.de ",
    "e-mail joined": "a@b.de@",
    "git remotes": "git@a.bc ",
    "alternating marks": "\u0301\u0316",
    "alternating marks after a letter": ("a", "\u0301\u0316"),
    "words": "ein Wort nach dem anderen ",
    "sentences": "Ein Satz. ",
    "nested quotes": "„“\"'«»",
    "opening quotes": ' "',
    "nested brackets": "([{",
    "closing marks": ")]}",
    "citations": "[1]",
    "citation starts": "[1",
    "decomposed": "a\u0308",
    "zero-width words": "a\u200b",
    "soft hyphen words": "a\u00ad",
    "thousands": "1,000,000,",
    "grouped": "1 000 ",
    "two digits": "12 34 ",
    "double mojibake": "ÃƒÂ¤",
    "entities": "&amp;",
    "entity starts": "&#",
    "javascript": "javascript ",
    "lorem": "lorem ipsu",
    "policy": "privacy polic",
    "ellipses": "… ...",
    "bullets": "- a\n",
    "blank lines": " \n",
    "CRLF": "a\r\n",
    "labels": "__label__",
    "tags": "<b>",
    "end tags": "</b>",
    "divs": "<div>",
    "comment starts": "<!--",
    "comment ends": "-->",
    "attributes": ("<a ", "b=c "),
    "quoted attributes": ("<a ", 'b="'),
    "metas": "<meta charset",
    "scripts": "<script",
    "script elements": "<script>",
    "ld": '<script type="application/ld+json">',
    "titles": "<title",
    "title elements": "<title>a",
    "html tags": "<html ",
    "html lang": "<html lang=",
    "maths": "<math>",
    "math starts": "<math ",
    "annotations": "<annotation ",
    "imgs": "<img alt=",
    "spans": "<span class=katex>",
    "spans of math": "<span class=MathJax ",
    "tex scripts": "<script type=math/tex>a",
    "times": "<time datetime=",
    "time elements": "<time>",
    "itemprops": "itemprop=datePublished ",
    "authors": "<a class=author ",
    "bylines": 'byline" ',
    "headings": "<h1>",
    "links": "<a rel=license href=",
    "licences": "creativecommons.org/",
    "lists": "<ul><li>",
    "ordered": "<ol><li>a",
    "tables": "<table>",
    "cells": "<table><tr><td>a",
    "rows": ("<table>", "<tr><td>a<td>b"),
    "pre": "<pre>",
    "code": "<code>`",
    "sup": "<sup>",
    "superscripts": "<sup>1</sup>",
    "linked": "<a href=#n><sup>[1]</sup></a>",
    "quotes in quotes": "<blockquote>",
    "spans of rows": ("<table>", "<tr><td rowspan=50 colspan=50>a"),
    "unclosed": "<p>a<b>c",
    "query": "?a=b&",
    "tracking": ("http://a.b/?", "utm_a=1&"),
    "percent": "%41",
    "schemes": "http://",
    "hosts": ("http://", "a."),
    "user": ("http://", "a@"),
    "punycode": ("http://", "ä."),
    "IPv6 hosts": "http://[",
    "markdown": "*_`",
    "links in Markdown": "[a](",
}


def make_shape(seed: str | tuple[str, str], size: int) -> str:
    """A text of `size` characters: the beginning, then the seed again and again."""
    start, seed = seed if isinstance(seed, tuple) else ("", seed)
    text = start + seed * (max(0, size - len(start)) // len(seed) + 1)
    return text[:size]


def pattern_seeds(pattern: re.Pattern) -> list[tuple[str, str]]:
    """(beginning, seed) of texts that nearly match a pattern, made from its own parts."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = parser.parse(source, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags)
    seeds: dict[tuple[str, str], None] = {}
    for example in islice(_examples(tree), 12):
        for end in sorted({*range(1, min(len(example), 12) + 1), len(example) - 1, len(example)} - {0}):
            seeds[("", example[:end])] = None
        if example:
            seeds[("", example + " ")] = None
            seeds[("", example[:-1] + "\0")] = None
    for start, bodies in _repeats(tree, "", ()):
        for body in bodies:
            if body:
                seeds |= {(start, body): None, ("", body): None, ("", start + body * 3): None}
    return [seed for seed in islice(seeds, _MAX_SEEDS) if seed[1]]


def _examples(tree) -> Iterator[str]:
    """Some texts that a parsed pattern matches, look-arounds apart."""
    texts = [""]
    for node in tree:
        texts = [text + part for text in texts for part in list(islice(_node_examples(node), 4))][:24]
    return iter(dict.fromkeys(texts))


def _node_examples(node) -> Iterator[str]:
    operator, argument = node
    if operator is constants.LITERAL:
        yield chr(argument)
    elif operator is constants.NOT_LITERAL:
        yield "x" if argument != ord("x") else "y"
    elif operator is constants.ANY:
        yield "x"
    elif operator is constants.IN:
        yield from _set_members(argument)
    elif operator is constants.BRANCH:
        for branch in argument[1]:
            yield from islice(_examples(branch), 1)
    elif operator is constants.SUBPATTERN:
        yield from _examples(argument[-1])
    elif operator in (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT):
        low, _, body = argument
        for text in islice(_examples(body), 3):
            yield text * max(1, low)
        if low == 0:
            yield ""
    elif operator is constants.ATOMIC_GROUP:
        yield from _examples(argument)
    else:  # positions, look-arounds, references
        yield ""


_CATEGORY_MEMBERS = {
    constants.CATEGORY_DIGIT: "1", constants.CATEGORY_NOT_DIGIT: "a", constants.CATEGORY_SPACE: " ",
    constants.CATEGORY_NOT_SPACE: "a", constants.CATEGORY_WORD: "a", constants.CATEGORY_NOT_WORD: "-",
}  # fmt: skip


def _set_members(items: list) -> Iterator[str]:
    if items[0][0] is constants.NEGATE:
        named = set().union(*(_named(item) for item in items[1:]))
        yield from [char for char in "a1 .-@:<>\"'/\n" if char not in named][:3]
        return
    for operator, argument in items:
        if operator is constants.LITERAL:
            yield chr(argument)
        elif operator is constants.RANGE:
            yield chr(argument[0])
        elif operator is constants.CATEGORY:
            yield _CATEGORY_MEMBERS.get(argument, "a")


def _named(item) -> set[str]:
    operator, argument = item
    candidates = "a1 .-@:<>\"'/\n"
    if operator is constants.LITERAL:
        return {chr(argument)}
    if operator is constants.RANGE:
        return {char for char in candidates if argument[0] <= ord(char) <= argument[1]}
    tests: dict = {
        constants.CATEGORY_DIGIT: str.isdigit, constants.CATEGORY_SPACE: str.isspace,
        constants.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
        constants.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
        constants.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
        constants.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    }  # fmt: skip
    return {char for char in candidates if tests[argument](char)}


def _repeats(tree, start: str, after: tuple) -> Iterator[tuple[str, list[str]]]:
    """(what stands before, what a repeat matches or what must follow it) of every repeat in a parsed pattern."""
    for i, node in enumerate(tree):
        rest = (*list(tree)[i + 1 :], *after)
        operator, argument = node
        if operator in (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT):
            yield start, list(islice(_examples(argument[2]), 6))
            following = next(_examples(rest[:_FOLLOWING_NODES]), "")
            yield start, [following[:end] for end in range(1, len(following) + 1)][-_FOLLOWING_NODES:]
            yield from _repeats(argument[2], start, rest)
        elif operator is constants.SUBPATTERN:
            yield from _repeats(argument[-1], start, rest)
        elif operator is constants.BRANCH:
            for branch in argument[1]:
                yield from _repeats(branch, start, rest)
        elif operator in (constants.ASSERT, constants.ASSERT_NOT):
            yield from _repeats(argument[1], start, rest)
        elif operator is constants.ATOMIC_GROUP:
            yield from _repeats(argument, start, rest)
        start += next(_node_examples(node), "")


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU time of one call: other processes of the machine do not count."""
    started = time.process_time()
    function()
    return time.process_time() - started


def growth_fault(measure: Callable[[int], float], size: int, seconds_per_mb: float) -> str:
    """Why the time of a size and of four times that size is not linear or too long; "" where it is neither.

    `measure` returns CPU seconds for a size. A time below MIN_SECONDS passes: it is linear enough for the size.
    """
    bound = max(MIN_SECONDS, seconds_per_mb * 4 * size / 1e6)
    small = measure(size)
    if small > bound:
        return f"{small:.2f} s for {size:,} characters"
    large = measure(4 * size)
    if large <= MIN_SECONDS:
        return ""
    for _ in range(2):  # the best of three, where something else disturbed the clock
        if large <= max(MIN_SECONDS, GROWTH * small) and large <= bound:
            return ""
        small, large = measure(size), min(large, measure(4 * size))
    if large > bound:
        return f"{large:.2f} s for {4 * size:,} characters, {bound:.2f} s are allowed"
    return f"{large / max(small, 1e-9):.1f} times the time for four times the size ({small:.3f} s, {large:.3f} s)"
