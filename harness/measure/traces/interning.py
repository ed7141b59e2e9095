"""From 64-bit keys to dense ids, in memory that grows with the distinct keys alone: 12 bytes each at rest.

The keys known so far are sorted arrays whose sizes fall by half or more, so that a new key is moved as often
as the logarithm of their number, and a lookup asks as many arrays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Interner:
    """Keys -> ids 0, 1, 2, ... in the order in which keys first come."""

    def __init__(self) -> None:
        self.count = 0
        """Distinct keys so far."""
        self._levels: list[tuple[NDArray[np.int64], NDArray[np.uint32]]] = []

    def ids(self, keys: NDArray[np.int64]) -> NDArray[np.uint32]:
        """The ids of keys, in their order."""
        distinct, first, places = np.unique(keys, return_index=True, return_inverse=True)
        ids = np.zeros(len(distinct), dtype=np.uint32)
        new = np.ones(len(distinct), dtype=bool)
        for known, known_ids in self._levels:
            place = np.minimum(np.searchsorted(known, distinct), len(known) - 1)
            here = known[place] == distinct
            ids[here] = known_ids[place[here]]
            new &= ~here
        unknown = np.flatnonzero(new)
        ids[unknown[np.argsort(first[unknown])]] = np.arange(self.count, self.count + len(unknown), dtype=np.uint32)
        self.count += len(unknown)
        if len(unknown):
            self._learn(distinct[unknown], ids[unknown])
        return np.asarray(ids[places.reshape(-1)], dtype=np.uint32)

    def _learn(self, keys: NDArray[np.int64], ids: NDArray[np.uint32]) -> None:
        while self._levels and len(self._levels[-1][0]) < 2 * len(keys):
            others, other_ids = self._levels.pop()
            keys, ids = np.concatenate([others, keys]), np.concatenate([other_ids, ids])
            order = np.argsort(keys, kind="stable")
            keys, ids = keys[order], ids[order]
        self._levels.append((keys, ids))
