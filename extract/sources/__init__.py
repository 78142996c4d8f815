"""Source formats: how input files are listed, split into ranges and read. `registry.py` says how to add a format."""

from extract.sources.registry import source as source
