"""Samples by hash: what is taken depends on what it is, not on its order, shard or worker."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xxhash


def keys(values: list[str], purpose: str) -> np.ndarray:
    """(n,) uint64 hash of each value; another purpose gives independent hashes of the same values."""
    return np.array([xxhash.xxh3_64_intdigest(f"{purpose}\0{value}".encode()) for value in values], np.uint64)


def within(hashes: np.ndarray, share: float) -> np.ndarray:
    """(n,) bool: which are in a sample of this share of all (1 is all of them)."""
    if share >= 1:
        return np.ones(len(hashes), bool)
    return hashes < np.uint64(max(0.0, share) * 2.0**64)


class Least:
    """The `most` things with the least keys of all that are offered (equal keys: one of them), in bounded memory."""

    def __init__(self, most: int):
        self._most = most
        self._limit = np.uint64(2**64 - 1)
        self._held: dict[int, Any] = {}

    def offer(self, hashes: np.ndarray, make: Callable[[int], Any]) -> None:
        """`make(i)` is called for those that may be kept, and may return None to be passed over."""
        for i in np.flatnonzero(hashes <= self._limit):
            thing = make(int(i))
            if thing is not None:
                self._held[int(hashes[i])] = thing
        if len(self._held) >= 2 * self._most:
            self._cut()

    def _cut(self) -> None:
        self._held = dict(sorted(self._held.items())[: self._most])
        if len(self._held) == self._most and self._held:
            self._limit = np.uint64(max(self._held))

    def all(self) -> list[Any]:
        """What is kept, by key."""
        self._cut()
        return list(self._held.values())
