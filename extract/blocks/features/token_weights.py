"""What learned token weights say about blocks: tokens of classes and ids, words of short blocks and of headings.

A token is a 64-bit hash. The vocabulary is a hash table from tokens to places in `weights` (places, 1 + kinds): column
0 is for main text, the others for kinds of pages. Tokens that training has not met count nothing.
"""

# mypy: disable-error-code="arg-type,assignment,return-value"
# (kernels: NumPy's scalars stand for int)

import numpy as np

from extract.blocks.scan.byte_kernels import step
from extract.blocks.scan.nodes import N_PARENT, N_TAG, N_TOK0, N_TOK1
from extract.blocks.scan.tags import FNV_BASIS, look
from extract.blocks.scan.text_runs import T0, T1, WORDS
from pipeline.kernels.njit import njit

SHORT, MEDIUM = 5, 40  # words of a block: up to SHORT they are told apart, above MEDIUM they say nothing
MOST_WORDS = 24  # of a block
_SHORT_SEED, _MEDIUM_SEED, _PHRASE_SEED = 8, 9, 11
BELOW = np.uint64(0x9E3779B97F4A7C15)  # a heading's token, exclusive or this: the same of the text below it


@njit(cache=True, nogil=True)
def block_tokens(text: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(tokens uint64, starts int32): block b's are tokens[starts[b]:starts[b + 1]], the last of the whole text."""
    n = len(blocks)
    starts = np.zeros(n + 1, np.int32)
    found = np.empty(n * (MOST_WORDS + 1), np.uint64)
    m = 0
    for b in range(n):
        if blocks[b, WORDS] <= MEDIUM:
            m = _tokens(text, blocks[b, T0], blocks[b, T1], blocks[b, WORDS] <= SHORT, found, m)
        starts[b + 1] = m
    return found[:m], starts


@njit(cache=True, nogil=True)
def _tokens(text, i, end, short, found, m):  # type: ignore[no-untyped-def]
    """Hashes of words and of currency signs, lower-cased in ASCII, without digits, then one of all of them."""
    seed = _SHORT_SEED if short else _MEDIUM_SEED
    basis = step(np.uint64(FNV_BASIS), seed)
    whole = step(np.uint64(FNV_BASIS), _PHRASE_SEED)
    code, inside, first = basis, False, m
    while i <= end and m - first < MOST_WORDS:
        c = np.int64(text[i]) if i < end else 32
        if 65 <= c <= 90:
            c |= 32
        if 97 <= c <= 122 or c >= 128 or c == 36:
            code, inside = step(code, c), True
        elif inside:
            found[m] = code
            whole = step(whole, code)
            m, code, inside = m + 1, basis, False
        i += 1
    found[m] = whole
    return m + 1


@njit(cache=True, nogil=True)
def spread(tokens, starts, below, above):  # type: ignore[no-untyped-def]
    """(tokens, blocks): every token of a block, and every token of the headings above it changed by BELOW."""
    n, codes, rows = 0, np.empty(0, np.uint64), np.empty(0, np.int64)
    for fill in (False, True):
        if fill:
            codes, rows = np.empty(n, np.uint64), np.empty(n, np.int64)
        n = 0
        for b in range(len(starts) - 1):
            of, mask = b, np.uint64(0)
            while of >= 0:
                for k in range(starts[of], starts[of + 1]):
                    if fill:
                        codes[n], rows[n] = tokens[k] ^ mask, b
                    n += 1
                of = below[b] if mask == 0 else above[of]
                mask = BELOW
    return codes, rows


@njit(cache=True, nogil=True)
def word_scores(tokens, starts, mask, codes, places, weights):  # type: ignore[no-untyped-def]
    """(blocks, 4) float32: sum over the root of the number, least, most weight of words; the whole text's weight."""
    score = np.zeros((len(starts) - 1, 4), np.float32)
    for b in range(len(starts) - 1):
        last = starts[b + 1] - 1
        for k in range(starts[b], last + 1):
            place = look(codes, places, np.uint64(tokens[k] ^ mask))
            if place > 0:
                w = weights[place]
                if k == last:
                    score[b, 3] = w
                else:
                    score[b, 0] += w
                    score[b, 1], score[b, 2] = min(score[b, 1], w), max(score[b, 2], w)
        score[b, 0] /= np.float32(np.sqrt(max(1, last - starts[b])))
    return score


@njit(cache=True, nogil=True)
def token_scores(nodes, tokens, codes, places, weights):  # type: ignore[no-untyped-def]
    """(nodes, 7): sum, least, most of the node's own token weights; the same of its path; the nearest not 0."""
    score = np.zeros((len(nodes), 7), np.float32)
    for x in range(1, len(nodes)):
        parent = nodes[x, N_PARENT]
        total, least, most = np.float32(0), np.float32(0), np.float32(0)
        for k in range(nodes[x, N_TOK0] - 1, nodes[x, N_TOK1]):
            code = np.uint64(nodes[x, N_TAG] + 1) if k < nodes[x, N_TOK0] else tokens[k]
            place = look(codes, places, code)
            if place > 0:
                w = weights[place]
                total += w
                least, most = min(least, w), max(most, w)
        score[x, 0], score[x, 1], score[x, 2] = total, least, most
        score[x, 3] = score[parent, 3] + total
        score[x, 4], score[x, 5] = min(score[parent, 4], least), max(score[parent, 5], most)
        score[x, 6] = total if total != 0 else score[parent, 6]
    return score


@njit(cache=True, nogil=True)
def kinds(lists, codes, places, weights):  # type: ignore[no-untyped-def]
    """(3 * kinds,) float32: mean, least and most weight for each kind of page over the distinct tokens of `lists`."""
    n_kinds = weights.shape[1] - 1
    answer, seen, n = np.zeros(3 * n_kinds, np.float32), np.zeros(len(weights), np.bool_), 0
    for tokens in lists:
        for k in range(len(tokens)):
            place = look(codes, places, tokens[k])
            if place > 0 and not seen[place]:
                seen[place] = True
                n += 1
                for j in range(n_kinds):
                    w = weights[place, j + 1]
                    answer[j] += w
                    answer[n_kinds + j] = min(answer[n_kinds + j], w)
                    answer[2 * n_kinds + j] = max(answer[2 * n_kinds + j], w)
    answer[:n_kinds] /= max(1.0, np.sqrt(n))
    return answer


@njit(cache=True, nogil=True)
def title_words(text: np.ndarray, i: int, end: int, found: np.ndarray) -> int:
    """Hashes of the first len(found) words of text[i:end], ASCII letters lower-cased; how many."""
    n, code, inside = 0, np.uint64(FNV_BASIS), False
    while i <= end and n < len(found):
        c = np.int64(text[i]) if i < end else 32
        if 65 <= c <= 90:
            c |= 32
        if 97 <= c <= 122 or 48 <= c <= 57 or c >= 128:
            code, inside = step(code, c), True
        elif inside:
            found[n] = code
            n, code, inside = n + 1, np.uint64(FNV_BASIS), False
        i += 1
    return n
