"""Remove at its end what a run wrote to servers: a trial that was killed could not do it itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from cache_impls.names import run_prefix
from cache_impls.registry import BUILTIN, SpecError, from_environment, parse

SECONDS = 5.0
"""For one server, its silence included."""
DEFAULT_URL = "valkey://127.0.0.1:6379/0"
"""Of the cache `valkey`, where a spec gives none."""


def may_name_a_server(text: str) -> bool:
    """Whether a spec's text may do so: as a URL, as an encoded one, from the environment, or by the cache's name."""
    return any(sign in text for sign in ("://", "%", "${", "valkey"))


def servers_in(texts: Iterable[str]) -> list[str]:
    """The URLs of servers among texts that may be specs, those inside a spec's parameters too; each once."""
    return list(dict.fromkeys(url for text in texts for url in _servers(text)))


def _servers(text: str) -> Iterator[str]:
    if not may_name_a_server(text):
        return
    try:
        spec = parse(text)
        parameters = {name: from_environment(value) for name, value in spec.parameters.items()}
    except SpecError:
        return  # no spec: a file, a name
    if spec.target == BUILTIN["valkey"][0]:
        parameters.setdefault("url", DEFAULT_URL)
    for name, value in parameters.items():
        if isinstance(value, str):
            if name == "url" and spec.target == BUILTIN["valkey"][0]:
                yield value
            else:
                yield from _servers(value)


def remove_run(url: str, run: str) -> None:
    """Remove all that the caches of a run wrote to a server. Raises ConnectionError, ValueError for a bad URL."""
    from cache_impls.link import Link, ServerError  # noqa: PLC0415  # only a run with a server needs the library

    async def remove() -> None:
        link = Link(url, timeout=SECONDS, connections=1)
        try:
            async with link.deadline():
                await link.remove(run_prefix(run))
        finally:
            await link.close()

    try:
        asyncio.run(remove())
    except ServerError as error:
        raise ConnectionError(str(error)) from error
