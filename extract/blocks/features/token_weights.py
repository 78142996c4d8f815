"""Learned weights of tokens, summed up by block and by element: classes and ids, words of short blocks and headings.

A token is a 64-bit hash. Training gives each one a weight for main text (positive: main text) and one for each kind of
page. Tokens that training has not met are ignored.
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

from typing import NamedTuple

import numpy as np

from extract.blocks.scan.byte_kernels import DOLLAR, is_digit, to_lower
from extract.blocks.scan.hashing import FNV_BASIS, extend_hash, look_up
from extract.html.byte_search import SPACE
from pipeline.kernels.njit import njit

MAX_SHORT_WORDS = 5  # of a block whose words are told apart from the same words in longer blocks
MAX_WORDS = 40  # of a block that has tokens
MAX_TOKENS = 24  # words of a block that are tokens
HEADING_TOKEN = np.uint64(0x9E3779B97F4A7C15)  # a word's hash XOR this is the token of the word in a heading above
_SHORT_SEED, _MEDIUM_SEED, _PHRASE_SEED = 8, 9, 11  # what hashes begin with; those below are in scan/attributes.py

WORD_WEIGHTS = np.dtype(
    [
        ("sum", np.float32),  # over the square root of the number of words
        ("min", np.float32),  # at most 0
        ("max", np.float32),  # at least 0
        ("phrase", np.float32),  # of the whole text
    ],
    align=True,
)
CLASS_WEIGHTS = np.dtype(
    [
        ("sum", np.float32),  # of the element's own tokens
        ("min", np.float32),
        ("max", np.float32),
        ("path_sum", np.float32),  # of its tokens and those of all elements around it
        ("path_min", np.float32),
        ("path_max", np.float32),
        ("nearest", np.float32),  # `sum` of the nearest element, itself first, where it is not 0
    ],
    align=True,
)


class Vocabulary(NamedTuple):
    """The tokens that training has met.

    Attributes:
        hashes: Hash table of the tokens, as `hashing.build_table` makes it.
        places: Values of the hash table: rows of `weights`, from 1 on.
        weights: (tokens + 1, 1 + page kinds) float32, column 0 for main text.
    """

    hashes: np.ndarray
    places: np.ndarray
    weights: np.ndarray


@njit(cache=True, nogil=True)
def hash_block_words(text: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of all blocks of at most MAX_WORDS words.

    Returns (tokens uint64, starts int32): block b's are tokens[starts[b]:starts[b + 1]], the last one is the token of
    its whole text.
    """
    starts = np.zeros(len(blocks) + 1, np.int32)
    tokens = np.empty(len(blocks) * (MAX_TOKENS + 1), np.uint64)
    n = 0
    for b in range(len(blocks)):
        block = blocks[b]
        if block.words <= MAX_WORDS:
            n = _add_words(text, block.start, block.end, block.words <= MAX_SHORT_WORDS, tokens, n)
        starts[b + 1] = n
    return tokens[:n], starts


@njit(cache=True, nogil=True)
def _add_words(text, i, end, is_short, tokens, n):
    """Add the hashes of words and dollar signs, lower-cased in ASCII, without digits, then one of all of them."""
    basis = extend_hash(np.uint64(FNV_BASIS), _SHORT_SEED if is_short else _MEDIUM_SEED)
    phrase = extend_hash(np.uint64(FNV_BASIS), _PHRASE_SEED)
    code, in_word, first = basis, False, n
    while i <= end and n - first < MAX_TOKENS:
        byte = to_lower(np.int64(text[i])) if i < end else SPACE
        if 97 <= byte <= 122 or byte >= 128 or byte == DOLLAR:
            code, in_word = extend_hash(code, byte), True
        elif in_word:
            tokens[n] = code
            phrase = extend_hash(phrase, code)
            n, code, in_word = n + 1, basis, False
        i += 1
    tokens[n] = phrase
    return n + 1


@njit(cache=True, nogil=True)
def hash_title_words(text: np.ndarray, i: int, end: int, words: np.ndarray) -> int:
    """Write the hashes of the first words of text[i:end] into `words`, lower-cased in ASCII; returns their number."""
    n, code, in_word = 0, np.uint64(FNV_BASIS), False
    while i <= end and n < len(words):
        byte = to_lower(np.int64(text[i])) if i < end else SPACE
        if 97 <= byte <= 122 or is_digit(byte) or byte >= 128:
            code, in_word = extend_hash(code, byte), True
        elif in_word:
            words[n] = code
            n, code, in_word = n + 1, np.uint64(FNV_BASIS), False
        i += 1
    return n


@njit(cache=True, nogil=True)
def expand_tokens(tokens, starts, heading, outer_heading):
    """Pair every block with its tokens, and with the tokens (XOR HEADING_TOKEN) of the headings above it.

    `heading`, `outer_heading`: as `find_sections` returns them. Returns (tokens, blocks), for training.
    """
    n, codes, rows = 0, np.empty(0, np.uint64), np.empty(0, np.int64)
    for writing in (False, True):  # counts first
        if writing:
            codes, rows = np.empty(n, np.uint64), np.empty(n, np.int64)
        n = 0
        for b in range(len(starts) - 1):
            source, mask = b, np.uint64(0)
            while source >= 0:
                for k in range(starts[source], starts[source + 1]):
                    if writing:
                        codes[n], rows[n] = tokens[k] ^ mask, b
                    n += 1
                source = heading[b] if mask == 0 else outer_heading[source]
                mask = HEADING_TOKEN
    return codes, rows


@njit(cache=True, nogil=True)
def weigh_words(tokens, starts, mask, hashes, places, weights):
    """(blocks,) of WORD_WEIGHTS, for tokens XOR `mask`. `hashes`, `places`: the vocabulary's; `weights`: (places,)."""
    result = np.zeros(len(starts) - 1, WORD_WEIGHTS)
    for b in range(len(starts) - 1):
        last = starts[b + 1] - 1
        row = result[b]
        for k in range(starts[b], last + 1):
            place = look_up(hashes, places, np.uint64(tokens[k] ^ mask))
            if place > 0:
                weight = weights[place]
                if k == last:
                    row.phrase = weight
                else:
                    row.sum += weight
                    row.min, row.max = min(row.min, weight), max(row.max, weight)
        row.sum /= np.float32(np.sqrt(max(1, last - starts[b])))
    return result


@njit(cache=True, nogil=True)
def weigh_classes(nodes, tokens, hashes, places, weights):
    """(elements,) of CLASS_WEIGHTS; an element's tag number plus one is one of its tokens."""
    result = np.zeros(len(nodes), CLASS_WEIGHTS)
    for k in range(1, len(nodes)):
        node, row, parent = nodes[k], result[k], result[nodes[k].parent]
        total, lowest, highest = np.float32(0), np.float32(0), np.float32(0)
        for i in range(node.first_token - 1, node.end_token):
            code = np.uint64(node.tag + 1) if i < node.first_token else tokens[i]
            place = look_up(hashes, places, code)
            if place > 0:
                weight = weights[place]
                total += weight
                lowest, highest = min(lowest, weight), max(highest, weight)
        row.sum, row.min, row.max = total, lowest, highest
        row.path_sum = parent.path_sum + total
        row.path_min, row.path_max = min(parent.path_min, lowest), max(parent.path_max, highest)
        row.nearest = total if total != 0 else parent.nearest
    return result


@njit(cache=True, nogil=True)
def weigh_page_kinds(token_lists, hashes, places, weights):
    """Weights for each kind of page over the distinct tokens of `token_lists`.

    Returns (sum over the square root of the number of tokens, lowest, highest), each (kinds,) float32.
    """
    n_kinds = weights.shape[1] - 1
    mean, lowest, highest = np.zeros(n_kinds, np.float32), np.zeros(n_kinds, np.float32), np.zeros(n_kinds, np.float32)
    counted, n = np.zeros(len(weights), np.bool_), 0
    for tokens in token_lists:
        for k in range(len(tokens)):
            place = look_up(hashes, places, tokens[k])
            if place > 0 and not counted[place]:
                counted[place] = True
                n += 1
                for kind in range(n_kinds):
                    weight = weights[place, kind + 1]
                    mean[kind] += weight
                    lowest[kind] = min(lowest[kind], weight)
                    highest[kind] = max(highest[kind], weight)
    mean /= max(1.0, np.sqrt(n))
    return mean, lowest, highest
