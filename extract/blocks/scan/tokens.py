"""Tokens of elements and of the page: 64-bit hashes of names in classes, ids, roles, addresses, JSON-LD.

Training gives them weights (`features/token_weights.py`).
"""

# mypy: disable-error-code="arg-type,assignment,return-value,no-untyped-def"
# (kernels: NumPy's scalars are passed for int)

import numpy as np

from extract.blocks.scan.byte_kernels import AT_SIGN, contains_word, is_digit, is_letter, is_upper, to_lower
from extract.blocks.scan.hashing import FNV_BASIS, extend_hash
from extract.blocks.scan.tags import Tag
from extract.html.byte_search import DOUBLE_QUOTE, HASH, HYPHEN, QUESTION, SLASH, SPACE, find_byte
from pipeline.kernels.njit import njit

# what a token's hash begins with: the same word is another token in a role or in the page's address
CLASS_SEED, ROLE_SEED, ITEMPROP_SEED, ITEMTYPE_SEED = 0, 1, 2, 3
OG_TYPE_SEED, GENERATOR_SEED, JSON_LD_SEED, ADDRESS_SEED = 5, 6, 7, 10
_MAX_TYPE_BYTES, _MAX_TYPE_TOKENS = 40, 3  # of one `@type` in JSON-LD
MAX_ABOUT = 256  # tokens about the page
_MAX_META_TOKENS, _MAX_ADDRESS_TOKENS = 4, 24  # of these, of one `meta`, and of the page's address
_PATH_LENGTH_TOKEN = 1_000  # tokens from here on are the number of names in the path of the page's address
_MAX_PATH_LENGTH, _MAX_SLASHES = 9, 12


@njit(cache=True, nogil=True)
def add_tokens(data: np.ndarray, i: int, end: int, seed: int, tokens: np.ndarray, n: int, limit: int) -> int:
    """Add the hashes of the names in data[i:end], and of their parts, to `tokens` from place n on.

    A name is cut at what is no letter and in camel case: "navBar-2" gives "nav", "bar" and "navbar-". Parts of one
    letter and names of one part are left out. Returns the number of tokens, `limit` at most.
    """
    while i < end and n < limit:
        while i < end and data[i] <= SPACE:
            i += 1
        name = extend_hash(np.uint64(FNV_BASIS), seed)
        part = name
        parts, letters, after_lower = 0, 0, False
        while i < end and data[i] > SPACE:
            byte = np.int64(data[i])
            upper = is_upper(byte)
            lower = to_lower(byte)
            if not (is_letter(byte) or byte >= 128):
                if letters > 1 and n < limit:
                    tokens[n] = part
                    n += 1
                parts, part, letters, after_lower = parts + 1, extend_hash(np.uint64(FNV_BASIS), seed), 0, False
                if not is_digit(byte):
                    name = extend_hash(name, HYPHEN)
                i += 1
                continue
            if upper and after_lower:
                if letters > 1 and n < limit:
                    tokens[n] = part
                    n += 1
                parts, part, letters = parts + 1, extend_hash(np.uint64(FNV_BASIS), seed), 0
            after_lower = not upper
            part, name, letters = extend_hash(part, lower), extend_hash(name, lower), letters + 1
            i += 1
        if letters > 1 and n < limit:
            tokens[n] = part
            n += 1
        if parts > 0 and n < limit:
            tokens[n] = name
            n += 1
    return n


@njit(cache=True, nogil=True)
def add_json_ld_types(data: np.ndarray, i: int, end: int, about: np.ndarray, n: int) -> int:
    """Add the tokens of each `"@type"` in data[i:end] to `about` from place n on; of a list, the first type counts.

    Returns the number of tokens.
    """
    while i + 8 < end:
        is_type = data[i] == AT_SIGN and data[i + 1] == 116 and data[i + 2] == 121  # @ty
        if is_type and data[i + 3] == 112 and data[i + 4] == 101:  # pe
            start = find_byte(data, find_byte(data, i + 5, end, DOUBLE_QUOTE) + 1, end, DOUBLE_QUOTE) + 1
            stop = find_byte(data, start, end, DOUBLE_QUOTE)
            limit = min(n + _MAX_TYPE_TOKENS, len(about))
            n = add_tokens(data, start, min(stop, start + _MAX_TYPE_BYTES), JSON_LD_SEED, about, n, limit)
            i = stop
        i += 1
    return n


@njit(cache=True, nogil=True)
def move_tokens_to_page(tokens, about, state):
    """The classes of `body` and `html` are about the page, not about an element."""
    for k in range(state.first_token, state.n_tokens):
        if state.n_about < len(about):
            about[state.n_about] = tokens[k]
            state.n_about += 1
    state.n_tokens = state.first_token


@njit(cache=True, nogil=True)
def add_metadata_tokens(tag, data, attributes, about, state):
    """Add tokens of og:type, generator and the page's own address to `about`."""
    name_start, name_end = attributes.name_start, attributes.name_end
    start, stop, seed, max_tokens = attributes.content_start, attributes.content_end, 0, _MAX_META_TOKENS
    if tag == Tag.LINK:
        if contains_word(data, name_start, name_end, b"canonical"):
            start, stop, seed, max_tokens = (
                attributes.href_start, attributes.href_end, ADDRESS_SEED, _MAX_ADDRESS_TOKENS,
            )  # fmt: skip
    elif contains_word(data, name_start, name_end, b"og:type"):
        seed = OG_TYPE_SEED
    elif contains_word(data, name_start, name_end, b"generator"):
        seed = GENERATOR_SEED
    elif contains_word(data, name_start, name_end, b"og:url"):
        seed, max_tokens = ADDRESS_SEED, _MAX_ADDRESS_TOKENS
    if seed:
        limit = min(state.n_about + max_tokens, len(about))
        state.n_about = add_tokens(data, start, stop, seed, about, state.n_about, limit)
    if seed == ADDRESS_SEED and state.n_about < len(about):
        slashes, path_length = 0, 0  # names in the path: slashes after those of `https://` and the host
        while start < stop and slashes < _MAX_SLASHES and data[start] != QUESTION and data[start] != HASH:
            slashes += data[start] == SLASH
            path_length += data[start] == SLASH and start + 1 < stop and data[start + 1] != SLASH and slashes > 2
            start += 1
        about[state.n_about] = np.uint64(min(path_length, _MAX_PATH_LENGTH) + _PATH_LENGTH_TOKEN)
        state.n_about += 1
