"""Fixtures of the deduplication tests."""

import pytest


@pytest.fixture
def quick_steps(monkeypatch):
    """Small steps are many in these tests: files are not synced to disk, and nobody asks what a step cost."""
    monkeypatch.setattr("pipeline.store.filesystem.os.fsync", lambda _: None)
    monkeypatch.setattr("pipeline.runner.task._cpu_seconds", lambda: 0.0)
