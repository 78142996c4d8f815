"""Samples by hash: whether something is taken depends on what it is, not on its order, shard or worker."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xxhash


def hash_keys(values: list[str], purpose: str) -> np.ndarray:
    """Hash of each value, (n,) uint64; another purpose gives independent hashes of the same values."""
    return np.array([xxhash.xxh3_64_intdigest(f"{purpose}\0{value}".encode()) for value in values], np.uint64)


def in_sample(hashes: np.ndarray, share: float) -> np.ndarray:
    """Whether each hash is in a sample of this share (0 to 1) of all, (n,) bool."""
    if share >= 1:
        return np.ones(len(hashes), bool)
    return hashes < np.uint64(max(0.0, share) * 2.0**64)


class BottomKSample:
    """The `size` items with the smallest hashes of all that are offered (one of equal hashes), in bounded memory."""

    def __init__(self, size: int):
        self._size = size
        self._limit = np.uint64(2**64 - 1)
        self._items: dict[int, Any] = {}

    def offer(self, hashes: np.ndarray, make_item: Callable[[int], Any]) -> None:
        """Call `make_item(i)` for each hash that may be in the sample; None is not taken."""
        for i in np.flatnonzero(hashes <= self._limit):
            item = make_item(int(i))
            if item is not None:
                self._items[int(hashes[i])] = item
        if len(self._items) >= 2 * self._size:
            self._shrink()

    def _shrink(self) -> None:
        self._items = dict(sorted(self._items.items())[: self._size])
        if len(self._items) == self._size and self._items:
            self._limit = np.uint64(max(self._items))

    def items(self) -> list[Any]:
        """The sample so far, by hash."""
        self._shrink()
        return list(self._items.values())
