"""The users' work in one process: requests, values that say which write they are, answers noted. No locust here.

One `Drive` a process, one `Client` a user. The hot path is `Client.work`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import gevent
import hiredis
from pydantic import BaseModel, ConfigDict

from harness.history import FOREIGN, MISS, NO_TTL, Op, Outcome
from harness.load.connection import BrokenError, Connection, GreenConnection
from harness.load.pacer import NO_MORE, Pacer
from harness.load.plan import Scenario, Target, target
from harness.load.samples import FILL, FILLER, TARGETS, Samples
from harness.measure.generate import draw
from harness.measure.requests import DELETE, GET
from harness.measure.workload import parse

REQUESTS = 100_000
"""Of a workload; users begin at different ones and go round."""
MOST_WORKERS = 1_024
_RECONNECT_SECONDS = 0.5
"""Between two attempts to connect, or a tenth of the users' patience if that is less."""
_MILLISECOND_NS = 1_000_000
_LOOKS = 10
"""At each connection while its user has patience: it is cut by a tenth of that late at most."""
_OVER_SECONDS = 0.05
_FILL_SECONDS = 60.0
"""After which what is still missing of what the workload finds there is left out."""
_MOST_DIGITS = 18
"""Of a tag: a row holds 64 bits."""
_OK, _FAIL, _UNKNOWN, _RAISED = int(Outcome.OK), int(Outcome.FAIL), int(Outcome.UNKNOWN), int(Outcome.RAISED)
_GET, _SET, _DELETE = int(Op.GET), int(Op.SET), int(Op.DELETE)


class Orders(BaseModel):
    """What every process of a run is told, beside the scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: str
    workload: str
    targets: tuple[str, ...]
    users: int
    """Of all processes."""
    rate: float
    """Requests a second of all processes, in open phases."""
    run_seconds: float | None
    """Of all phases; None: the first goes on."""
    seed: int
    prefix: str = ""
    """Of every key: what is not ours on a server stays as it is."""
    one_in: int = 1
    """The history of one key in so many is kept; 0 for none."""
    folder: str | None = None
    """Where histories go."""
    turn_seconds: float = 0.25
    """How long each of two targets is asked before the other."""


class Drive:
    """What the users of one process share. worker is the number of the process."""

    def __init__(self, scenario: Scenario, orders: Orders, worker: int) -> None:
        if worker >= MOST_WORKERS:
            raise ValueError(f"there can be {MOST_WORKERS} workers")
        self.scenario = scenario
        self.orders = orders
        self.worker = worker
        self.targets: list[Target] = [target(text) for text in orders.targets]
        self.samples = Samples(orders.one_in)
        self.pacer = Pacer()
        self.clients: list[Client] = []
        self.phase = 0
        self.turn = 0
        """The target that is asked now."""
        self.where = 0
        self.loading: dict[int, int] = {}
        """How many users load each key now."""
        self.over = False
        """Set when nothing more is to be asked."""
        self.busy = 0
        """Requests under way."""
        self.connected = 0
        self.joined = 0
        """Users that ever came."""
        self.lost_connections = 0
        self.patience_seconds = scenario.patience_seconds
        self.reconnect_seconds = min(_RECONNECT_SECONDS, scenario.patience_seconds / _LOOKS)
        self.rng = random.Random(orders.seed * MOST_WORKERS + worker)
        requests = draw(parse(orders.workload), REQUESTS)
        self.preload = requests.preload
        self.look_aside = requests.look_aside
        self.ops = requests.op.tolist()
        self.key_ids = requests.key.tolist()
        self.sizes = requests.size.tolist()
        self.ttls_ms = requests.ttl_ms.tolist()
        self.keys = {
            number: (orders.prefix + requests.key_format.format(number)).encode() for number in set(self.key_ids)
        }
        self.size_of: dict[int, int] = {}
        """Of the values of a key, where all are of one size; else 0."""
        for number, size in zip(self.key_ids, self.sizes, strict=True):
            if self.size_of.setdefault(number, size) != size:
                self.size_of[number] = 0
        self.padding = b"x" * max(self.sizes, default=0)
        self._written = 0

    def next_tag(self) -> int:
        """The tag of the next write of this process, of no other write anywhere."""
        self._written += 1
        return self._written * MOST_WORKERS + self.worker

    def enter(self, phase: int) -> None:
        """From now on operations count for this phase."""
        self.phase = phase
        self.where = phase * TARGETS + self.turn

    def turn_to(self, turn: int) -> None:
        """From now on this target is asked."""
        self.turn = turn
        self.where = self.phase * TARGETS + turn

    def set_rate(self, rate: float) -> None:
        """Requests a second of all processes: this one's share is its users'. 0: a closed loop."""
        here = max(1, len(self.clients))
        self.pacer.set_gap(round(1e9 * self.orders.users / (rate * here)) if rate else 0)

    def fill(self) -> None:
        """Set the keys that the workload finds there, on every target."""
        began_ns = monotonic_ns()
        for place in range(len(self.targets)):
            self.turn_to(place)
            client = Client(self, FILLER)
            self.clients.append(client)  # watched, as all are
            client.connect()
            for number in range(self.preload):
                if monotonic_ns() - began_ns > _FILL_SECONDS * 1e9:
                    break
                if client.request(number, 0) is FOREIGN:
                    break  # it does not answer: told as what failed
            client.close()
            self.clients.remove(client)
        self.turn_to(0)

    def watch(self) -> None:
        """Cut connections on which an answer is overdue; never returns."""
        seen: dict[Client, tuple[int, int]] = {}
        while True:
            gevent.sleep(self.patience_seconds / _LOOKS)
            for client in self.clients:
                for connection in client.connections:
                    if connection is None or not connection.waits:
                        continue
                    calls, looks = seen.get(client, (-1, 0))
                    looks = looks + 1 if calls == connection.calls else 0
                    seen[client] = (connection.calls, looks)
                    if looks >= _LOOKS:
                        connection.abort()


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
        for place, target_ in enumerate(self._drive.targets):
            if self.connections[place] is None:
                self.connections[place] = GreenConnection(
                    target_.address, target_.port, timeout_seconds=self._drive.patience_seconds
                )
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
            self._connect_again()
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
                drive.samples.failed(where % TARGETS, op, "error reply", str(reply))
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
        self._connect_again()

    def _connect_again(self) -> None:
        """Once; the next request tries again."""
        try:
            self.connect()
        except BrokenError:
            gevent.sleep(self._drive.reconnect_seconds)
