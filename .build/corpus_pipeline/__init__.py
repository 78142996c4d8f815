"""Parts of a pipeline from Common Crawl to a pretraining corpus, as functions on values in memory.

    >>> import corpus_pipeline
    >>> corpus_pipeline.identify(["Der Hund schläft unter dem alten Tisch."])[0].language
    'de'

The whole pipeline is the command `corpus-pipeline`. Python files that a recipe names import `corpus_pipeline.plugins`.
What is in `corpus_pipeline._internal` may change with any release.
"""

from corpus_pipeline._internal.pipeline.library import (
    LanguageResult,
    UserError,
    deduplicate,
    extract,
    identify,
    mask,
)

__all__ = ["LanguageResult", "UserError", "deduplicate", "extract", "identify", "mask"]
