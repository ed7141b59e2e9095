"""A port is kept while nobody listens on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from harness.ports import keep, share

OPTIONS = [
    (), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT),
]  # fmt: skip
_AS_NOBODY = """
import os, socket, sys
os.setuid(65534)
taken = socket.socket()
for option in map(int, sys.argv[2:]):
    taken.setsockopt(socket.SOL_SOCKET, option, 1)
try:
    taken.bind(("127.0.0.1", int(sys.argv[1])))
    taken.listen()
except OSError as error:
    sys.exit(error.errno != 98)
sys.exit(2)
"""


def refused(port: int) -> bool:
    """Whether clients are, at once."""
    with socket.socket() as client:
        client.settimeout(5)
        return client.connect_ex(("127.0.0.1", port)) != 0


def take(port: int, *options: int) -> None:
    """Listen there, as somebody else would. Raises OSError."""
    with socket.socket() as other:
        for option in options:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        other.bind(("127.0.0.1", port))
        other.listen()


def come_and_go(port: int) -> None:
    """Listen, serve one client who goes after the server, and go."""
    with closing(share("127.0.0.1", port)) as listening:
        listening.listen()
        listening.setblocking(True)
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            listening.accept()[0].close()
            assert client.recv(1) == b""


@pytest.mark.parametrize("chosen", [False, True])
def test_clients_are_refused_while_it_is_away_and_served_when_it_is_back(chosen: bool) -> None:
    """As often as it likes, also where its last connections have just ended."""
    with closing(keep("127.0.0.1")) as first:
        port = first.getsockname()[1]
        if chosen:
            come_and_go(port)
            first.close()
        with closing(keep("127.0.0.1", port) if chosen else first.dup()):
            for _ in range(3):
                assert refused(port)
                come_and_go(port)
            assert refused(port)


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,)])
def test_nobody_listens_on_a_kept_port_by_the_usual_options(options: tuple[int, ...]) -> None:
    """Neither before its owner has listened nor after."""
    with closing(keep("127.0.0.1")) as spare:
        port = spare.getsockname()[1]
        for _ in range(2):
            with pytest.raises(OSError, match="in use"):
                take(port, *options)
            come_and_go(port)


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("options", OPTIONS)
def test_another_user_does_not_get_a_kept_port(options: tuple[int, ...]) -> None:
    """Whatever he sets on his socket."""
    with closing(keep("127.0.0.1")) as spare:
        port = spare.getsockname()[1]
        for _ in range(2):
            tried = [sys.executable, "-I", "-S", "-c", _AS_NOBODY, str(port), *map(str, options)]
            assert subprocess.run(tried, timeout=60, check=False, cwd="/").returncode == 0
            come_and_go(port)


def test_two_do_not_keep_one_port() -> None:
    """The second is told, whether the first listens or not: it would take half of its clients."""
    with closing(keep("127.0.0.1")) as spare:
        port = spare.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            keep("127.0.0.1", port)
        with closing(share("127.0.0.1", port)) as listening:
            listening.listen()
            with pytest.raises(OSError, match="in use"):
                keep("127.0.0.1", port)
