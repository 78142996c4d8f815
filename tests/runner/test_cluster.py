"""Which Ray cluster a run uses."""

import pytest

from pipeline.base.errors import UserError
from pipeline.runner import ray_pool as cluster


@pytest.fixture
def asked(monkeypatch):
    """What `ray.init` is called with, without a cluster."""
    ray = pytest.importorskip("ray")
    said: dict = {}
    monkeypatch.setenv("PYTHONPATH", "")  # so that it is put back
    monkeypatch.setattr(ray, "init", lambda **settings: said.update(settings))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(cluster, "_reach", lambda address: None)
    return said


def test_without_an_address_a_cluster_of_its_own_is_started(asked, monkeypatch):
    """Else Ray joins whatever cluster runs on this machine, and refuses the number of CPUs."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    cluster._start(2)
    assert (asked["address"], asked["num_cpus"]) == ("local", 2)


def test_a_cluster_that_does_not_let_us_in_is_told_in_a_line(asked, monkeypatch):
    """One with tokens, to a driver that is not told so: Ray gives up with a trace."""

    def refuse(**settings):
        raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(UserError, match=r"^RAY_ADDRESS=10\.0\.0\.1:6379: Failed .*set RAY_AUTH_MODE=token$"):
        cluster._start(2)


def test_with_an_address_that_cluster_is_used(asked, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    cluster._start(2)
    assert asked["address"] == "10.0.0.1:6379" and "num_cpus" not in asked
