"""datatrove's chain for one language, WARC to deduplicated Parquet: run by tests.bench.corpus with the peers' Python.

FineWeb-2's steps and German bounds (its configs/deu_Latn.yml) with C4's rules, in datatrove 0.10.1's own blocks: WARC
reader, URL filter, trafilatura in its sandbox, language, Gopher repetition and quality, C4, FineWeb, and MinHash in
four stages. Prints nothing; writes `summary.json` (why each document went) and `final/*.parquet`.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

STOP_WORDS = ["der", "und", "die", "in", "von", "im", "den", "des", "mit", "das", "er", "dem", "als", "wurde", "für"]
STAGES = ("filters", "signatures", "buckets", "clusters", "removal")


def main() -> None:
    arguments = _arguments()
    from loguru import logger

    logger.remove()
    reasons: dict[str, str] = {}
    passed: list[str] = []  # URLs that every filter kept
    folder = Path(arguments.out)
    for name, blocks in zip(STAGES, _stages(folder, arguments, reasons, passed), strict=True):
        _run(blocks, folder / "logs" / name, _tasks(name))
    said = {"reasons": reasons, "passed": passed, "steps": _costs(folder)}
    (folder / "summary.json").write_text(json.dumps(said))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--warc", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--language-model", required=True, help="a fastText model with lid.176's labels")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds of a page's extraction")
    return parser.parse_args()


def _tasks(name: str) -> int:
    """datatrove wants a task a band for the buckets; one task does everything else."""
    return 14 if name == "buckets" else 1


def _run(blocks: list, logs: Path, tasks: int) -> None:
    """Tasks one after the other in this process: nothing of the cost is a pool's."""
    from datatrove.executor import LocalPipelineExecutor

    LocalPipelineExecutor(blocks, tasks=tasks, workers=1, logging_dir=str(logs)).run()


def _stages(folder: Path, said: argparse.Namespace, reasons: dict[str, str], passed: list[str]) -> list[list]:
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter, ParquetWriter

    def at(name: str) -> str:
        return str(folder / name)

    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    chain = [*_chain(said), _noting(passed), JsonlWriter(at("filtered"))]
    for block in chain:
        if hasattr(block, "filter"):
            block.filter = _traced(block.filter, type(block).__name__, reasons)
    return [
        chain,
        [JsonlReader(at("filtered")), MinhashDedupSignature(at("sigs"), config=config, language="de")],
        [MinhashDedupBuckets(at("sigs"), at("buckets"), config=config)],
        [MinhashDedupCluster(at("buckets"), at("remove"), config=config)],
        [JsonlReader(at("filtered")), MinhashDedupFilter(at("remove")), ParquetWriter(at("final"), compression="zstd")],
    ]


def _chain(said: argparse.Namespace) -> list:
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
        LanguageFilter,
        URLFilter,
    )
    from datatrove.pipeline.readers import WarcReader
    from datatrove.utils.lid import FT176LID
    from tldextract import TLDExtract

    warc = Path(said.warc)
    FT176LID.MODEL_URL = said.language_model  # another size of the same model; a local file is not downloaded
    language = LanguageFilter(languages="de", language_threshold=0.65)
    addresses = URLFilter()
    addresses.tldextractor = TLDExtract(suffix_list_urls=())  # the list that it ships: no download
    return [
        WarcReader(str(warc.parent), glob_pattern=warc.name),
        addresses,
        Trafilatura(favour_precision=True, timeout=said.timeout, deduplicate=False),
        language,
        GopherRepetitionFilter(
            language="de",
            dup_line_frac=0.263,
            dup_para_frac=0,
            dup_line_char_frac=0,
            dup_para_char_frac=0,
            top_n_grams=((2, 0.169), (3, 0.153), (4, 0.137)),
            dup_n_grams=((5, 0.141), (6, 0.134), (7, 0.126), (8, 0.117), (9, 0.108), (10, 0.098)),
        ),
        GopherQualityFilter(
            language="de",
            min_avg_word_length=0,
            max_avg_word_length=15,
            max_non_alpha_words_ratio=0.774,
            stop_words=STOP_WORDS,
        ),
        C4QualityFilter(language="de", filter_no_terminal_punct=False),
        FineWebQualityFilter(
            language="de", line_punct_thr=0.0, short_line_thr=999, char_duplicates_ratio=0.1, new_line_ratio=0.152
        ),
    ]


def _noting(passed: list[str]) -> Callable:
    """A step that notes the URL of every document: a closure, since the executor works on a deep copy of its blocks."""

    def noting(data: Any, rank: int = 0, world_size: int = 1) -> Any:
        for doc in data:
            passed.append(doc.metadata["url"])
            yield doc

    return noting


def _traced(judge: Callable, name: str, reasons: dict[str, str]) -> Callable:
    """The filter, which also notes by URL why it drops a document: a dictionary entry, nothing that costs."""

    def noting(doc: Any) -> Any:
        result = judge(doc)
        kept, reason = result if isinstance(result, tuple) else (result, "")
        if not kept:
            reasons[doc.metadata["url"]] = f"{name.removesuffix('Filter')}: {reason}"
        return result

    return noting


def _costs(folder: Path) -> dict[str, float]:
    """Seconds by block as datatrove's statistics have them: wall clock, its sandbox waited for."""
    found: dict[str, float] = {}
    for stage in STAGES:
        for block in json.loads((folder / "logs" / stage / "stats.json").read_text()):
            seconds = float((block.get("time_stats") or {}).get("total", 0))
            found[f"{stage}: {block['name'].split(' ', 1)[-1]}"] = round(seconds, 3)
    return found


if __name__ == "__main__":
    main()
