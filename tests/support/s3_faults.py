"""The demo corpus on an S3 endpoint that fails: a run ends with the same bytes, or with one line that names the object.

    python -m tests.support.s3_faults [RATE ...] [--workers N]

prints a line for each rate: outcome, requests by method, faults by kind. `run_demo` is for other programs.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.store.filesystem import Store
from tests.support.faulty_endpoint import FAULTS, LIES, FaultyEndpoint
from tests.support.paths import CHECKOUT
from tests.support.s3 import BUCKET, client_settings, download, s3_server

RATES = (0.01, 0.05, 0.20)
LIE_RATE = 0.05  # of faults, uploads that are acknowledged and not kept among them
TIMEOUT_SECONDS, BUDGET_SECONDS = 1.5, 60  # of the run's client: shorter than a stall, and enough for 20 %
RUN_SECONDS = 1500


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    outcome: "same bytes", "failed with one line", or what must never be: "other bytes", "traceback", "no reason".
    digest: of all published files; empty where the run failed.
    requests, injected: requests by method and faults by kind, as the endpoint counted them.
    """

    outcome: str
    digest: str
    exit_code: int
    seconds: float
    requests: Counter[str]
    injected: Counter[str]
    stderr: str

    @property
    def survived(self) -> bool:
        return self.outcome in ("same bytes", "failed with one line")


def run_demo(
    rate: float,
    seed: int = 0,
    expected: str = "",
    faults: tuple[str, ...] = FAULTS,
    workers: int = 0,
    arguments: tuple[str, ...] = ("de",),
) -> Outcome:
    """Make the demo corpus on an endpoint on which `rate` of the requests fail.

    `expected` is the digest of a run without faults; without it, every corpus is "same bytes". With `workers` 0 the run
    is one process, otherwise Ray has so many.
    """
    with s3_server() as upstream, FaultyEndpoint(upstream, rate, faults, seed) as endpoint:
        timing = {
            "CORPUS_STORE_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            "CORPUS_STORE_RETRY_SECONDS": str(BUDGET_SECONDS),
        }
        environment = {**os.environ, **client_settings(endpoint.url), **timing, "PYTHONPATH": str(CHECKOUT)}
        how = ("--workers", str(workers)) if workers else ("--local",)
        command = (sys.executable, "-m", "pipeline", "corpus", *arguments, "--root", f"s3://{BUCKET}/steps", *how)
        started = time.monotonic()
        run = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS
        )
        seconds = time.monotonic() - started
        digest = _published_digest(upstream, run.stdout.strip()) if run.returncode == 0 else ""
        outcome = _outcome_of(run, digest, expected)
        return Outcome(outcome, digest, run.returncode, seconds, endpoint.requests, endpoint.injected, run.stderr)


def _outcome_of(run: subprocess.CompletedProcess[str], digest: str, expected: str) -> str:
    if run.returncode == 0:
        return "same bytes" if digest == (expected or digest) else "other bytes"
    if "Traceback (most recent call last)" in run.stderr:
        return "traceback"
    return "failed with one line" if f"s3://{BUCKET}/" in run.stderr else "no reason"


def _published_digest(upstream: str, folder: str) -> str:
    """Digest of all files of the published folder and their names, read without the proxy."""
    before = {name: os.environ.get(name) for name in client_settings(upstream)}
    os.environ.update(client_settings(upstream))
    try:
        files = download(Store(folder))
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    hasher = hashlib.sha256()
    for name, data in sorted(files.items()):
        hasher.update(f"{name} {len(data)} ".encode() + data)
    return hasher.hexdigest()


def table(rates: tuple[float, ...] = RATES, seeds: tuple[int, ...] = (0,), workers: int = 0) -> Iterator[Outcome]:
    """A run without faults, which the others are compared with, one for each rate and seed, and one with lies."""
    reference = run_demo(0.0, workers=workers)
    yield reference
    for rate in rates:
        for seed in seeds:
            if rate:
                yield run_demo(rate, seed, reference.digest, workers=workers)
    yield run_demo(LIE_RATE, 0, reference.digest, FAULTS + LIES, workers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rates", nargs="*", type=float, default=list(RATES))
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    survived = True
    for run in table(tuple(options.rates), workers=options.workers):
        requests, injected = dict(run.requests.most_common()), dict(run.injected.most_common())
        print(f"{run.outcome}: exit {run.exit_code}, {run.seconds:.0f} s")
        print(
            f"  {run.requests.total():,} requests: {requests}\n  {run.injected.total():,} faults: {injected}",
            flush=True,
        )
        if run.exit_code:
            print(run.stderr[-2000:], flush=True)
        survived &= run.survived
    return 0 if survived else 1


if __name__ == "__main__":
    sys.exit(main())
