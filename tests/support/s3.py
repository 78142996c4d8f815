"""A real S3 endpoint on localhost: as a fixture, and for programs."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from pipeline.store.filesystem import Store

BUCKET = "corpora"


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Start moto's server with an empty bucket; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    request = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
    for _ in range(100):
        try:
            urllib.request.urlopen(request, timeout=5)
            break
        except urllib.error.URLError:
            time.sleep(0.2)
    try:
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def client_settings(url: str) -> dict[str, str]:
    """The environment that makes clients use the endpoint at `url`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="module")
def s3():
    """A real S3 endpoint on localhost (moto's server), its bucket `corpora`, and the environment that points there."""
    with s3_server() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in client_settings(url).items():
            patch.setenv(name, value)
        yield f"s3://{BUCKET}"


def download(store: Store, name: str = "") -> dict[str, bytes]:
    """Every object below `name`."""
    found = {}
    for info in store.list(name):
        path = f"{name}/{info.base_name}".lstrip("/")
        if info.is_file:
            with store.open(path) as file:
                found[path] = file.read()
        else:
            found |= download(store, path)
    return found
