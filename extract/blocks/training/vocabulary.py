"""The vocabulary of tokens: how often each one goes with main text and with a kind of page, and its weights."""

import numpy as np

from extract.blocks.features.columns import PAGE_KINDS
from extract.blocks.features.page_structure import find_sections, heading_levels
from extract.blocks.features.token_weights import Vocabulary, expand_tokens, hash_block_words
from extract.blocks.scan.hashing import build_table
from extract.blocks.training.labels import Example

MIN_TOKEN_DOMAINS = 5  # registered domains with pages that have the token
MIN_TEXT_WEIGHT, MIN_KIND_WEIGHT = 0.4, 0.6  # a token whose weights are all nearer to 0 is left out
Counts = dict[int, tuple[float, float]]  # token -> main text that goes with it, other text
_KIND_OF_LABEL = {name: number for number, name in enumerate(PAGE_KINDS)} | {"collection": PAGE_KINDS.index("listing")}


def count_class_tokens(example: Example) -> Counts:
    """Shares of the page's main text, and of its other text, that are in elements with a token, each 0 to 1."""
    weight_sums = np.concatenate(([0], np.cumsum(example.weight)))
    main_sums = np.concatenate(([0], np.cumsum(example.weight * example.label)))
    main_text, other_text = max(main_sums[-1], 1e-9), max(weight_sums[-1] - main_sums[-1], 1e-9)
    spans: dict[int, list[tuple[int, int]]] = {}
    for node in example.scan.nodes[1:]:
        first, end = int(node["first_block"]), int(node["end_block"])
        if end > first:
            tokens = example.scan.tokens[node["first_token"] : node["end_token"]].tolist()
            for token in (int(node["tag"]) + 1, *tokens):
                spans.setdefault(token, []).append((first, end))
    counts = {}
    for token, token_spans in spans.items():
        main = other = 0.0
        counted_to = 0
        for first, end in token_spans:  # in order of opening: blocks in nested elements are counted once
            first = max(first, counted_to)
            if end > first:
                main = main + main_sums[end] - main_sums[first]
                other = other + weight_sums[end] - weight_sums[first] - main_sums[end] + main_sums[first]
                counted_to = end
        counts[token] = (main / main_text, other / other_text)
    return counts


def count_word_tokens(example: Example) -> Counts:
    """Shares of main text, and of other text, in the blocks that have a word or are below a heading with it.

    The two sum to 1.
    """
    tokens, starts = hash_block_words(example.scan.text, example.scan.blocks)
    heading, outer_heading = find_sections(heading_levels(example.scan.blocks, example.scan.nodes))
    codes, blocks = expand_tokens(tokens, starts, heading, outer_heading)
    distinct, place = np.unique(codes, return_inverse=True)
    weight = example.weight + 1e-9
    total = np.bincount(place, weight[blocks], len(distinct))
    main = np.bincount(place, (weight * example.label)[blocks], len(distinct))
    rows = zip(distinct.tolist(), main.tolist(), total.tolist(), strict=True)
    return {token: (token_main / token_total, 1 - token_main / token_total) for token, token_main, token_total in rows}


def build_vocabulary(examples: list[Example], class_counts: list[Counts], word_counts: list[Counts]) -> Vocabulary:
    """Vocabulary of the tokens that enough domains have and that tell something.

    Weights are smoothed log-odds: of main text (column 0), of the page's being of each kind (columns 1 on).
    """
    n_kinds = len(PAGE_KINDS)
    sums: dict[int, np.ndarray] = {}  # main and other text of classes, of words, pages of each kind
    domains: dict[int, set[str]] = {}
    kind_prior, word_totals = np.zeros(n_kinds), np.zeros(2)
    for example, classes, words in zip(examples, class_counts, word_counts, strict=True):
        kind = _KIND_OF_LABEL.get(example.page.kind, -1)
        if kind >= 0:
            kind_prior[kind] += 1
        for token in words.keys() | classes.keys() | set(example.scan.about.tolist()):
            token_sums = sums.setdefault(token, np.zeros(4 + n_kinds))
            token_sums[:2] += classes.get(token, (0, 0))
            token_sums[2:4] += words.get(token, (0, 0))
            if kind >= 0:
                token_sums[4 + kind] += 1
            domains.setdefault(token, set()).add(example.page.host)
        word_totals += np.sum(list(words.values()), axis=0) if words else 0
    frequent = sorted(token for token in sums if len(domains[token]) >= MIN_TOKEN_DOMAINS)
    kind_prior, word_prior = kind_prior / kind_prior.sum(), word_totals[0] / word_totals.sum()
    weights = np.array([_token_weights(sums[token], kind_prior, word_prior) for token in frequent], np.float32)
    informative = (abs(weights[:, 0]) > MIN_TEXT_WEIGHT) | (abs(weights[:, 1:]).max(axis=1) > MIN_KIND_WEIGHT)
    tokens = [token for token, use in zip(frequent, informative, strict=True) if use]
    hashes, places = build_table(
        {token: row for row, token in enumerate(tokens, 1)}, bits=max(4, (2 * len(tokens)).bit_length())
    )
    return Vocabulary(hashes, places, np.vstack((0 * weights[:1], weights[informative])))


def _token_weights(sums: np.ndarray, kind_prior: np.ndarray, word_prior: float) -> np.ndarray:
    """(1 + kinds,) weights of one token; `sums` as in `build_vocabulary`."""
    class_main, class_other, word_main, word_other = sums[:4]
    text_weight = np.log((class_main + 0.5) / (class_other + 0.5))
    if word_main + word_other > 0:
        text_weight = _smoothed_log_odds(word_main, word_main + word_other, word_prior)
    pages = float(sums[4:].sum())
    kind_weights = [_smoothed_log_odds(hits, pages, prior) for hits, prior in zip(sums[4:], kind_prior, strict=True)]
    return np.concatenate(([text_weight], kind_weights))


def _smoothed_log_odds(hits: float, total: float, prior: float) -> float:
    """Log-odds of `hits` among `total`, smoothed towards the prior by two more, minus the prior's log-odds."""
    odds = (hits + 2 * prior) / (total - hits + 2 * (1 - prior))
    return float(np.log(odds) - np.log(prior / (1 - prior)))
