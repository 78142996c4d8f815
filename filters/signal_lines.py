"""How the lines of one document look: bullets, ellipses, terminal marks, lengths."""

from numba import njit

from filters.signal_c4 import line_end
from filters.signal_classes import ALPHA, DIGIT, SPACE, TERMINAL, UPPER
from filters.signal_repeats import strip

_NEWLINE, _DOT, _ELLIPSIS, _BULLET, _DASH, _HASH = 0x0A, 0x2E, 0x2026, 0x2022, 0x2D, 0x23


@njit(cache=True, nogil=True)
def marked(points, kinds, n):
    """(lines, those that start with a bullet or a dash, those that end with an ellipsis), as str.splitlines cuts them.

    White space at both ends of a line does not count; blank lines are lines (as in datatrove's GopherQualityFilter).
    """
    count = bullets = ellipses = i = 0
    while i < n:
        end, after = line_end(points, kinds, i, n)
        a, b = strip(kinds, i, end)
        if b > a:
            bullets += points[a] == _BULLET or points[a] == _DASH
            ellipses += points[b - 1] == _ELLIPSIS or (
                b - a > 2 and points[b - 1] == _DOT and points[b - 2] == _DOT and points[b - 3] == _DOT
            )
        count, i = count + 1, after
    return count, bullets, ellipses


@njit(cache=True, nogil=True)
def shaped(points, kinds, n, short):
    """(lines that end with a terminal mark, lines of at most `short` characters, line feeds), blank lines left out.

    Lines are what line feeds separate, with the white space they have (as in datatrove's FineWebQualityFilter).
    """
    ended = brief = feeds = i = 0
    while i <= n:
        start, blank = i, True
        while i < n and points[i] != _NEWLINE:
            blank &= kinds[i] & SPACE != 0
            i += 1
        if not blank:
            ended += kinds[i - 1] & TERMINAL != 0
            brief += i - start <= short
        feeds += i < n
        i += 1
    return ended, brief, feeds


@njit(cache=True, nogil=True)
def letters(points, kinds, n):
    """(letters, upper-case letters, decimal digits, `#`, ellipses `...` and `…`) among `n` codepoints."""
    alpha = upper = digits = hashes = ellipses = dots = 0
    for i in range(n):
        kind, point = kinds[i], points[i]
        alpha += kind & ALPHA != 0
        upper += kind & (ALPHA | UPPER) == ALPHA | UPPER
        digits += kind & DIGIT != 0
        hashes += point == _HASH
        dots = dots + 1 if point == _DOT else 0
        if dots == 3 or point == _ELLIPSIS:
            ellipses, dots = ellipses + 1, 0
    return alpha, upper, digits, hashes, ellipses
