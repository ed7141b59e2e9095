"""The end of adapted caches, and what is true of all adapters."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
from adapted import ADAPTED, keepers, needed
from conftest import ROOT, VirtualTime

from cache_impls.protocol import Capability
from cache_impls.registry import ADAPTERS, BUILTIN, NotInstalledError, capabilities, make


@keepers("shutdown")
def test_shutdown_twice_leaves_nothing(virtual_time: VirtualTime, library: str) -> None:
    """No task is left, and a second shutdown is fine."""
    needed(library)

    async def main() -> None:
        cache = make(library)
        await cache.set("key", "value")
        await cache.shutdown()
        await cache.shutdown()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(main())


def test_diskcache_removes_its_folder() -> None:
    """Shutdown leaves nothing on the disk."""
    needed("diskcache")

    cache = make("diskcache")
    folder = Path(cache.native._folder.name)  # type: ignore[attr-defined]  # Adapted.native is of any type
    assert folder.is_dir()
    asyncio.run(cast(Coroutine[Any, Any, None], cache.shutdown()))
    assert not folder.exists()


@pytest.mark.slow
def test_theines_thread_removes_what_expired() -> None:
    """Its timer wheel runs on the real clock, in steps of about a second, and needs no read."""
    needed("theine")

    async def main() -> None:
        cache = make("theine")
        await cache.set("key", "value", 1.0)
        assert await cache.size() == 1
        await asyncio.sleep(4)
        assert await cache.size() == 0
        await cache.shutdown()

    asyncio.run(main())


# What is true of all


@pytest.mark.parametrize("name", ADAPTED)
def test_a_missing_library_names_the_command(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One line, with the package and what to run."""
    package = "redis" if name == "valkey" else name
    monkeypatch.setitem(sys.modules, package, None)
    for module in (f"{ADAPTERS}{name}", "cache_impls.link", "cache_impls.replies"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(NotInstalledError) as caught:
        make(name)
    assert str(caught.value) == f"{name!r} needs the package {package}: pip install 'cachegate[adapters]'"


@pytest.mark.parametrize("name", sorted(set(BUILTIN) - {"valkey"}))
def test_a_class_tells_what_its_caches_can_do(name: str) -> None:
    """What the listing says is what a cache that is made can do, but for counters that have to be asked for."""
    if name in ADAPTED:
        needed(name)

    async def main() -> None:
        cache = make(name)
        optional = Capability.STATS if name in ("cacheout", "diskcache") else Capability(0)
        assert capabilities(name) == cache.capabilities | optional
        await cache.shutdown()

    asyncio.run(main())


def test_the_tests_install_the_adapters() -> None:
    """What the extras name, the group `test` installs, so that CI runs these tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    assert {*extras["adapters"], *extras["valkey"]} <= {*project["dependency-groups"]["test"]}
