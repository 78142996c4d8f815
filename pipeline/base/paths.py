"""Where this code lies and what it is called: in a checkout, or inside the package that is installed from it."""

import os
import sys
from pathlib import Path

# Folder of the packages `pipeline`, `extract`, `filters`, `dedup` and of `configs`.
CHECKOUT = Path(__file__).resolve().parents[2]
CONFIGS = CHECKOUT / "configs"

# What precedes the names of these packages: nothing in a checkout, "corpus_pipeline._internal." in an installed wheel.
PACKAGE_PREFIX = __name__.removesuffix("pipeline.base.paths")
INSTALLED = PACKAGE_PREFIX != ""

# How a user types what messages recommend.
COMMAND = "corpus-pipeline" if INSTALLED else "python -m pipeline"
PLUGINS_MODULE = f"{PACKAGE_PREFIX.partition('.')[0] or 'pipeline'}.plugins"


def python_path() -> str:
    """Return the PYTHONPATH with which a Python child finds the modules that this process finds."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)
