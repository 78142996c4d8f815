"""The clock of a document: it interrupts, leaves other timers alone, and the error names the document."""

import contextlib
import re
import signal
import threading
import time
from collections import Counter

import pyarrow as pa
import pytest

from filters import fix_text
from filters.pii import mask
from pipeline.base import time_limit as limits
from pipeline.base.errors import UserError
from pipeline.base.time_limit import DocumentTimeout, TimeLimitExceeded, document_time_limit, time_limit
from pipeline.base.user_code import UserFunction
from pipeline.plugins import stages
from pipeline.store.shard import Shard


def spin(seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def backtrack() -> None:
    re.fullmatch("(?:a|aa)+", "a" * 60 + "b")


def swallow() -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(Exception):  # as user code may do
            spin(0.01)


@pytest.mark.parametrize("block", [spin, backtrack, swallow, lambda: time.sleep(20)])
def test_a_block_that_takes_too_long_is_interrupted(block):
    started = time.monotonic()
    with pytest.raises(TimeLimitExceeded, match=r"took more than 0\.2 seconds"), time_limit(0.2):
        block()
    assert time.monotonic() - started < 5


def test_a_block_in_time_is_left_alone():
    with time_limit(5):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 4
    time.sleep(0.01)


def test_timers_and_handlers_are_put_back():
    before, (seconds, interval) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    with pytest.raises(TimeLimitExceeded), time_limit(0.1):
        spin()
    assert signal.getsignal(signal.SIGALRM) == before
    after, interval_after = signal.getitimer(signal.ITIMER_REAL)
    assert interval_after == interval and seconds - 5 < after <= seconds


def test_the_earlier_of_two_limits_counts():
    for outer, inner in ((0.2, 20), (20, 0.2)):
        with pytest.raises(TimeLimitExceeded, match=r"0\.2"), time_limit(outer), time_limit(inner):
            spin()


def test_another_thread_is_told_when_it_has_ended():
    errors = []

    def work() -> None:
        try:
            with time_limit(0.05):
                time.sleep(0.1)
        except TimeLimitExceeded as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == ["took more than 0.05 seconds"]


def test_a_document_gets_more_time_the_longer_it_is(monkeypatch):
    monkeypatch.setattr(limits, "_SECONDS_A_TEXT", 0.1)
    monkeypatch.setattr(limits, "_SECONDS_A_MEGABYTE", 1e6)
    with document_time_limit("a" * 10, "masking", "document x"):
        time.sleep(0.3)
    message = r"^masking document x \(http://a\) took more than 0\.1 seconds$"
    with pytest.raises(DocumentTimeout, match=message), document_time_limit("", "masking", "document x (http://a)"):
        spin()


def test_publishing_names_the_document(monkeypatch):
    monkeypatch.setattr(limits, "_SECONDS_A_TEXT", 0.1)
    texts, names = pa.array(["good", None, "a@b.de Ã¤"]), ["document 0", "document 1", "document 2 (http://a)"]
    monkeypatch.setattr(mask, "mask", lambda *_: spin())
    with pytest.raises(DocumentTimeout, match=r"masking document 2 \(http://a\) took more than"):
        mask.mask_all(texts, ("email",), ["DE"] * 3, mask.TAG, names)
    monkeypatch.setattr(fix_text, "_fix_lines", lambda _: spin())
    with pytest.raises(DocumentTimeout, match=r"fixing document 2 \(http://a\) took more than"):
        fix_text.fix_mojibake(texts, names)


CODE = """
import time
from pipeline.plugins import sidecar


@sidecar(columns={"length": int, "calls": int})
def measure(text, *, hang: str, seconds: float):
    calls.append(len(text))
    for one in text.to_pylist():
        while one == hang:
            pass
        time.sleep(seconds)
    return {"length": [len(one) for one in text.to_pylist()], "calls": [len(calls)] * len(text)}


calls = []
"""
TEXTS = ["a", "bb", "ccc", "dddd"]


def measured(tmp_path, hang: str, seconds: float) -> list[dict]:
    path = tmp_path / "my.py"
    path.write_text(CODE + f"# {hang} {seconds}\n")
    function = UserFunction.from_file(path, "measure")
    ids = [f"id{i}" for i in range(len(TEXTS))]
    pages = pa.table({"id": ids, "url": [f"http://a/{id_}" for id_ in ids], "text": TEXTS})
    settings = {"hang": hang, "seconds": seconds}
    return [row for table in stages.user_sidecar(Shard.of(pages), function=function, settings=settings)
            for row in table.to_pylist()]  # fmt: skip


def test_user_code_that_hangs_is_named_with_its_document(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "_LIMIT_SECONDS", 0.2)
    with pytest.raises(UserError, match=r"my\.py: measure took more than 0\.2 seconds \(document id2, http://a/id2\)$"):
        measured(tmp_path, "ccc", 0.0)


def test_user_code_that_is_slow_in_a_batch_goes_on_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "_LIMIT_SECONDS", 0.4)
    rows = measured(tmp_path, "", 0.2)
    assert [row["length"] for row in rows] == [1, 2, 3, 4]
    assert [row["calls"] for row in rows] == [2, 3, 4, 5]  # after the batch, a call for each document
    assert Counter(row["id"] for row in rows) == Counter(["id0", "id1", "id2", "id3"])


def test_user_code_that_is_fast_is_called_once_a_batch(tmp_path):
    assert [row["calls"] for row in measured(tmp_path, "", 0.0)] == [1, 1, 1, 1]
