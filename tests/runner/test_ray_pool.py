"""Which Ray cluster a run uses."""

import socket

import pytest

from pipeline.base.errors import UserError
from pipeline.runner.ray_pool import RayPool


@pytest.fixture
def init_arguments(monkeypatch):
    """What `ray.init` is called with. No cluster is started; every address seems to be reachable."""
    ray = pytest.importorskip("ray")
    arguments: dict = {}
    monkeypatch.setenv("PYTHONPATH", "")  # so that it is put back
    monkeypatch.setattr(ray, "init", lambda **settings: arguments.update(settings))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: socket.socket())
    return arguments


def test_without_an_address_a_cluster_of_its_own_is_started(init_arguments, monkeypatch):
    """Else Ray joins whatever cluster runs on this machine, and refuses the number of CPUs."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    RayPool(2)
    assert (init_arguments["address"], init_arguments["num_cpus"]) == ("local", 2)


def test_a_cluster_that_refuses_the_connection_is_one_line(init_arguments, monkeypatch):
    """For example one with tokens, where RAY_AUTH_MODE is not set: Ray gives up with a trace."""

    def refuse(**settings):
        raise ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(UserError, match=r"^RAY_ADDRESS=10\.0\.0\.1:6379: Failed .*set RAY_AUTH_MODE=token$"):
        RayPool(2)


def test_with_an_address_that_cluster_is_used(init_arguments, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    RayPool(2)
    assert init_arguments["address"] == "10.0.0.1:6379" and "num_cpus" not in init_arguments


def test_a_cluster_with_fewer_cpus_is_one_line(init_arguments, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(UserError, match="WORKERS=3: the Ray cluster has 2 CPUs; give WORKERS=2 or less"):
        RayPool(3)
