"""Where the tests find real data, and what they do where there is none."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.paths import SHARED
from tests.support.s3 import s3  # noqa: F401 - a fixture

settings.register_profile("kernels", deadline=None)  # a first example may compile kernels or load a model
settings.load_profile("kernels")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pages and labels. A user's clone has none: the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("real data absent: set CORPUS_TEST_DATA to a folder that has it")
    return SHARED
