"""Nothing is unpickled that this process did not pickle under that very name."""

from __future__ import annotations

import asyncio
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from cache_impls.sealing import ForgedError, seal, unseal

pytest.importorskip("redis", reason="redis is not installed: pip install 'cachegate[valkey]'")

from fake_server import FakeServer

from cache_impls.registry import make


class Trap:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def _by_another_process(name: bytes, value: Any) -> bytes:
    """What the child of a fork seals, whose memory was a copy of this one's."""
    read_fd, write_fd = os.pipe()
    process = os.fork()
    if process == 0:
        os.write(write_fd, seal(name, value))
        os._exit(0)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as pipe:
        sealed = pipe.read()
    os.waitpid(process, 0)
    return sealed


@pytest.mark.parametrize("value", ["text", b"", 0, None, [1, {"a": (2.5,)}], "x" * 100_000])
def test_what_was_sealed_is_read(value: Any) -> None:
    """The correct twin: the same name, the same process."""
    assert unseal(b"name", seal(b"name", value)) == value


def test_what_was_forged_is_not_unpickled(tmp_path: Path) -> None:
    """Bare pickles, pickles behind anything, truncated, empty, altered, of another name or process, and no bytes."""
    left = tmp_path / "left"
    trap = pickle.dumps(Trap(left))
    good = seal(b"name", "value")
    forged = {
        "bare": trap,
        "behind zeros": bytes(16) + trap,
        "behind a digest of another value": good[:16] + trap,
        "truncated": good[:-1],
        "digest alone": good[:16],
        "short": good[:5],
        "empty": b"",
        "altered": good[:-1] + bytes([good[-1] ^ 1]),
        "of another name": seal(b"other", "value"),
        "of a name that goes on in the content": seal(b"nam", "value"),
        "of another process": _by_another_process(b"name", "value"),
        "a number": 5,
        "a list": [good],
    }
    for how, sealed in forged.items():
        with pytest.raises(ForgedError):
            print(how, unseal(b"name", sealed))
    assert not left.exists()
    pickle.loads(trap)  # noqa: S301  # ours: it shows that the trap works
    assert left.exists(), "the trap would have shown it"


class Liar:
    """A server that stores, and answers what it is told to in place of what it has stored."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.answer: bytes | None = None

    async def __call__(self, command: list[bytes]) -> bytes:
        if command[0] == b"SCAN":
            return b"*2\r\n$1\r\n0\r\n*0\r\n"
        if command[0] == b"SET":
            self.entries[command[1]] = command[2]
            return b"+OK\r\n"
        found = self.entries[command[1]] if self.answer is None else self.answer
        return b"$%d\r\n%b\r\n" % (len(found), found)


def test_a_forged_value_is_a_miss_and_is_counted(tmp_path: Path) -> None:
    """By the adapter in `incidents`, by the hierarchy as l2_forged; what is genuine stays a hit, nobody's code runs."""
    left = tmp_path / "left"

    async def main() -> None:
        liar = Liar()
        async with FakeServer(liar) as server:
            address = server.url.removeprefix("resp://")
            cache = make(f"valkey://{address}/0")
            tiers = make(f"hierarchy?l2={server.url}&max_entries=1")
            for one in (cache, tiers):
                await one.set("k", "value", 60.0)
                await one.set("pushes out", "value", 60.0)
                liar.answer = pickle.dumps(Trap(left))
                assert await one.get("k") is None
                liar.answer = None
                assert await one.get("k") == "value"
            assert dict(cache.incidents()) == {"forged": 1}
            assert dict(tiers.incidents()) == {"forged": 1}
            stats = tiers.get_stats()
            assert (stats["l2_forged"], stats["l2_errors"], stats["l2_hits"]) == (1, 0, 1)
            await cache.shutdown()
            await tiers.shutdown()

    asyncio.run(main())
    assert not left.exists()
