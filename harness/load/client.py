"""One user: requests at the pace that holds, values that say which write they are, answers noted. No locust here.

The hot path is `Client.work`.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent
import hiredis

from harness.history import FOREIGN, MISS, NO_TTL, Op, Outcome
from harness.load.connection import BrokenError, Connection, GreenConnection, told
from harness.load.pacer import NO_MORE
from harness.load.samples import FILL, TARGETS
from harness.measure.requests import DELETE, GET

if TYPE_CHECKING:
    from harness.load.drive import Drive

_MILLISECOND_NS = 1_000_000
_OVER_SECONDS = 0.05
_MOST_DIGITS = 18
"""Of a tag: a row holds 64 bits."""
_OK, _FAIL, _UNKNOWN, _RAISED = int(Outcome.OK), int(Outcome.FAIL), int(Outcome.UNKNOWN), int(Outcome.RAISED)
_GET, _SET, _DELETE = int(Op.GET), int(Op.SET), int(Op.DELETE)


class Client:
    """One user: its connections, its place in the requests, its operations."""

    def __init__(self, drive: Drive, number: int) -> None:
        self._drive = drive
        self.number = number
        """Of no other user anywhere."""
        self.connections: list[Connection | None] = [None] * len(drive.targets)
        self._keys, self._padding, self._size_of = drive.keys, drive.padding, drive.size_of
        self._first = drive.preload
        span = max(1, len(drive.ops) - self._first)
        self._position = self._first + drive.rng.randrange(span)

    def connect(self) -> None:
        """Open what is not open. Raises BrokenError."""
        for place in range(len(self.connections)):
            self._connect_to(place)

    def _connect_to(self, place: int) -> None:
        target_ = self._drive.targets[place]
        if self.connections[place] is None:
            self.connections[place] = GreenConnection(
                target_.address, target_.port, timeout_seconds=self._drive.patience_seconds,
                credentials=target_.credentials, most_bytes=self._drive.most_bytes,
            )  # fmt: skip
            self._drive.connected += 1

    def close(self) -> None:
        """Close all."""
        for place, connection in enumerate(self.connections):
            if connection is not None:
                connection.close()
                self._drive.connected -= 1
            self.connections[place] = None

    def work(self, requests: int, goes_on: Callable[[], bool]) -> None:
        """So many requests at the pace that holds, unless goes_on says no before."""
        drive, position, first, last = self._drive, self._position, self._first, len(self._drive.ops)
        if drive.over:
            gevent.sleep(_OVER_SECONDS)  # until locust ends its users
            return
        take, request = drive.pacer.take, self.request
        for _ in range(requests):
            if not goes_on():
                break
            due_ns = take()
            if due_ns == NO_MORE:
                break
            drive.busy += 1
            try:
                request(position, due_ns)
            finally:
                drive.busy -= 1
            position += 1
            if position == last:
                position = first
        self._position = position

    def request(self, position: int, due_ns: int) -> Any:
        """One request, and its reply; a missed read of a look-aside workload is followed by a write."""
        drive = self._drive
        op, number = drive.ops[position], drive.key_ids[position]
        if op == GET:
            reply = self._get(number, due_ns)
            if reply is None and drive.look_aside:
                if drive.scenario.loader is not None:
                    self._load(number)
                self._set(number, position, FILL)
            return reply
        if op == DELETE:
            return self._delete(number, due_ns)
        return self._set(number, position, due_ns)

    def _get(self, number: int, due_ns: int) -> Any:
        key = self._keys[number]
        return self._ask(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key), _GET, number, MISS, NO_TTL, due_ns)

    def _set(self, number: int, position: int, due_ns: int) -> Any:
        drive, key = self._drive, self._keys[number]
        tag, size, ttl_ms = drive.next_tag(), drive.sizes[position], drive.ttls_ms[position]
        head = b"%d.%b." % (tag, key)
        value = head + self._padding[: max(0, size - len(head))]
        if ttl_ms:
            text = b"%d" % ttl_ms
            sent = b"*5\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nPX\r\n$%d\r\n%b\r\n" % (
                len(key), key, len(value), value, len(text), text,
            )  # fmt: skip
        else:
            sent = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)
        return self._ask(sent, _SET, number, tag, ttl_ms * _MILLISECOND_NS or NO_TTL, due_ns)

    def _delete(self, number: int, due_ns: int) -> Any:
        key = self._keys[number]
        return self._ask(b"*2\r\n$3\r\nDEL\r\n$%d\r\n%b\r\n" % (len(key), key), _DELETE, number, MISS, NO_TTL, due_ns)

    def _load(self, number: int) -> None:
        """What stands behind the cache takes its time."""
        drive = self._drive
        loader = drive.scenario.loader
        assert loader is not None
        drive.samples.loads += 1
        under_way = drive.loading.get(number, 0)
        drive.samples.stampedes += under_way > 0
        drive.loading[number] = under_way + 1
        try:
            gevent.sleep(loader.median_seconds * drive.rng.lognormvariate(0.0, loader.sigma))
        finally:
            drive.loading[number] -= 1
            if not drive.loading[number]:
                del drive.loading[number]

    def _ask(self, sent: bytes, op: int, number: int, tag: int, ttl_ns: int, due_ns: int) -> Any:
        """The reply, with a row for it whatever happens. A reply that could not be had is FOREIGN."""
        drive, where = self._drive, self._drive.where
        start_ns, outcome = monotonic_ns(), _UNKNOWN
        if self.connections[where % TARGETS] is None:
            self._connect_again(where % TARGETS)
        connection = self.connections[where % TARGETS]
        if connection is None:  # surely not asked
            drive.samples.failed(
                where % TARGETS, op, "not connected", f"nobody answers at {drive.targets[where % TARGETS].text}"
            )
            drive.samples.rows.extend(
                (where, op, number, tag, ttl_ns, self.number, due_ns, start_ns, monotonic_ns(), _FAIL)
            )
            return FOREIGN
        reply: Any = FOREIGN
        try:
            reply = connection.call(sent)
            outcome = _OK
        except BrokenError as error:
            drive.samples.failed(where % TARGETS, op, "connection lost", f"{sent[:40]!r}: {error}")
            self._lose(where % TARGETS)
        finally:
            end_ns = monotonic_ns()
            if reply.__class__ is hiredis.ReplyError:
                outcome = _RAISED
                drive.samples.failed(where % TARGETS, op, "error reply", told(reply))
                reply = FOREIGN
            elif outcome == _OK and op == _GET:
                tag = MISS if reply is None else self._tag_of(reply, number, where % TARGETS)
            elif outcome == _OK and op == _DELETE:
                tag = int(bool(reply))
            drive.samples.rows.extend((where, op, number, tag, ttl_ns, self.number, due_ns, start_ns, end_ns, outcome))
        return reply

    def _tag_of(self, value: Any, number: int, place: int) -> int:
        """The write that this is the value of, whole; FOREIGN for anything else."""
        key, size = self._keys[number], self._size_of[number]
        if value.__class__ is bytes:
            tag, _, rest = value.partition(b".")
            if tag.isdigit() and len(tag) <= _MOST_DIGITS and rest.startswith(key):
                filling = rest[len(key) :]
                wanted = max(0, size - len(tag) - len(key) - 2) if size else len(filling) - 1
                if filling == b"." + self._padding[:wanted]:
                    return int(tag)
        shown = repr(value[:60]) if isinstance(value, bytes) else repr(value)[:60]
        self._drive.samples.failed(
            place, _GET, "wrong answer", f"GET {key.decode()} answered {shown}, which nobody wrote to it"
        )
        return FOREIGN

    def _lose(self, place: int) -> None:
        """Give a connection up, and open another."""
        drive = self._drive
        drive.lost_connections += 1
        connection = self.connections[place]
        if connection is not None:
            connection.close()
            drive.connected -= 1
            self.connections[place] = None
        self._connect_again(place)

    def _connect_again(self, place: int) -> None:
        """Once; the next request tries again."""
        try:
            self._connect_to(place)
        except BrokenError:
            gevent.sleep(self._drive.reconnect_seconds)
