"""The learned extraction engine: scanner against lxml, kernels against obvious references, hostile and real pages."""

import time
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.blocks.choose import (
    MIN_EXPECTED_SHARE,
    MIN_EXPECTED_WORDS,
    MIN_REPEATED_WORDS,
    add_headings,
    drop_repeats,
    fill_gaps,
    is_empty_page,
    maximize_f1,
)
from extract.blocks.engine import extract_blocks
from extract.blocks.features.page_structure import (
    find_sections,
    group_cards,
    group_equal,
    hash_texts,
    heading_levels,
)
from extract.blocks.features.token_weights import HEADING_TOKEN, MAX_WORDS, expand_tokens, hash_block_words
from extract.blocks.gbdt import MAX_LEAVES, Forest, predict_log_odds, to_bitvectors
from extract.blocks.scan.page import BLOCK, MAX_BLOCKS, MAX_OPEN
from extract.blocks.scan.scanner import scan
from extract.blocks.training.gold import load_gold, share_in_gold, word_f1, words
from extract.blocks.training.labels import block_texts
from extract.limits import TooMuch


def texts(html: str) -> list[str]:
    return block_texts(scan(html.encode()))


@pytest.mark.parametrize(
    ("html", "blocks"),
    [
        ("a<b>b</b>c", ["abc"]),
        ("<p>one<p>two", ["one", "two"]),
        ("<div> a \n\t b </div>", ["a b"]),
        ("a<br>b", ["a\nb"]),
        ("a<br><br>b", ["a", "b"]),
        ("a<br> <br/>\n<br>b", ["a", "b"]),
        ("<ul><li>x<li>y</ul>z", ["x", "y", "z"]),
        ("<table><tr><td>a<td>b<tr><td>c</table>", ["a", "b", "c"]),
        ("a<script>if (1<2) '</div>' </script>b", ["ab"]),
        ("a<script>x", ["a"]),
        ("a<style>p{}</STYLE >b", ["ab"]),
        ("a<!-- <p>x --> b", ["a b"]),
        ("a<!-->b", ["ab"]),
        ("a<!-- x", ["a"]),
        ("<noscript><p>x</p></noscript>", ["x"]),
        ("<template><p>x</p></template>y", ["y"]),
        ("<svg><text>x</text></svg>y", ["y"]),
        ("<svg/>y", ["y"]),
        ("<title>t</title>y", ["y"]),
        ("1 < 2 &lt; 3 <3", ["1 < 2 < 3 <3"]),
        ("&amp;&auml;&ouml&#228;&#xE4;&#x41&nosuch;&", ["&äöääA&nosuch;&"]),
        ("&NotEqualTilde;&#0;&#xD800;&#150;", ["≂̸\ufffd\ufffd–"]),
        ("a&nbsp;b&shy;c&#8203;d", ["a bcd"]),
        ('<a title="a > b" href=\'x"y\'>l</a>', ["l"]),
        ("<x-card>a</x-card>b", ["a", "b"]),
        ("<nope>a</nope>b", ["ab"]),
        ("<pre>a\n  b\n\n c</pre>", ["a\n  b\n\n c"]),
        ("</p></div>a</td>", ["a"]),
        ("<h2>a<h3>b</h2>c", ["a", "b", "c"]),
        ("a</", ["a</"]),
        ("a<", ["a<"]),
        ("", []),
    ],
)
def test_blocks_as_browsers_see_them(html: str, blocks: list[str]) -> None:
    assert texts(html) == blocks


def test_counts_of_a_block() -> None:
    page = scan("<p>Zwölf Wörter, <a href=x>zwei davon</a> in 1 Link. 漢字</p>".encode())
    assert page.blocks[0]["words"] == 9  # one a character in Han
    assert page.blocks[0]["link_words"] == 2


_TAGS = [
    "<p>",
    "</p>",
    "<div class='a-b cD'>",
    "</div>",
    "<li>",
    "<ul>",
    "</ul>",
    "<table>",
    "<tr>",
    "<td>",
    "</table>",
]
_TAGS += [
    "<a href=x>",
    "</a>",
    "<br>",
    "<h2>",
    "</h2>",
    "<pre>",
    "</pre>",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "<math>",
]
_TAGS += [
    "</math>",
    "<svg>",
    "</svg>",
    "&amp;",
    "&#x110000;",
    "<x-y>",
    "<",
    ">",
    "'",
    '"',
    "<a b='",
    "\n",
    "Wort ",
    "漢",
    "\ud800",
]
_PAGES = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(_TAGS), max_size=60).map("".join))


@settings(deadline=None, max_examples=150)
@given(_PAGES, _PAGES)
def test_any_string_is_a_page_and_leaves_nothing_behind(html: str, other: str) -> None:
    first = extract_blocks(html, "default")
    extract_blocks(other, "recall")
    assert extract_blocks(html, "default") == first
    assert "\n\n" not in first or "<pre>" in html


@settings(deadline=None, max_examples=150)
@given(_PAGES)
def test_blocks_and_elements_are_well_formed(html: str) -> None:
    page = scan(html.encode("utf-8", "replace"))
    blocks, nodes = page.blocks, page.nodes
    assert (blocks["start"] < blocks["end"]).all()
    assert (blocks["start"][1:] >= blocks["end"][:-1]).all()
    assert (nodes["parent"][1:] < np.arange(1, len(nodes))).all()
    assert (nodes["depth"][1:] == nodes["depth"][nodes["parent"][1:]] + 1).all()
    for b, node in enumerate(blocks["node"].tolist()):
        assert nodes[node]["first_block"] <= b < nodes[node]["end_block"]
    assert page.text.tobytes().decode("utf-8") is not None


HOSTILE = {
    "nested": "<div>" * 100_000 + "text " * 50,
    "unclosed": "<b><i><section>" * 300_000,
    "attribute": '<div class="' + "a-b cD " * 150_000 + '">text</div>',
    "open quote": "<p>text</p><a href='" + "x<p>" * 200_000,
    "angle": "<" * 1_000_000,
    "comments": "<!-- " * 200_000,
    "open svg": "<svg>" * 200_000,
    "open math": "<math>" * 150_000,
    "late math": "<math>" * 150_000 + "</math>",
    "open katex": '<span class="katex-html">' * 40_000,
    "end tags": "<li>" + "<div>" * 400 + "</li>" * 200_000,
    "cells": "<table>" + "<tr><td>" * 100_000 + "x",
    "references": "&" * 500_000 + "&NotEqualTilde" * 40_000,
    "annotations": "<math>" + "<annotation " * 80_000 + "</math>",
    "many blocks": "<div>" * 500 + "<td><h2><li>a b" * 70_000,
    "script": "<script>" + "</scrip" * 150_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_take_linear_time(name: str) -> None:
    extract_blocks("<p>warm", "default")
    begun = time.perf_counter()
    with pytest.raises(TooMuch) if name == "many blocks" else nullcontext():
        assert isinstance(extract_blocks(HOSTILE[name], "default"), str)
    assert time.perf_counter() - begun < 10  # each about a second at most where the machine is free


def test_limits_are_kept() -> None:
    page = scan(("<div>" * 2000 + "<p>a</p>" * (MAX_BLOCKS + 10)).encode())
    assert len(page.blocks) == MAX_BLOCKS
    assert page.lost_blocks == 10
    assert page.nodes["depth"].max() < MAX_OPEN


@pytest.mark.parametrize("more", [0, 1])
def test_text_beyond_the_blocks_there_is_room_for_is_not_left_out_in_silence(more: int) -> None:
    html = "<p>a</p>" * (MAX_BLOCKS + more)
    if not more:
        assert extract_blocks(html) is not None
        return
    with pytest.raises(TooMuch) as error:
        extract_blocks(html)
    assert (error.value.rule, error.value.value, error.value.limit) == (
        "too_many_blocks",
        MAX_BLOCKS + more,
        MAX_BLOCKS,
    )


@given(st.lists(st.integers(0, 5), max_size=40))
def test_groups_number_equal_keys_alike(keys: list[int]) -> None:
    numbers: dict[int, int] = {}
    expected = [numbers.setdefault(key, len(numbers)) for key in keys]
    groups, n_groups = group_equal(np.array(keys, np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    assert (groups.tolist(), n_groups) == (expected, len(numbers))


@given(st.lists(st.text("ab", max_size=10), max_size=12))
def test_equal_texts_and_no_others_have_equal_hashes(block_texts: list[str]) -> None:
    ends = np.cumsum([0, *map(len, block_texts)])
    blocks = np.zeros(len(block_texts), BLOCK)
    blocks["start"], blocks["end"] = ends[:-1], ends[1:]
    hashes = hash_texts(np.frombuffer("".join(block_texts).encode(), np.uint8), blocks).tolist()
    assert [hashes.index(code) for code in hashes] == [block_texts.index(text) for text in block_texts]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-6, 6), st.integers(0, 50)), min_size=1, max_size=8))
def test_choice_is_the_best_expected_f1_of_the_likeliest(blocks: list[tuple[float, int]]) -> None:
    log_odds, n_words = np.array([b[0] for b in blocks]), np.array([float(b[1]) for b in blocks])
    order = np.argsort(-log_odds, kind="mergesort")
    nodes, shares = np.polynomial.hermite_e.hermegauss(7)

    def expected_f1(subset: np.ndarray) -> float:
        total = 0.0
        for shift, share in zip(1.5 * nodes, shares / shares.sum(), strict=True):
            probability = 1 / (1 + np.exp(-log_odds - shift))
            denominator = n_words[subset].sum() + (probability * n_words).sum()
            hits = (probability * n_words)[subset].sum()
            total += share * (2 * hits / denominator if denominator > 0 else 0.0)
        return total

    best = max(expected_f1(order[:k]) for k in range(1, len(n_words) + 1))
    assert expected_f1(maximize_f1(log_odds, n_words)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("words", "share", "is_empty"),
    [
        (1000, 0.9 * MIN_EXPECTED_WORDS / 1000, True),
        (1000, 1.1 * MIN_EXPECTED_WORDS / 1000, False),
        (10, 1.1 * MIN_EXPECTED_SHARE, False),  # a page of few words may be all main text
        (10, 0.9 * MIN_EXPECTED_SHARE, True),
        (0, 0.5, False),
    ],
)
def test_a_page_is_empty_when_hardly_a_word_is_likely(words: int, share: float, is_empty: bool) -> None:
    log_odds = np.full(2, np.log(share / (1 - share)))
    assert is_empty_page(log_odds, np.array([words, 0.0])) == is_empty


@pytest.mark.parametrize(
    ("taken", "hashes", "words", "heading", "expected"),
    [
        ([1, 1, 1], [5, 6, 5], [9, 9, 9], [0, 0, 0], [1, 1, 0]),
        ([0, 1, 1], [5, 6, 5], [9, 9, 9], [0, 0, 0], [0, 1, 1]),  # the other one is not taken
        ([1, 1], [5, 5], [MIN_REPEATED_WORDS - 1] * 2, [0, 0], [1, 1]),
        ([1, 1], [5, 5], [MIN_REPEATED_WORDS] * 2, [0, 0], [1, 0]),
        ([1, 1, 1, 1], [5, 6, 5, 5], [9, 9, 9, 9], [0, 0, 1, 1], [0, 1, 1, 0]),  # a table of contents
        ([1, 0], [5, 5], [9, 9], [0, 1], [1, 0]),
        ([], [], [], [], []),
    ],
)
def test_a_long_block_is_taken_once(
    taken: list[int], hashes: list[int], words: list[int], heading: list[int], expected: list[int]
) -> None:
    is_heading = np.array(heading, bool)
    kept = drop_repeats(np.array(taken, bool), np.array(hashes, np.uint64), np.array(words, float), is_heading)
    assert kept.tolist() == [bool(x) for x in expected]


@pytest.mark.parametrize(
    ("taken", "log_odds", "structured", "expected"),
    [
        ("x..x", [5, -1, -1, 5], "....", "x..x"),
        ("x..x", [5, -1, -1, 5], ".ww.", "xxxx"),
        ("x.x.x", [5, -1, 1, -1, 5], ".www.", "xxxxx"),  # a cell alone is no end of the table
        ("x..x", [5, -1, -6.1, 5], ".ww.", "x..x"),
        ("x..x", [5, -1, -1, 5], ".w..", "x..x"),
        ("x..x", [5, -1, -1, 5], ".www", "x..x"),
        ("...x", [5, -1, -1, 5], ".ww.", "...x"),
        ("x...", [5, -1, -1, 5], ".ww.", "x..."),
    ],
)
def test_a_table_amid_text_is_taken_with_it(taken: str, log_odds: list[float], structured: str, expected: str) -> None:
    mask = [np.array([c != "." for c in row]) for row in (taken, structured)]
    assert "".join(".x"[int(t)] for t in fill_gaps(mask[0], np.array(log_odds, float), mask[1])) == expected


@pytest.mark.parametrize(
    ("taken", "log_odds", "heading", "expected"),
    [
        (".x", [-1.6, 5], "h.", "xx"),
        (".x", [-1.8, 5], "h.", ".x"),
        (".x", [-0.9, 5], "..", ".x"),
        ("..x", [-0.9, -0.9, 5], "hh.", "xxx"),
        ("x.", [5, -0.9], ".h", "x."),
    ],
)
def test_a_heading_above_text_is_taken_with_it(taken: str, log_odds: list[float], heading: str, expected: str) -> None:
    mask = [np.array([c != "." for c in row]) for row in (taken, heading)]
    assert "".join(".x"[int(t)] for t in add_headings(mask[0], np.array(log_odds, float), mask[1])) == expected


def test_sections_are_below_their_headings() -> None:
    heading, outer_heading = find_sections(np.array([0, 1, 0, 2, 0, 3, 2, 0]))
    assert heading.tolist() == [-1, 1, 1, 3, 3, 5, 6, 6]
    assert outer_heading.tolist() == [-1, -1, -1, 1, -1, 3, 1, -1]


def test_cards_are_siblings_of_one_path() -> None:
    page = scan(b"<ul><li class=a>x<li class=a>y<li class=b>z</ul><ul><li class=a>u</ul>")
    groups, sizes, _ = group_cards(page.nodes, page.paths)
    assert [int(sizes[groups[node]]) for node in page.blocks["node"]] == [2, 2, 1, 1]


def test_words_of_short_blocks_are_tokens() -> None:
    page = scan(("<p>Read More<p>read more<p>READ 12 more<p>" + "word " * (MAX_WORDS + 1) + "<p>read $").encode())
    tokens, starts = hash_block_words(page.text, page.blocks)
    by_block = [tokens[a:b].tolist() for a, b in pairwise(starts)]
    assert by_block[0] == by_block[1] == by_block[2]
    assert len(by_block[0]) == 3  # two words, and the phrase
    assert by_block[3] == []
    assert by_block[4][0] == by_block[0][0]
    assert len(by_block[4]) == 3


def test_a_headings_tokens_are_of_the_text_below_too() -> None:
    page = scan(b"<p>a<h2>b</h2><p>c")
    tokens, starts = hash_block_words(page.text, page.blocks)
    codes, blocks = expand_tokens(tokens, starts, *find_sections(heading_levels(page.blocks, page.nodes)))
    heading_tokens = tokens[starts[1] : starts[2]] ^ HEADING_TOKEN
    assert set(codes[blocks == 2]) == {*tokens[starts[2] : starts[3]], *heading_tokens}
    assert set(codes[blocks == 0]) == set(tokens[: starts[1]])


@pytest.mark.parametrize(
    ("head", "same"),
    [
        ('<link rel="canonical" href="https://a.example/shop/thing">', True),
        ('<meta property="og:url" content="https://a.example/shop/thing">', True),
        ('<link rel="canonical" href="https://a.example/shop">', False),
        ('<link rel="icon" href="https://a.example/shop/thing">', False),
    ],
)
def test_a_pages_own_address_is_about_it(head: str, same: bool) -> None:
    expected = scan(b"<link href='https://a.example/shop/thing' rel=canonical>").about.tolist()
    assert expected
    assert (scan(head.encode()).about.tolist() == expected) == same


def test_trees_are_walked_as_written() -> None:
    #       x0 <= 1 ? (x1 <= 0 ? 1 : 2) : 4, and a tree that is one leaf
    tree = Forest(
        np.array([0, 1, -1, -1, -1, -1], np.int16),
        np.array([1, 0, 1, 2, 4, 0.5], np.float32),
        np.array([4, 3, 0, 0, 0, 0], np.int32),
        np.array([0, 5], np.int32),
    )
    rows = np.array([[1, 0], [1, 0.1], [1.0001, 0], [-9, -9]], np.float32)
    assert predict_log_odds(rows, tree).tolist() == [1.5, 2.5, 4.5, 1.5]


def _random_forest(seed: int, max_leaves: int) -> Forest:
    """Random trees over four features, of few values, so that rows meet thresholds."""
    random = np.random.default_rng(seed)
    nodes: list[tuple[int, float, int]] = []
    roots = []

    def grow(leaves: int) -> None:
        number, left_leaves = len(nodes), int(random.integers(1, leaves)) if leaves > 1 else 0
        feature = int(random.integers(4)) if left_leaves else -1
        nodes.append((feature, float(random.integers(-3, 4)) / (1 if left_leaves else 7), 0))
        if left_leaves:
            grow(left_leaves)
            nodes[number] = (*nodes[number][:2], len(nodes))
            grow(leaves - left_leaves)

    for _ in range(random.integers(1, 6)):
        roots.append(len(nodes))
        grow(int(random.integers(1, max_leaves + 1)))
    feature, value, right = zip(*nodes, strict=True)
    ints = (np.array(v, np.int32) for v in (right, roots))
    return Forest(np.array(feature, np.int16), np.array(value, np.float32), *ints)


def _walk(row: list[float], forest: Forest) -> float:
    total = 0.0
    for node in forest.roots.tolist():
        while forest.feature[node] >= 0:
            node = node + 1 if row[forest.feature[node]] <= forest.value[node] else int(forest.right[node])
        total += float(forest.value[node])
    return total


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0, 1, 63, 64, 65, 200]))
def test_scores_are_those_of_a_walk(seed: int, rows: int) -> None:
    forest = _random_forest(seed, MAX_LEAVES)
    x = np.random.default_rng(seed).integers(-4, 5, (rows, 5)).astype(np.float32)
    expected = [_walk(row, forest) for row in x.tolist()]
    assert predict_log_odds(x, forest).tolist() == expected
    assert predict_log_odds(np.asfortranarray(x), to_bitvectors(forest)).tolist() == expected


def test_a_tree_of_too_many_leaves_is_refused() -> None:
    n = MAX_LEAVES + 1  # a chain: inner node, leaf, inner node, leaf ...
    feature = np.array([0, -1] * (n - 1) + [-1], np.int16)
    right = np.array([k + 2 if feature[k] == 0 else 0 for k in range(2 * n - 1)], np.int32)
    with pytest.raises(ValueError, match="33 leaves"):
        to_bitvectors(Forest(feature, np.zeros(2 * n - 1, np.float32), right, np.zeros(1, np.int32)))


def test_share_in_gold_follows_order_and_finds_moved_blocks() -> None:
    blocks = ["share this", "one two three four", "nine ten", "five six seven eight"]
    share = share_in_gold(blocks, "five six seven eight one two three four")
    assert (share >= 0.5).tolist() == [False, True, False, True]


def test_word_f1_is_of_bags_of_words() -> None:
    assert word_f1("a b b", "B c") == pytest.approx((1 / 3, 1 / 2, 0.4))
    assert word_f1("", "") == (1.0, 1.0, 1.0)
    assert word_f1("a", "b") == (0.0, 0.0, 0.0)


def test_favour_orders_what_is_taken(shared) -> None:  # type: ignore[no-untyped-def]
    from itertools import islice

    for page in islice(load_gold(shared), 0, 60, 3):
        lengths = [len(extract_blocks(page.html, favour)) for favour in ("precision", "default", "recall")]
        assert lengths == sorted(lengths)


def test_blocks_hold_the_words_that_lxml_sees(shared) -> None:  # type: ignore[no-untyped-def]
    from collections import Counter
    from itertools import islice

    from lxml.html import fromstring

    shares = []
    for page in islice(load_gold(shared), 0, 400, 8):
        tree = fromstring(page.html.encode(), parser=None)
        for element in list(tree.iter("script", "style", "template", "svg", "textarea", "title", "iframe", "math")):
            element.drop_tree()
        strings = (t for e in tree.iter() if isinstance(e.tag, str) for t in (e.text, e.tail) if t)
        expected = Counter(words(" ".join(strings)))
        scanned = Counter(words(" ".join(texts(page.html))))
        shares.append((scanned & expected).total() / max(1, scanned.total(), expected.total()))
    assert np.median(shares) > 0.97
    assert np.mean(np.array(shares) > 0.9) > 0.9


def test_shipped_weights_hold_their_figures(shared) -> None:  # type: ignore[no-untyped-def]
    """A sample of pages, which the weights know: guards the code and the file, and claims nothing about new pages."""
    from itertools import islice

    pages = list(islice(load_gold(shared), 0, 494, 7))
    assert np.mean([word_f1(extract_blocks(page.html, "default"), page.gold or "")[2] for page in pages]) > 0.87
