"""What a process does when its rate is asked for: as many requests as its users are of all."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import gevent
import pytest
from hostile_servers import hostile

from harness.errors import UsageError
from harness.history import FOREIGN
from harness.load.client import Client
from harness.load.drive import Drive, Orders
from harness.load.plan import scenario


def drive(**orders: object) -> Drive:
    """Of a process with two of ten users."""
    told = {"scenario": "soak", "workload": "ycsb-b", "targets": ("resp://127.0.0.1:1",), "users": 10, "rate": 100.0}
    made = Drive(scenario("soak"), Orders.model_validate(told | {"run_seconds": 1.0, "seed": 1} | orders), 3)
    made.clients = [Client(made, number) for number in range(2)]
    return made


def test_a_process_has_its_share_of_the_rate() -> None:
    """Two of ten users make a fifth of a hundred requests a second: one every 50 ms. A closed loop has no gap."""
    made = drive()
    made.set_rate(100.0)
    assert made.pacer.gap_ns == 50_000_000
    made.set_rate(0.0)
    assert made.pacer.gap_ns == 0
    made.pacer.end()


def test_tags_are_of_one_write_anywhere() -> None:
    """They say which process wrote."""
    made = drive()
    assert [made.next_tag() % 1_024 for _ in range(3)] == [3, 3, 3]
    assert len({made.next_tag() for _ in range(100)}) == 100


def test_an_answer_says_which_write_it_is() -> None:
    """Whole, of this key, and with a number that a row holds; anything else nobody wrote."""
    made = drive()
    client, number = made.clients[0], made.key_ids[0]
    key, size = made.keys[number], made.size_of[number]
    whole = b"2051.%b." % key
    whole += b"x" * (size - len(whole))
    assert client._tag_of(whole, number, 0) == 2_051
    wrong = (whole[:-1], whole + b"x", whole[:-1] + b"y", b"7" * 25 + whole, b"2051.other." + whole, b"", 12, None)
    assert [client._tag_of(value, number, 0) for value in wrong] == [-1] * len(wrong)
    assert made.samples.failures == {"0/wrong answer": len(wrong)}


def test_what_cannot_be_is_refused() -> None:
    """A workload or a server that there is not."""
    with pytest.raises(UsageError):
        drive(workload="nope")
    with pytest.raises(UsageError):
        drive(targets=("nonsense",))


class Line:
    """A connection that waits for an answer, as the watcher sees it."""

    def __init__(self) -> None:
        self.calls, self.waits, self.cut = 1, True, False

    def abort(self) -> None:
        """Noted."""
        self.cut = True


class EnoughError(Exception):
    """The watcher has looked as often as it was to."""


def looked(made: Drive, monkeypatch: pytest.MonkeyPatch, times: int, then: Callable[[int], None]) -> None:
    """Let the watcher look so many times; then is called before each."""
    looks = itertools.count()

    def sleep(_seconds: float) -> None:
        look = next(looks)
        if look == times:
            raise EnoughError
        then(look)

    monkeypatch.setattr("harness.load.drive.gevent.sleep", sleep)
    with pytest.raises(EnoughError):
        made.watch()


def test_each_connection_has_its_own_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was cut does not shorten the next one's (it once did: a new connection begins with call 1 again)."""
    made = drive()
    lines = [Line() for _ in range(4)]
    client = made.clients[0]

    def reconnect(look: int) -> None:
        client.connections = [lines[look // 12]]  # type: ignore[list-item]  # as much of a connection as is looked at

    looked(made, monkeypatch, 12, reconnect)
    assert lines[0].cut
    looked(made, monkeypatch, 12 * 3 + 5, reconnect)
    assert [line.cut for line in lines] == [True, True, True, False]


def test_an_answer_in_between_begins_the_patience_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is a call, not a connection."""
    made, line = drive(), Line()
    made.clients[0].connections = [line]  # type: ignore[list-item]  # as above

    def answer(look: int) -> None:
        line.calls = 1 + look // 8

    looked(made, monkeypatch, 60, answer)
    assert not line.cut


@pytest.mark.parametrize("mode", ["drip", "silent"])
def test_a_watchdog_cuts_what_is_overdue(mode: str) -> None:
    """A byte now and then is no answer: the call ends, and so does its user's wait."""
    with hostile(mode) as server:
        made = drive(targets=(f"resp://127.0.0.1:{server.port}",))
        made.patience_seconds = 0.2
        client = made.clients[0]
        watching = gevent.spawn(made.watch)
        with gevent.Timeout(30):
            client.connect()
            assert client.request(0, 0) is FOREIGN
        watching.kill()
        client.close()
        made.pacer.end()
    assert made.samples.failures == {"0/connection lost": 1}


def test_an_answer_has_room_for_any_value_that_users_write() -> None:
    """And not for so much that a hundred users together fill the memory."""
    made = drive()
    assert max(made.sizes) + 64 * 1024 < made.most_bytes < 1_000_000
    made.pacer.end()
