"""RESP: commands however they are cut into pieces, and what is refused before it costs memory."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.serve.resp import (
    NO_ROOM,
    Command,
    Limits,
    Parser,
    ProtocolError,
    Skipper,
    array,
    bulk,
    error,
    integer,
    mapping,
)

LIMITS = Limits(key=100, value=1_000)
WORDS = st.lists(st.binary(max_size=90), min_size=1, max_size=5)


def sent(command: Command) -> bytes:
    return array(map(bulk, command))


def fed(parser: Parser, data: bytes, sizes: list[int]) -> list[Command]:
    """All commands of data, cut into pieces of these sizes, again and again."""
    found, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        found += parser.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    return found


@given(st.lists(WORDS, max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_commands_survive_any_cut(commands: list[Command], sizes: list[int]) -> None:
    """Pipelined, with any bytes in them."""
    data = b"".join(map(sent, commands))
    assert fed(Parser(LIMITS), data, sizes) == commands


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_random_bytes_are_commands_or_an_error(data: bytes, sizes: list[int]) -> None:
    """Nothing else, and nothing is held beyond what came."""
    parser = Parser(LIMITS)
    with contextlib.suppress(ProtocolError):
        assert all(fed(parser, data, sizes))
    assert sum(map(len, parser._chunks)) <= len(data)


def test_lines_are_commands() -> None:
    """As telnet sends them; an empty one is none."""
    assert Parser(LIMITS).feed(b"PING\r\n\r\nSET a 1\nGE") == [[b"PING"], [b"SET", b"a", b"1"]]


@pytest.mark.parametrize(
    "data",
    [
        b"*2\r\n:1\r\n",
        b"*x\r\n",
        b"*-1\r\n",
        b"*1\r\n$-1\r\n",
        b"*1000000000\r\n",
        b"*2\r\n$3\r\nGET\r\n$101\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1001\r\n",
        b"*1\r\n$1\r\nabc",
        b"*" + b"1" * 40,
        b"x" * 70_000,
    ],
)
def test_what_is_refused(data: bytes) -> None:
    """As soon as it is announced, before any of it is kept."""
    with pytest.raises(ProtocolError):
        Parser(LIMITS).feed(data)


def test_the_largest_that_is_allowed() -> None:
    """A key and a value at their limits, byte by byte."""
    command = [b"SET", b"k" * 100, b"v" * 1_000]
    assert fed(Parser(LIMITS), sent(command), [1]) == [command]


def test_a_large_value_is_joined_once() -> None:
    """While it comes in pieces they are only collected."""
    parser = Parser(Limits())
    data = sent([b"SET", b"k", b"v" * 1_000_000])
    for at in range(0, len(data) - 1_000, 1_000):
        assert parser.feed(data[at : at + 1_000]) == []
    assert len(parser._chunks) > 900
    assert len(parser.feed(data[at + 1_000 :])[0][2]) == 1_000_000


@pytest.mark.parametrize("beginning", [sent([b"SET", b"k", b"v" * 1_000_000])[4:], b"x" * 60_000])
def test_a_byte_costs_a_byte(beginning: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command began with, words or a line, is not looked at again for each byte that follows."""
    looked_at = 0
    array_, line_ = Parser._array, Parser._line

    def array(self: Parser, data: bytes, at: int) -> tuple[Command | None, int]:
        nonlocal looked_at
        looked_at += len(data)
        return array_(self, data, at)

    def line(self: Parser, data: bytes, at: int) -> tuple[Command | None, int]:
        nonlocal looked_at
        looked_at += len(data)
        return line_(self, data, at)

    monkeypatch.setattr(Parser, "_array", array)
    monkeypatch.setattr(Parser, "_line", line)
    parser = Parser(Limits())
    words = beginning[:1] == b"$"
    assert parser.feed(b"*300\r\n" + beginning if words else beginning) == []
    before = looked_at
    more = b"$1\r\na\r\n" * 100 if words else b"x" * 1_000
    for at in range(len(more)):
        assert parser.feed(more[at : at + 1]) == []
    assert looked_at - before < 10 * len(more)
    if not words:
        assert parser.feed(b"\n") == [[beginning + more]]


@pytest.mark.parametrize("size", [1, 7, 70_000])
def test_a_line_that_does_not_end_is_refused_in_whatever_pieces_it_comes(size: int) -> None:
    """At its 65,537th byte."""
    parser, held = Parser(Limits()), 0
    with pytest.raises(ProtocolError, match="too big inline"):  # noqa: PT012  # the piece that is too much is counted
        while held < 140_000:
            parser.feed(b"x" * size)
            held += size
    assert 65_536 - size <= held <= 65_536


def test_words_that_came_are_no_command_of_their_own() -> None:
    """A command that is cut between its words goes on, whatever the next piece looks like."""
    parser = Parser(Limits())
    assert parser.feed(b"*2\r\n$3\r\nGET\r\n") == []
    with pytest.raises(ProtocolError, match="expected"):
        parser.feed(b"*1\r\n$4\r\nPING\r\n")


def test_replies() -> None:
    """As the specification writes them."""
    assert integer(-3) == b":-3\r\n"
    assert bulk(b"") == b"$0\r\n\r\n"
    assert array([integer(1)]) == b"*1\r\n:1\r\n"
    assert error("two\r\nlines") == b"-ERR two lines\r\n"
    assert mapping([("a", integer(1))], 2) == b"*2\r\n$1\r\na\r\n:1\r\n"
    assert mapping([("a", integer(1))], 3) == b"%1\r\n$1\r\na\r\n:1\r\n"


@given(WORDS, st.lists(st.integers(1, 50), min_size=1, max_size=5), st.binary(max_size=20))
def test_the_end_of_a_command_is_found_without_keeping_it(words: Command, sizes: list[int], after: bytes) -> None:
    """Where the parser says that it ends, however it is cut."""
    data, skipper, at, turn = sent(words), Skipper(), 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        piece = data[at : at + size]
        used = skipper.feed(piece if at + size < len(data) else piece + after)
        at, turn = at + size, turn + 1
    assert used == len(piece)


@given(st.lists(WORDS, min_size=2, max_size=5), st.integers(0, 10_000), st.lists(st.integers(1, 50), min_size=1))
def test_a_command_without_room_is_left_out_and_no_other(commands: list[Command], where: int, sizes: list[int]) -> None:
    """The parser stays in step: the one that was coming is answered as out of memory, those after it as ever."""
    parser, data = Parser(LIMITS), b"".join(map(sent, commands))
    where = where % len(data)
    before = parser.feed(data[:where])
    after = parser.skip(data[where:]) if where < len(data) else []
    assert before == commands[: len(before)]
    assert after == [NO_ROOM, *commands[len(before) + 1 :]]


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    ("sent", "before"),
    [
        (b"POST / HTTP/1.1\r\nFLUSHALL\r\n", []),
        (b"GET / HTTP/1.1\r\nAccept: a\r\nHost: h\r\nFLUSHALL\r\n", [b"GET", b"Accept:"]),
    ],
)
def test_http_is_found_in_whatever_pieces_it_comes(sent: bytes, before: list[bytes], size: int) -> None:
    """What came whole before it is handed on, nothing after it."""
    parser, names = Parser(Limits()), list[bytes]()

    def feed() -> None:
        for start in range(0, len(sent), size):
            names.extend(command[0] for command in parser.feed(sent[start : start + size]))

    with pytest.raises(ProtocolError, match="no HTTP server") as wrong:
        feed()
    assert [*names, *(command[0] for command in wrong.value.before)] == before
