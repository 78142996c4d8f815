"""Where the tests find real data, and what they do where there is none."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("kernels", deadline=None)  # a first example may compile kernels or load a model
settings.load_profile("kernels")
CHECKOUT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CORPUS_TEST_DATA", CHECKOUT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pages and labels. A user's clone has none: the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("real data absent: set CORPUS_TEST_DATA to a folder that has it")
    return SHARED
