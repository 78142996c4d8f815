"""The line of every key of a TOML document."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.toml_lines import line_numbers

TOML = '''# a comment with [brackets] = and "quotes"
title = "a # b" # c
"quoted key" = 1
a.b.'c.d' = [1, [2,
  3], # three
  { x = 1, y.z = "}" },
]
text = """
[not.a.table]
x = 1""""
raw = \'\'\'
''\'\'\'
when = 1979-05-27 07:32:00
[table]
key = { inner = [ "]", 'it' ], other = true }
[ spaced . "out" ]
k=1
[[rows]]
n = 1
[rows.sub]
m = 2
[[rows]]
n = 3
[[rows.more]]
o = 4
'''


def test_lines_of_keys_of_every_form():
    numbers = line_numbers(TOML)
    lines = {
        ("title",): 2,
        ("quoted key",): 3,
        ("a", "b", "c.d"): 4,
        ("a", "b", "c.d", 1, 0): 4,
        ("a", "b", "c.d", 1, 1): 5,
        ("a", "b", "c.d", 2, "y", "z"): 6,
        ("text",): 8,
        ("raw",): 11,
        ("when",): 13,
        ("table", "key", "inner", 1): 15,
        ("table", "key", "other"): 15,
        ("spaced", "out", "k"): 17,
        ("rows", 0): 18,
        ("rows", 0, "sub", "m"): 21,
        ("rows", 1, "n"): 23,
        ("rows", 1, "more", 0, "o"): 25,
    }
    assert {path: numbers[path] for path in lines} == lines
    assert set(numbers) == set(key_paths(tomllib.loads(TOML)))


def key_paths(value, path=()):
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from key_paths(item, (*path, key))


KEYS = st.text("ab.é \"'#[]=", min_size=1, max_size=4)
VALUES = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text("ab\"'\\#]}\n,=", max_size=6), st.just(1979)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def text_of(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def written(value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return text_of(value)
        case list():
            return "[\n" + "".join(f"{written(item)}, # ]\n" for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{text_of(k)} = {written(v)}" for k, v in value.items()) + "}"
    return str(value)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_every_key_of_any_document_has_its_line(document):
    text = ""
    lines = {}
    for table, entries in document.items():
        lines[(table,)] = text.count("\n") + 1
        text += f"[{text_of(table)}]\n"
        for key, value in entries.items():
            lines[(table, key)] = text.count("\n") + 1
            text += f"{text_of(key)} = {written(value)}\n"
    assert tomllib.loads(text) == document
    numbers = line_numbers(text)
    assert set(numbers) == set(key_paths(document))
    assert {path: numbers[path] for path in lines} == lines
