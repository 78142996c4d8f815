"""Fixtures of the tests of recipes."""

from pathlib import Path

import pytest

from tests.support.recipe_world import write_checkout


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return the folder of a small checkout, which is the current folder, too."""
    write_checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
