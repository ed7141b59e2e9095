"""What the users of one process share: the workload, the targets, the pace, and the rows they leave. No locust here."""

from __future__ import annotations

import random
from time import monotonic_ns

import gevent
from pydantic import BaseModel, ConfigDict

from harness.history import FOREIGN
from harness.load.client import Client
from harness.load.connection import SLACK_BYTES, Connection
from harness.load.pacer import Pacer
from harness.load.plan import Scenario, Target, target
from harness.load.samples import FILLER, MOST_WORKERS, REQUESTS, TARGETS, Samples
from harness.measure.generate import draw
from harness.measure.workload import parse

_RECONNECT_SECONDS = 0.5
"""Between two attempts to connect, or a tenth of the users' patience if that is less."""
_LOOKS = 10
"""At each connection while its user has patience: it is cut by a tenth of that late at most."""
_FILL_SECONDS = 60.0
"""After which what is still missing of what the workload finds there is left out."""


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
        if len(self.targets) > 1:  # users must not sleep until it is the other one's turn again
            self.reconnect_seconds = min(self.reconnect_seconds, orders.turn_seconds / _LOOKS)
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
        self.most_bytes = 2 * len(self.padding) + SLACK_BYTES
        """Of an answer: more than any value that users write, and not so much that all of them together fill memory."""
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
        seen: dict[Connection, tuple[int, int]] = {}
        """Connection -> the call that waits on it, and at how many looks it did."""
        while True:
            gevent.sleep(self.patience_seconds / _LOOKS)
            before, seen = seen, {}
            for client in self.clients:
                for connection in client.connections:
                    if connection is None or not connection.waits:
                        continue
                    calls, looks = before.get(connection, (-1, 0))
                    looks = looks + 1 if calls == connection.calls else 0
                    seen[connection] = (connection.calls, looks)
                    if looks >= _LOOKS:
                        connection.abort()
