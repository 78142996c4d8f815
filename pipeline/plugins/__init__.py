"""User code without a fork: what a file named by `[[sidecars]]`, `[[selections]]` or `[[sources]]` imports."""

from extract.sources.registry import source
from pipeline.base.columns import Column
from pipeline.plugins.declarations import selection, sidecar

__all__ = ["Column", "selection", "sidecar", "source"]
