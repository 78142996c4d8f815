"""A peer that measures or signs texts, run with its own Python: see tests.bench.process.Peer.

`python tests/bench/peer_texts.py NAME TEXTS.jsonl`: answers `{"ready": documents}`, then for each line on stdin
`{"seconds": of CPU, "said": ...}` of one more pass over all texts. `said` holds what outputs are compared by.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def dolma_signals(texts: list[str]) -> Callable[[], Any]:
    """The taggers gopher_v2 and c4_v1: Gopher's and C4's attributes."""
    from dolma.core.data_types import Document
    from dolma.taggers.c4 import C4Tagger
    from dolma.taggers.gopher import GopherTaggerV2

    gopher, c4 = GopherTaggerV2(), C4Tagger()
    documents = [Document(source="", id=str(i), text=text) for i, text in enumerate(texts)]

    def run() -> Any:
        found = [(gopher.predict(document), c4.predict(document)) for document in documents]
        return [{span.type: span.score for span in result[0].spans} for result in found]

    return run


def juicer_signals(texts: list[str]) -> Callable[[], Any]:
    """The statistics of its eight filters that need neither a model nor a download, by their batched way."""
    import importlib

    names = ("CharacterRepetition", "WordRepetition", "WordsNum", "Alphanumeric", "SpecialCharacters")
    names += ("AverageLineLength", "MaximumLineLength", "TextLength")
    found = []
    for name in names:
        module = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)[1:]
        found.append(getattr(importlib.import_module(f"data_juicer.ops.filter.{module}_filter"), f"{name}Filter")())

    def run() -> Any:
        samples: Any = {"text": list(texts), "__dj__stats__": [{} for _ in texts]}
        for one in found:
            samples = one.compute_stats_batched(samples)
        return samples["__dj__stats__"]

    return run


def juicer_minhash(texts: list[str]) -> Callable[[], Any]:
    """document_minhash_deduplicator's signatures: 14 x 8 minima of 5-grams of words."""
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator

    signer = DocumentMinhashDeduplicator(
        tokenization="punctuation", window_size=5, num_permutations=112, num_bands=14, num_rows_per_band=8
    )
    return lambda: len([signer.compute_hash({"text": text}) for text in texts])


def dedup_minhash(texts: list[str]) -> Callable[[], Any]:
    """text-dedup's embed_func: 14 x 8 minima of word 5-grams, in its 64 bit configuration."""
    import numpy as np
    from text_dedup.minhash import RNG, embed_func
    from text_dedup.utils import sha1_hash

    prime, count = np.uint64((1 << 61) - 1), 112
    settings: dict[str, Any] = {
        "num_perm": count,
        "ngram_size": 5,
        "min_length": 5,
        "hashranges": [(i * 8, i * 8 + 8) for i in range(14)],
        "permutations": (
            RNG.randint(1, prime, size=(count,), dtype=np.uint64),
            RNG.randint(0, prime, size=(count,), dtype=np.uint64),
        ),
        "hash_func": lambda data: sha1_hash(data, d=32),
        "dtype": np.uint64,
        "max_hash": np.uint32((1 << 32) - 1),
        "modulo_prime": prime,
    }
    return lambda: len([embed_func(text, i, **settings) for i, text in enumerate(texts)])


PEERS = {
    "dolma-signals": dolma_signals,
    "data-juicer-signals": juicer_signals,
    "data-juicer-minhash": juicer_minhash,
    "text-dedup-minhash": dedup_minhash,
}


def main(name: str, path: str) -> None:
    with open(path, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    run = PEERS[name](texts)
    PEERS[name](texts[:5])()
    print(json.dumps({"ready": len(texts)}), file=answers, flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        said = run()
        seconds = time.process_time() - start
        print(json.dumps({"seconds": seconds, "said": said}), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
