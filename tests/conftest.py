"""Where the tests find real data, and how property tests choose their examples.

`make test` derives every example from the test itself, so that one commit gives one result. `make explore` looks for
new ones (profile "explore"); each failure that it prints becomes an `@example` of its test.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.paths import SHARED
from tests.support.s3 import s3  # noqa: F401 - a fixture

# no deadline: a first example may compile kernels or load a model
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.register_profile(
    "explore", deadline=None, print_blob=True, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pages and labels. A user's clone has none: the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("real data absent: set CORPUS_TEST_DATA to a folder that has it")
    return SHARED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With the profile "explore", keep the property tests only."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "explore":
        items[:] = [item for item in items if getattr(getattr(item, "obj", None), "is_hypothesis_test", False)]
