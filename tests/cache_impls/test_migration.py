"""The migration manager: the stage table, dual writes, fallback and copies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import VirtualTime
from sides import Pair

from cache_impls.improved import ImprovedAsyncCache
from cache_impls.migration import CacheMigrationManager
from cache_impls.stages import STAGES, Side, Stage


@pytest.mark.parametrize("stage", list(Stage))
def test_the_stage_table_is_kept(virtual_time: VirtualTime, stage: Stage) -> None:
    """Each stage reads and writes the sides of `STAGES`, in order."""

    async def main() -> None:
        pair = Pair(stage)
        await pair.manager.set("k", "v")
        assert [side for side, _ in pair.log] == [side.value for side in STAGES[stage].write]
        pair.log.clear()
        await pair.manager.delete("k")
        assert [side for side, _ in pair.log] == [side.value for side in STAGES[stage].write]
        pair.log.clear()
        assert await pair.manager.get("k") is None
        assert [side for side, _ in pair.log] == [side.value for side in STAGES[stage].read]
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_the_old_side_answers_in_shadow_and_differences_count(virtual_time: VirtualTime) -> None:
    """What differs on a quiet key is counted; an error of the new side is counted and not felt."""

    async def main() -> None:
        pair = Pair("shadow")
        await pair.manager.set("k", "v", 60.0)
        await ImprovedAsyncCache.set(pair.new, "k", "other")
        assert await pair.manager.get("k") == "v"
        pair.new.fails = {"get"}
        assert await pair.manager.get("k") == "v"
        stats = pair.manager.get_stats()
        assert (stats["differences"], stats["errors_new_get"]) == (1, 1)
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_live_falls_back_and_copies_what_remains(virtual_time: VirtualTime) -> None:
    """A key that only the old side has is answered from there, and copied with the rest of its ttl."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "v", 60.0)
        await ImprovedAsyncCache.delete(pair.new, "k")
        virtual_time.clock.advance_by(50)
        assert await pair.manager.get("k") == "v"
        assert await ImprovedAsyncCache.get(pair.new, "k") == "v"
        virtual_time.clock.advance_by(10)
        assert await ImprovedAsyncCache.get(pair.new, "k") is None
        stats = pair.manager.get_stats()
        assert (stats["fallbacks_miss"], stats["copies"], stats["legacy_hits"]) == (1, 1, 1)
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_without_a_deadline_nothing_is_copied(virtual_time: VirtualTime) -> None:
    """A copy with a guessed ttl could outlive its original."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "v")
        await ImprovedAsyncCache.delete(pair.new, "k")
        assert await pair.manager.get("k") == "v"
        assert await ImprovedAsyncCache.get(pair.new, "k") is None
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_a_copy_cannot_pass_a_delete(virtual_time: VirtualTime) -> None:
    """A read that started before a delete answers, but what it read does not come back."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "v", 60.0)
        await ImprovedAsyncCache.delete(pair.new, "k")
        pair.old.gate = asyncio.Event()
        reading = asyncio.create_task(pair.manager.get("k"))
        await pair.old.waiting.wait()
        gate, pair.old.gate = pair.old.gate, None
        await pair.manager.delete("k")
        gate.set()
        await reading
        assert await pair.manager.get("k") is None
        assert await ImprovedAsyncCache.get(pair.new, "k") is None
        await pair.manager.shutdown()

    virtual_time.run(main())


@pytest.mark.parametrize("stage", ["dualwrite", "live"])
@pytest.mark.parametrize("operation", ["set", "delete"])
def test_what_the_second_side_refused_cannot_be_read_there(
    virtual_time: VirtualTime, stage: str, operation: str
) -> None:
    """The call succeeds, the refusal is counted, and the stale entry is never answered."""

    async def main() -> None:
        pair = Pair(stage)
        await pair.manager.set("k", "before", 60.0)
        second = pair.new if stage == "dualwrite" else pair.old
        second.fails = {operation}
        await (pair.manager.set("k", "after", 60.0) if operation == "set" else pair.manager.delete("k"))
        second.fails = set()
        await pair.manager.set_stage("shadow" if stage == "dualwrite" else "off")
        if stage == "dualwrite":
            await pair.manager.set_stage("live")
        answer = await pair.manager.get("k")
        assert answer in (("after", None) if operation == "set" else (None,))
        assert pair.manager.get_stats()[f"errors_{second.name}_write"] == 1
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_an_error_of_the_first_side_is_raised(virtual_time: VirtualTime) -> None:
    """And the other side, which may be behind, is not read for that key until it is written again."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "before", 60.0)
        pair.new.fails = {"set"}
        with pytest.raises(ConnectionError):
            await pair.manager.set("k", "after", 60.0)
        pair.new.fails = {"get"}
        with pytest.raises(ConnectionError):
            await pair.manager.get("k")
        pair.new.fails = set()
        await pair.manager.set("k", "again", 60.0)
        assert await pair.manager.get("k") == "again"
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_a_new_side_that_fails_to_read_is_answered_by_the_old(virtual_time: VirtualTime) -> None:
    """In live an error of the new side is a fallback with its reason."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "v", 60.0)
        pair.new.fails = {"get"}
        assert await pair.manager.get("k") == "v"
        assert pair.manager.get_stats()["fallbacks_error"] == 1
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_a_cancelled_write_leaves_nothing_to_read_on_the_side_behind(virtual_time: VirtualTime) -> None:
    """Cut off after the first side: the second still has the old value, and does not answer it."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "before", 60.0)
        pair.old.gate = asyncio.Event()
        writing = asyncio.create_task(pair.manager.set("k", "after", 60.0))
        await pair.old.waiting.wait()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        pair.old.gate = None
        await pair.manager.set_stage("off")
        assert await pair.manager.get("k") is None
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_writes_to_a_key_keep_one_order(virtual_time: VirtualTime) -> None:
    """Two writers at once leave both sides with the same value."""

    async def main() -> None:
        pair = Pair("dualwrite")
        await asyncio.gather(*(pair.manager.set("k", i, 60.0) for i in range(20)))
        assert await ImprovedAsyncCache.get(pair.old, "k") == await ImprovedAsyncCache.get(pair.new, "k") == 19
        assert len(pair.manager._locks) == 0
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_it_answers_to_both_dialects(virtual_time: VirtualTime) -> None:
    """`ttl_seconds`, `stop` and `get_detailed_metrics` work as `ttl`, `shutdown` and `get_stats`."""

    async def main() -> None:
        manager = Pair("off").manager
        await manager.set("k", "v", ttl_seconds=10)
        virtual_time.clock.advance_by(10)
        assert await manager.get("k") is None
        assert manager.get_detailed_metrics() == manager.get_stats()
        await manager.stop()

    virtual_time.run(main())


def test_deadlines_are_forgotten_with_their_entries(virtual_time: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager's own records do not grow for ever."""
    monkeypatch.setattr("cache_impls.migration._PRUNE_EVERY", 10)

    async def main() -> None:
        manager = Pair("dualwrite").manager
        manager._prune_in = 10
        for i in range(200):
            await manager.set(f"k{i}", i, 1.0)
            virtual_time.clock.advance_by(1)
        assert len(manager._records) <= 20
        await manager.shutdown()

    virtual_time.run(main())


def test_a_delete_of_what_only_the_old_side_has_was_live(virtual_time: VirtualTime) -> None:
    """In live the old side answers too, so its answer to the delete counts."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "v", 60.0)
        await ImprovedAsyncCache.delete(pair.new, "k")
        assert await pair.manager.delete("k") is True
        assert await pair.manager.delete("k") is False
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_a_copy_cannot_pass_a_clear(virtual_time: VirtualTime) -> None:
    """A clear waits for a copy that is under way, and removes it with the rest."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "v", 60.0)
        await ImprovedAsyncCache.delete(pair.new, "k")
        pair.new.waiting.clear()
        plain_get = pair.new.get
        pair.manager._sides[Side.NEW].get = lambda key: ImprovedAsyncCache.get(pair.new, key)
        pair.new.gate = asyncio.Event()
        reading = asyncio.create_task(pair.manager.get("k"))
        await pair.new.waiting.wait()  # the copy is about to set
        clearing = asyncio.create_task(pair.manager.clear())
        pair.new.gate.set()
        await asyncio.gather(reading, clearing)
        pair.manager._sides[Side.NEW].get = plain_get
        assert await pair.manager.get("k") is None
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_values_that_cannot_be_compared_fail_no_read(virtual_time: VirtualTime) -> None:
    """A value whose == raises is counted as a difference, and answered."""

    class Touchy:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

        __hash__ = None  # type: ignore[assignment]  # as NumPy's arrays

    async def main() -> None:
        pair = Pair("shadow")
        await pair.manager.set("k", Touchy(), 60.0)
        await ImprovedAsyncCache.set(pair.new, "k", Touchy())
        assert isinstance(await pair.manager.get("k"), Touchy)
        assert pair.manager.get_stats()["differences"] == 1
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_a_side_without_counters_is_no_error(virtual_time: VirtualTime) -> None:
    """The yardstick publishes none."""
    from cache_impls.yardstick import YardstickCache

    manager = CacheMigrationManager(ImprovedAsyncCache(), YardstickCache(), environ={})
    assert manager.get_stats()["evictions"] == 0


def test_a_read_from_a_side_that_was_behind_answers_no_old_news(virtual_time: VirtualTime) -> None:
    """It began while the key was marked; a write that takes the mark away meanwhile makes it no newer."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "old", 60.0)
        pair.manager._unreadable[Side.OLD].add("k")  # as after a write that the old side refused
        await ImprovedAsyncCache.delete(pair.new, "k")
        plain = pair.manager._sides[Side.OLD].get
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def slow(key: str) -> Any:
            value = await plain(key)
            reached.set()
            await go_on.wait()
            return value

        pair.manager._sides[Side.OLD].get = slow
        reading = asyncio.create_task(pair.manager.get("k"))
        await reached.wait()
        pair.manager._sides[Side.OLD].get = plain
        await pair.manager.set("k", "new", 60.0)
        go_on.set()
        assert await reading in (None, "new")
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_a_read_during_a_write_waits_rather_than_misses(virtual_time: VirtualTime) -> None:
    """The old side is outdated and the new one does not have it yet: check found a miss there (C3)."""

    async def main() -> None:
        pair = Pair("live")
        await pair.old.set("k", "first")
        pair.new.gate = gate = asyncio.Event()
        writing = asyncio.create_task(pair.manager.set("k", "second"))
        await pair.new.waiting.wait()
        pair.new.gate = None
        reading = asyncio.create_task(pair.manager.get("k"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not reading.done()
        gate.set()
        await writing
        assert await reading == "second"
        await pair.manager.shutdown()

    virtual_time.run(main())
