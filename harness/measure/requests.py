"""Requests as columns: what a workload asks, the same for every arm.

The columns live in one file that every trial child maps into memory (`stream` reads it). The digest is over
the columns, so two results that carry the same one asked the same.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.measure.stream import COLUMNS, HEADER_BYTES

GET, SET, DELETE = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """n requests in order; the first `preload` of them are sets at time 0, the next `warmup` are not measured.

    Every column has n rows: `op` uint8 (GET, SET, DELETE), `key` uint32, `size` uint32 bytes of the value,
    `ttl_ms` uint32 (0: the cache's default), `time_ns` int64 of workload time, never decreasing.
    """

    name: str
    op: NDArray[np.uint8]
    key: NDArray[np.uint32]
    size: NDArray[np.uint32]
    ttl_ms: NDArray[np.uint32]
    time_ns: NDArray[np.int64]
    preload: int
    warmup: int
    capacity: int
    look_aside: bool
    key_format: str
    distinct_keys: int

    @property
    def measurable(self) -> int:
        """Requests left after preload and warm-up."""
        return len(self.op) - self.preload - self.warmup

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that a cache must have to be asked this, by name."""
        asked = {"DELETE": (self.op == DELETE).any(), "TTL": self.ttl_ms.any()}
        return tuple(name for name, wanted in asked.items() if wanted)

    @property
    def seconds(self) -> float:
        """Workload time from the first request to the last."""
        return float(self.time_ns[-1] - self.time_ns[0]) / 1e9 if len(self.time_ns) else 0.0

    def digest(self) -> str:
        """A SHA-256 over all columns and what shapes the keys, in hexadecimal."""
        shape = f"{self.preload} {self.warmup} {self.look_aside} {self.key_format}"
        digest = hashlib.sha256(shape.encode())
        for name, code in COLUMNS:
            digest.update(np.ascontiguousarray(getattr(self, name), dtype=f"<{_dtype(code)}").tobytes())
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Write the columns and the keys' text to path, as `stream.Stream` reads them."""
        names = [self.key_format.format(key) for key in range(self.distinct_keys)]
        widths = {len(name.encode()) for name in names}
        if len(widths) != 1:
            raise ValueError(f"the keys of {self.name} are not of one length; pad the number in key_format")
        text = "\n".join(map(names.__getitem__, self.key.tolist())).encode() + b"\n"
        header = {
            "requests": len(self.op),
            "preload": self.preload,
            "warmup": self.warmup,
            "look_aside": self.look_aside,
            "key_width": widths.pop() + 1,
            "distinct_keys": self.distinct_keys,
        }
        line = json.dumps(header).encode()
        with path.open("wb") as file:
            file.write(line.ljust(HEADER_BYTES))
            for name, code in COLUMNS:
                file.write(np.ascontiguousarray(getattr(self, name), dtype=_dtype(code)).tobytes())
            file.write(text)


def _dtype(code: str) -> str:
    return {"B": "u1", "I": "u4", "q": "i8"}[code]
