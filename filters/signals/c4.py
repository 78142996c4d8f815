"""C4's rules for lines (Raffel et al. 2020, section 2.2; tensorflow_datasets c4_utils), on codepoints of a document."""

from typing import NamedTuple

import numpy as np

from filters.signals.character_classes import DIGIT, SPACE, class_index
from filters.signals.phrases import Phrases, compile_phrases, find_phrases
from filters.signals.word_splits import ALL_PUNCT, ENDS_SENTENCE, Tokens, allocate_tokens
from filters.signals.words import tokenize
from pipeline.base.errors import UserError
from pipeline.kernels.njit import njit

KEPT, TOO_LONG_WORD, NO_TERMINAL, TOO_FEW_WORDS, JAVASCRIPT, POLICY = range(6)  # verdicts on a line
RULES = ("kept", "max_word_length", "terminal_punctuation", "min_words_per_line", "javascript", "policy")
POLICIES = (
    # tensorflow_datasets c4_utils
    *("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"),
    # the same in German
    *("nutzungsbedingungen", "datenschutzerklärung", "cookie-richtlinie", "cookie richtlinie", "verwendet cookies"),
    *("verwenden cookies", "verwendung von cookies", "nutzt cookies", "nutzen cookies", "einsatz von cookies"),
)
_LOREM_BIT, _JAVASCRIPT_BIT, _POLICY_BIT = 1, 2, 4  # phrases in a line
_CURLY, _OPEN_BRACKET, _CLOSE_BRACKET = 0x7B, 0x5B, 0x5D
_DOT, _QUESTION, _EXCLAMATION, _QUOTE, _APOSTROPHE = 0x2E, 0x3F, 0x21, 0x22, 0x27


class LineRules(NamedTuple):
    """Settings of the line rules; a number of -1 switches its rule off."""

    terminal_punctuation: bool = False
    min_words: int = 3
    max_word_length: int = 1000  # characters
    citations: bool = True


LINE_RULES = LineRules()


class C4Buffers(NamedTuple):
    """Buffers for one line without its citations, which has to be tokenized anew."""

    points: np.ndarray  # (m,) uint32
    kinds: np.ndarray  # (m,) uint16
    tokens: Tokens


def compile_line_phrases(javascript: bool, policies: tuple[str, ...]) -> Phrases:
    """Phrases for the line rules: lorem ipsum always, the others as asked.

    Raises UserError for a policy phrase of less than two letters, which the search cannot find.
    """
    for phrase in policies:
        if len(phrase) < 2:
            raise UserError(f"policy_phrases: {phrase!r} is too short to look for; give two letters or more")
    optional = [("javascript", _JAVASCRIPT_BIT)] if javascript else []
    return compile_phrases([("lorem ipsum", _LOREM_BIT), *optional, *((phrase, _POLICY_BIT) for phrase in policies)])


@njit(cache=True, nogil=True)
def allocate_c4_buffers(size):
    """Buffers for a line of less than `size` codepoints."""
    return C4Buffers(np.empty(size, np.uint32), np.empty(size, np.uint16), allocate_tokens(size))


@njit(cache=True, nogil=True)
def judge_line(points, kinds, start, end, text_has_curly, rules, phrases):
    """Verdict on the stripped line [start, end): (one of RULES, has lorem ipsum, has a curly bracket).

    text_has_curly: whether the document has a curly bracket at all. As in the reference, a line dropped for its words,
    its end or `javascript` does not drop the document for its lorem ipsum or curly bracket.
    """
    if 0 <= rules.max_word_length < end - start and _longest_word(kinds, start, end) > rules.max_word_length:
        return TOO_LONG_WORD, False, False
    if rules.terminal_punctuation and not _ends_with_terminal(points, kinds, start, end, rules.citations):
        return NO_TERMINAL, False, False
    if not _has_words(kinds, start, end, rules.min_words):
        return TOO_FEW_WORDS, False, False
    bits = find_phrases(points, start, end, phrases)
    has_lorem = bits & _LOREM_BIT != 0
    if bits & _JAVASCRIPT_BIT:
        return JAVASCRIPT, has_lorem, False
    verdict = POLICY if bits & _POLICY_BIT else KEPT
    return verdict, has_lorem, text_has_curly and _contains(points, start, end, _CURLY)


@njit(cache=True, nogil=True)
def _has_words(kinds, start, end, minimum):
    """Whether [start, end) has at least `minimum` runs of non-space."""
    words, after_space = 0, True
    for i in range(start, end):
        if words >= minimum:
            break
        is_space = kinds[i] & SPACE != 0
        words += after_space and not is_space
        after_space = is_space
    return words >= minimum


@njit(cache=True, nogil=True)
def _longest_word(kinds, start, end):
    """Characters of the longest run of non-space in [start, end)."""
    longest = run = 0
    for i in range(start, end):
        run = 0 if kinds[i] & SPACE else run + 1
        longest = max(longest, run)
    return longest


@njit(cache=True, nogil=True)
def _contains(points, start, end, point):
    """Whether the codepoint is in [start, end); it reads all of them, which the compiler vectorizes."""
    is_found = False
    for i in range(start, end):
        is_found |= points[i] == np.uint32(point)
    return is_found


@njit(cache=True, nogil=True)
def _citation_end(points, kinds, i, end):
    """End of the citation `[12]`, `[]`, `[edit]` or `[citation needed]` at i; i if there is none."""
    if points[i] != _OPEN_BRACKET:
        return i
    j = i + 1
    while j < end and kinds[j] & DIGIT:
        j += 1
    if j < end and points[j] == _CLOSE_BRACKET:
        return j + 1
    for mark in ("[edit]", "[citation needed]"):
        j = 0
        while j < len(mark) and i + j < end and points[i + j] == ord(mark[j]):
            j += 1
        if j == len(mark):
            return i + j
    return i


@njit(cache=True, nogil=True)
def copy_without_citations(points, kinds, start, end, out, position):
    """Copy [start, end) without its citations to out[position:]; returns the end of the copy."""
    while start < end:
        stop = _citation_end(points, kinds, start, end)
        if stop == start:
            out[position] = points[start]
            position, stop = position + 1, start + 1
        start = stop
    return position


@njit(cache=True, nogil=True)
def _ends_with_terminal(points, kinds, start, end, citations):
    """Whether [start, end), without citations, ends with one of . ? ! " ' and not with three dots."""
    tail = np.zeros(3, np.uint32)  # the last three codepoints
    if citations and end > start and _contains(points, start, end, _OPEN_BRACKET):
        while start < end:
            stop = _citation_end(points, kinds, start, end)
            if stop == start:
                tail[0], tail[1], tail[2] = tail[1], tail[2], points[start]
                stop = start + 1
            start = stop
    else:
        for i in range(max(start, end - 3), end):
            tail[0], tail[1], tail[2] = tail[1], tail[2], points[i]
    last = tail[2]
    if tail[0] == _DOT and tail[1] == _DOT and last == _DOT:
        return False
    return last in (_DOT, _QUESTION, _EXCLAMATION, _QUOTE, _APOSTROPHE)


@njit(cache=True, nogil=True)
def c4_signals(points, kinds, length, lines, count, tokens, token_count, settings, buffers):
    """What C4 sees in a document of `length` codepoints, `count` lines of str.splitlines and `token_count` tokens.

    Returns (sentences of kept lines, kept lines, lines that are not blank, has lorem ipsum, has a curly bracket).
    """
    sentences = kept = nonblank = token = 0
    has_lorem = has_curly = False
    rules, phrases = settings.line_rules, settings.phrases
    may_cite = rules.citations and _contains(points, 0, length, _OPEN_BRACKET)
    text_has_curly = _contains(points, 0, length, _CURLY)
    for k in range(count):
        start, end = lines.text_start[k], lines.text_end[k]
        verdict, line_lorem, line_curly = judge_line(points, kinds, start, end, text_has_curly, rules, phrases)
        nonblank, has_lorem, has_curly = nonblank + (end > start), has_lorem or line_lorem, has_curly or line_curly
        while token < token_count and tokens.start[token] < start:
            token += 1
        if verdict == KEPT and end > start:
            kept += 1
            if may_cite and _contains(points, start, end, _OPEN_BRACKET):
                sentences += _sentences_without_citations(points, kinds, start, end, settings, buffers)
            else:
                sentences += _count_sentences(tokens, token, token_count, end)
    return sentences, kept, nonblank, has_lorem, has_curly


@njit(cache=True, nogil=True)
def _sentences_without_citations(points, kinds, start, end, settings, buffers):
    """Sentences of the line [start, end) without its citations, which may have been part of words: tokenized anew."""
    length = copy_without_citations(points, kinds, start, end, buffers.points, 0)
    for i in range(length):
        buffers.kinds[i] = settings.class_bits[class_index(buffers.points[i])]
    buffers.kinds[length] = settings.class_bits[0x20]
    count, _ = tokenize(buffers.points, buffers.kinds, length, settings.split, buffers.tokens)
    return _count_sentences(buffers.tokens, 0, count, length)


@njit(cache=True, nogil=True)
def _count_sentences(tokens, token, token_count, end):
    """Sentences among the tokens from `token` to position `end`: one starts with a word after a terminal mark."""
    count, has_ended = 0, False
    while token < token_count and tokens.start[token] < end:
        kind = tokens.kind[token]
        if kind & ENDS_SENTENCE:
            has_ended = True
        elif has_ended and not kind & ALL_PUNCT:
            count, has_ended = count + 1, False
        count, token = max(count, 1), token + 1
    return count
