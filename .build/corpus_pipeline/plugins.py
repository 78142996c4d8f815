"""User code without a fork: what a file named by `[[sidecars]]`, `[[selections]]` or `[[sources]]` imports."""

from corpus_pipeline._internal.pipeline.plugins import Column, selection, sidecar, source

__all__ = ["Column", "selection", "sidecar", "source"]
