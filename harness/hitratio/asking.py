"""A workload, whole, as a folder of columns, and what is known of it before any cache runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.hitratio.columns import CHUNK, COLUMNS, Folder
from harness.hitratio.future import Answerable, NextAnswers
from harness.measure.generate import draw
from harness.measure.recorded import KEY_FORMAT, default_capacity, is_look_aside, parts
from harness.measure.requests import DELETE, GET, SET
from harness.measure.traces import FOREVER_MS, Interner
from harness.measure.workload import Trace, Workload

Say = Callable[[str], None]

DEFAULT_REQUESTS = 200_000
"""Of a preset, beside its preload; a trace is asked whole."""
MOST_REQUESTS = 2**32 - 1
"""What a column of numbers of requests can hold."""
_WRITTEN = ("op", "key", "ttl_ms", "time_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every cache and reference is asked. Ratios are of gets."""

    folder: Folder
    name: str
    title: str
    preload: int
    """Writes before the first request, at time 0."""
    gets: int
    sets: int
    deletes: int
    answerable: int
    """Gets that a cache with room for everything, and no ttl, would answer."""
    seconds: float
    """Of workload time, from the first request to the last."""
    expires: bool
    """Whether a ttl runs out within that time."""
    cut: bool
    """Whether the trace goes on."""
    digest: str
    """SHA-256 of the columns."""
    default_capacity: int


def prepare(workload: Workload, requests: int | None, path: Path, say: Say) -> Asked:
    """Write the columns of workload to path, a folder; of a trace its first requests, None: all.

    Ttls that neither the trace nor the user gives are endless, so that the references, which know none, are
    asked the same. Raises UsageError for a trace that cannot be read.
    """
    cut = False
    with _Writing(path) as writing:
        if isinstance(workload, Trace):
            cut, distinct, look_aside = _write_trace(workload, requests, writing, say)
            key_format, preload = KEY_FORMAT, 0
            capacity = workload.capacity or default_capacity(distinct)
        else:
            drawn = draw(workload, requests or DEFAULT_REQUESTS)
            distinct, look_aside = drawn.distinct_keys, drawn.look_aside
            key_format, preload, capacity = drawn.key_format, drawn.preload, drawn.capacity
            writing.add(drawn.op, drawn.key, drawn.ttl_ms, drawn.time_ns)
    if not writing.counts[GET]:
        raise UsageError(f"workload {workload.name!r} reads nothing, so there is no hit ratio")
    folder = Folder(path, writing.requests, distinct, key_format, look_aside=look_aside)
    say(f"{workload.name}: looking ahead")
    answerable = _look_ahead(folder)
    return Asked(
        folder=folder,
        name=workload.name,
        title=workload.title,
        preload=preload,
        gets=writing.counts[GET],
        sets=writing.counts[SET],
        deletes=writing.counts[DELETE],
        answerable=answerable,
        seconds=(writing.last_ns - writing.first_ns) / 1e9,
        expires=writing.first_deadline_ns[look_aside] <= writing.last_ns,
        cut=cut,
        digest=writing.digest(f"{preload} {look_aside} {key_format}"),
        default_capacity=capacity,
    )


class _Writing:
    """The columns of a folder, being written, with what is counted on the way."""

    def __init__(self, path: Path) -> None:
        self._files = ExitStack()
        self._columns: dict[str, IO[bytes]] = {
            name: self._files.enter_context((path / name).open("wb")) for name in _WRITTEN
        }
        self._digests = {name: hashlib.sha256() for name in _WRITTEN}
        self.requests = self.first_ns = self.last_ns = 0
        self.counts = [0, 0, 0]
        """By operation code."""
        self.first_deadline_ns = [np.inf, np.inf]
        """The earliest end of an entry: of those that are set, and of those that a missed get would set too."""

    def add(
        self, op: NDArray[np.uint8], key: NDArray[np.uint32], ttl_ms: NDArray[np.uint32], time_ns: NDArray[np.int64]
    ) -> None:
        if not self.requests:
            self.first_ns = int(time_ns[0])
        self.requests += len(op)
        self.last_ns = int(time_ns[-1])
        self.counts = [before + int(now) for before, now in zip(self.counts, np.bincount(op, minlength=3), strict=True)]
        for with_gets, stored in enumerate((op == SET, op != DELETE)):
            ending = stored & (ttl_ms > 0)
            deadlines_ns = time_ns[ending] + ttl_ms[ending].astype(np.int64) * 1_000_000
            self.first_deadline_ns[with_gets] = min(self.first_deadline_ns[with_gets], _least(deadlines_ns))
        for name, column in zip(_WRITTEN, (op, key, ttl_ms, time_ns), strict=True):
            data = np.ascontiguousarray(column, dtype=COLUMNS[name]).tobytes()
            self._columns[name].write(data)
            self._digests[name].update(data)

    def digest(self, shape: str) -> str:
        whole = hashlib.sha256(shape.encode())
        for digest in self._digests.values():
            whole.update(digest.digest())
        return whole.hexdigest()

    def __enter__(self) -> _Writing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()


def _least(values: NDArray[np.int64]) -> float:
    return float(values.min()) if len(values) else np.inf


def _write_trace(workload: Trace, requests: int | None, writing: _Writing, say: Say) -> tuple[bool, int, bool]:
    """Whether the trace goes on, its distinct keys, and whether it is look-aside."""
    interner = Interner()
    most = MOST_REQUESTS if requests is None else requests
    cut = False
    for part in parts(workload, default_ttl_ms=FOREVER_MS):
        room = most - writing.requests
        cut = len(part) > room
        if room:
            writing.add(part.op[:room], interner.ids(part.key[:room]), part.ttl_ms[:room], part.time_ns[:room])
        say(f"{workload.name}: {writing.requests:,} accesses read, {interner.count:,} keys")
        if cut:
            break
    if cut and requests is None:
        raise UsageError(f"workload {workload.name!r} is longer than {most:,} accesses; ask less of it with --requests")
    return cut, interner.count, is_look_aside(workload, writes=bool(writing.counts[SET]))


def _look_ahead(folder: Folder) -> int:
    """Write the column `next`; the gets that can be answered."""
    forward = Answerable(folder.distinct_keys, look_aside=folder.look_aside)
    kept = bytearray()  # a bit a request
    total = 0
    for start, stop in _chunks(folder):
        found = forward.of(_keys(folder, start, stop), np.frombuffer(folder.raw("op", start, stop), dtype=np.uint8))
        total += int(found.sum())
        kept += np.packbits(found).tobytes()
    back = NextAnswers(folder.distinct_keys)
    with (folder.path / "next").open("wb") as file:
        for start, stop in reversed(list(_chunks(folder))):
            bits = np.frombuffer(kept, dtype=np.uint8, count=(stop - start + 7) // 8, offset=start // 8)
            found = np.unpackbits(bits, count=stop - start).astype(bool)
            file.seek(start * np.dtype(COLUMNS["next"]).itemsize)
            file.write(back.of(_keys(folder, start, stop), found, start).tobytes())
    return total


def _chunks(folder: Folder) -> Iterator[tuple[int, int]]:
    return ((start, min(start + CHUNK, folder.requests)) for start in range(0, folder.requests, CHUNK))


def _keys(folder: Folder, start: int, stop: int) -> NDArray[np.uint32]:
    return np.frombuffer(folder.raw("key", start, stop), dtype=np.uint32)
