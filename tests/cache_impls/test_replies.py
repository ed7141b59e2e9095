"""What a hostile server sends costs a bounded time and a bounded memory, and fails in one short line."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator
from itertools import chain, repeat
from time import perf_counter
from typing import Any

import pytest
from conftest import VirtualTime

pytest.importorskip("redis", reason="redis is not installed: pip install 'cachegate[valkey]'")

from cache_impls import replies
from cache_impls.link import Link, ServerError

SOON, AMPLE = 0.3, 10.0
PASSWORD = "se%cret"  # noqa: S105  # of nobody


async def _against(reply: Iterator[bytes], work: Any, *, seconds: float = AMPLE, pause: float = 0.0) -> Any:
    """What work does with a link to a server that answers every command but the handshake's with reply."""

    serving: set[asyncio.Task[Any] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            while head := await reader.readline():
                words = []
                for _ in range(int(head[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2])
                if words[0] in (b"CLIENT", b"SELECT", b"AUTH"):
                    writer.write(b"+OK\r\n")
                    continue
                for part in reply:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.get_running_loop().run_in_executor(None, _wait, pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has had enough, which is what is wanted
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Link(f"valkey://:{PASSWORD}@127.0.0.1:{port}/1", timeout=seconds, connections=2)
    try:
        return await work(link)
    finally:
        await link.close()
        server.close()
        for task in [task for task in serving if task is not None]:
            task.cancel()
            await asyncio.wait([task])


def _wait(seconds: float) -> None:
    """Real time, whatever the loop's clock says."""
    began = perf_counter()
    while perf_counter() - began < seconds:
        pass


async def _get(link: Link) -> Any:
    return await link.ask("GET", b"k")


async def _refused(reply: Iterator[bytes]) -> str:
    with pytest.raises(ServerError) as caught:
        await _against(reply, _get)
    text = str(caught.value)
    assert len(text) < 300
    assert "\n" not in text
    assert PASSWORD not in text
    return text


HOSTILE: dict[str, tuple[Iterator[bytes], str]] = {
    "an array announced as huge": (iter([b"*2000000000\r\n"]), "items"),
    "a string announced as huge": (iter([b"$2000000000\r\n"]), "bytes"),
    "an endless line": (chain([b"+"], repeat(b"x" * 65536)), "line"),
    "an endless array": (chain([b"*99999\r\n"], repeat(b"$99999\r\n" + b"x" * 99999 + b"\r\n")), "bytes"),
    "arrays in arrays": (chain([b""], repeat(b"*99\r\n")), "recursion|items"),
    "a length that is none": (iter([b"$many\r\n"]), "no number"),
    "a negative length": (iter([b"$-5\r\n"]), "no number"),
    "a length of many digits": (iter([b"*" + b"9" * 5000 + b"\r\n"]), "no number"),
    "another protocol": (iter([b"HTTP/1.1 200 OK\r\n"]), "Protocol"),
    "an error that repeats the password": (iter([b"-ERR what is " + PASSWORD.encode() + b"?\r\n"]), "what is"),
    "a long error": (iter([b"-ERR " + b"x" * 60000 + b"\r\n"]), "xxx"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_reply_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before memory is short; limits are small here, so that it takes no time."""
    monkeypatch.setattr(replies, "MOST_BYTES", 4_000_000)
    reply, words = HOSTILE[name]
    tracemalloc.start()
    try:
        text = asyncio.run(_refused(reply))
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
    assert any(word in text for word in words.split("|"))


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (b"$-1\r\n", None),
        (b"$0\r\n\r\n", b""),
        (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"),
        (b":12\r\n", 12),
        (b"+OK\r\n", b"OK"),
        (b"*-1\r\n", None),
        (b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$-1\r\n", [b"0", [b"a", None]]),
        (b"$3000000\r\n" + b"x" * 3_000_000 + b"\r\n", b"x" * 3_000_000),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 10_000_000])
def test_a_good_reply_is_read_however_it_comes(reply: bytes, found: Any, step: int) -> None:
    """The correct twin, in whatever pieces; the next reply is the next command's."""
    step = max(step, len(reply) // 50)

    async def twice(link: Link) -> list[Any]:
        return [await _get(link), await _get(link)]

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            return (reply[i : i + step] for i in range(0, len(reply), step))

    assert asyncio.run(_against(Pieces(), twice)) == [found, found]  # type: ignore[arg-type]  # it is iterated anew


@pytest.mark.parametrize("reply", [b"$9\r\n", b""])
def test_a_reply_that_drips_ends_with_the_timeout(reply: bytes) -> None:
    """Silence, or a byte now and then for ever."""
    began = perf_counter()
    asyncio.run(_dripping(reply))
    assert perf_counter() - began < AMPLE  # only that it was not the hundred drips and for ever


def test_a_drip_ends_in_a_trial_too(virtual_time: VirtualTime) -> None:
    """Its clock stands still while bytes come, so no timer of the loop ends it."""
    began = perf_counter()
    virtual_time.run(_dripping(b"$9\r\n"))
    assert perf_counter() - began < AMPLE


async def _dripping(reply: bytes) -> None:
    drip = chain([reply], repeat(b"x" if reply else b"", 100))
    with pytest.raises(ServerError, match="GET"):
        await _against(drip, _get, seconds=SOON, pause=SOON / 5)


async def _all_of(link: Link) -> None:
    async with link.deadline():
        async for _ in link.keys("p:"):
            pass


def test_a_scan_that_never_ends_ends_with_the_timeout() -> None:
    """Every page says that there is another."""
    page = repeat(b"*2\r\n$1\r\n7\r\n*1\r\n$3\r\np:k\r\n")

    class One:
        def __iter__(self) -> Iterator[bytes]:
            return iter([next(page)])

    async def main() -> None:
        with pytest.raises(ServerError):
            await _against(One(), _all_of, seconds=SOON)  # type: ignore[arg-type]  # it is iterated anew

    asyncio.run(main())


def test_a_bad_url_keeps_its_password() -> None:
    """The line says how to write one, and repeats nothing."""
    with pytest.raises(ValueError, match="valkey://host:port/db") as caught:
        Link("valkey://:pa/ss@host:port", timeout=1.0, connections=1)
    assert "pa" not in str(caught.value).replace("valkey://host:port/db", "")
