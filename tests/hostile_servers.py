"""RESP servers on the loopback that mean harm: what each does instead of answering."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Serve = Callable[[socket.socket, threading.Event], None]
"""Answers a command on a connection, until it goes or the event is set."""
_DRIP_SECONDS = 0.02
_BLOCK = b"x" * 65_536
INFO = b"process_id:x\r\nconnected_clients:1\r\nkeyspace_hits:9" + b"9" * 5_000 + b"\r\n"
"""With numbers that are none, and one that Python does not read."""


def _endless(client: socket.socket, over: threading.Event) -> None:
    client.sendall(b"$99999999999\r\n")
    while not over.is_set():
        client.sendall(_BLOCK)


def _endless_error(client: socket.socket, over: threading.Event) -> None:
    client.sendall(b"-ERR ")
    while not over.is_set():
        client.sendall(_BLOCK)


def _array(client: socket.socket, _over: threading.Event) -> None:
    client.sendall(b"*2000000000\r\n")


def _hidden_array(client: socket.socket, _over: threading.Event) -> None:
    """Behind an answer, where the next one is looked for."""
    client.sendall(b"$-1\r\n*2000000000\r\n")


def _drip(client: socket.socket, over: threading.Event) -> None:
    client.sendall(b"$1000000\r\n")
    while not over.wait(_DRIP_SECONDS):
        client.sendall(b"x")


def _silent(_client: socket.socket, _over: threading.Event) -> None:
    pass


def _garbage(client: socket.socket, _over: threading.Event) -> None:
    client.sendall(b"\x00\xff\x1b[2J no RESP at all\r\n")


def _close(client: socket.socket, _over: threading.Event) -> None:
    client.sendall(b"$5\r\nhe")
    client.shutdown(socket.SHUT_RDWR)


MODES: dict[str, Serve] = {
    "endless": _endless,
    "endless_error": _endless_error,
    "array": _array,
    "hidden_array": _hidden_array,
    "drip": _drip,
    "silent": _silent,
    "garbage": _garbage,
    "close": _close,
}


class HostileServer:
    """One that serves, and what it was sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received = bytearray()


@contextmanager
def hostile(mode: str, *, polite: int = 0) -> Iterator[HostileServer]:
    """A server of a mode, which answers so many INFO as it should before."""
    over = threading.Event()
    lock = threading.Lock()
    left = [polite]
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as listening:
        server = HostileServer(listening.getsockname()[1])

        def answer(client: socket.socket) -> None:
            with suppress(OSError), client:
                while sent := client.recv(65_536):
                    with lock:
                        server.received += sent
                        decent = b"INFO" in sent and left[0] > 0
                        left[0] -= decent
                    if decent:
                        client.sendall(b"$%d\r\n%b\r\n" % (len(INFO), INFO))
                    else:
                        MODES[mode](client, over)

        def accept() -> None:
            with suppress(OSError):  # the end of the test
                while True:
                    client, _ = listening.accept()
                    clients.append(client)
                    threading.Thread(target=answer, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            for client in clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
