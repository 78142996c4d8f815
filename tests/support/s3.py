"""A real S3 endpoint on localhost, as a fixture."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from pipeline.store.filesystem import Store


@pytest.fixture(scope="module")
def s3():
    """A real S3 endpoint on localhost (moto's server), its bucket `corpora`, and the environment that points there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    settings = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    request = urllib.request.Request(f"{url}/corpora", method="PUT")
    for _ in range(100):
        try:
            urllib.request.urlopen(request, timeout=5)
            break
        except urllib.error.URLError:
            time.sleep(0.2)
    yield "s3://corpora"
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=30)
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


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
