"""The migration manager: the stage table, dual writes, fallback, moves and flags."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import VirtualTime

from cache_impls.improved import ImprovedAsyncCache
from cache_impls.migration import CacheMigrationManager
from cache_impls.stages import STAGES, Side, Stage, bucket


class Recording(ImprovedAsyncCache):
    """A side that notes what it is asked, and can be told to fail or to wait."""

    def __init__(self, name: str, log: list[tuple[str, str]]) -> None:
        super().__init__()
        self.name, self.log = name, log
        self.fails: set[str] = set()
        self.gate: asyncio.Event | None = None
        self.waiting = asyncio.Event()

    async def _asked(self, operation: str) -> None:
        self.log.append((self.name, operation))
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        if operation in self.fails:
            raise ConnectionError(f"{self.name} {operation}")

    async def get(self, key: str) -> Any | None:
        await self._asked("get")
        return await super().get(key)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        await self._asked("set")
        await super().set(key, value, ttl)

    async def delete(self, key: str) -> bool:
        await self._asked("delete")
        return await super().delete(key)


class Pair:
    """A manager with its two sides."""

    def __init__(self, stage: str = "off", **options: Any) -> None:
        self.log: list[tuple[str, str]] = []
        self.old, self.new = Recording("old", self.log), Recording("new", self.log)
        self.manager = CacheMigrationManager(self.old, self.new, stage=stage, environ={}, **options)


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
        assert pair.manager._locks == {}
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_moves_go_one_stage_forward_or_any_back(virtual_time: VirtualTime) -> None:
    """A skipped stage is refused and named."""

    async def main() -> None:
        pair = Pair("off")
        with pytest.raises(ValueError, match="the next stage is dualwrite, not live"):
            await pair.manager.set_stage("live")
        for stage in list(Stage)[1:]:
            await pair.manager.set_stage(stage)
        assert pair.manager.stage is Stage.COMPLETE
        with pytest.raises(ValueError, match="no stage 'gone'"):
            await pair.manager.set_stage("gone")
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_going_back_from_complete_is_a_cold_start(virtual_time: VirtualTime) -> None:
    """The old side is out of date by then: it is cleared, and the move says so."""

    async def main() -> None:
        pair = Pair("rampdown")
        await pair.manager.set("k", "before", 60.0)
        assert await pair.manager.set_stage("complete") is False
        await pair.manager.set("k", "after", 60.0)
        assert await pair.manager.set_stage("off") is True
        assert await pair.manager.get("k") is None
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_rollback_keeps_what_was_acknowledged(virtual_time: VirtualTime) -> None:
    """From any stage but complete, every live write is still there after going back to off."""

    async def main() -> None:
        for stage in ("dualwrite", "shadow", "live", "rampdown"):
            pair = Pair(stage)
            for i in range(50):
                await pair.manager.set(f"k{i}", i, 60.0)
            await pair.manager.set_stage("off")
            assert [await pair.manager.get(f"k{i}") for i in range(50)] == list(range(50))
            await pair.manager.shutdown()

    virtual_time.run(main())


def test_a_percentage_is_sticky_and_stable(virtual_time: VirtualTime) -> None:
    """A key's place is the same in every process, and raising the percentage only adds keys."""
    assert [bucket(key) for key in ("a", "user1", "\u00e9")] == [59.07, 27.89, 93.26]
    pair = Pair("live", percentage=30)

    def live() -> set[str]:
        return {f"k{i}" for i in range(1000) if pair.manager.stage_of(f"k{i}") is Stage.LIVE}

    thirty = live()
    assert 250 < len(thirty) < 350
    pair.manager.set_percentage(60)
    assert thirty < live()
    with pytest.raises(ValueError, match="0 to 100"):
        pair.manager.set_percentage(101)


@pytest.mark.parametrize(
    ("environ", "stage", "percentage"),
    [
        ({}, Stage.OFF, 100),
        ({"APP_MIGRATION_USE_NEW_CACHE": "true"}, Stage.LIVE, 100),
        ({"APP_MIGRATION_USE_NEW_CACHE": "true", "APP_MIGRATION_STAGE": "shadow"}, Stage.SHADOW, 100),
        ({"APP_MIGRATION_USE_NEW_CACHE": "false", "APP_MIGRATION_STAGE": "live"}, Stage.OFF, 100),
        ({"APP_MIGRATION_STAGE": "live", "APP_MIGRATION_NEW_CACHE_PERCENT": "25"}, Stage.LIVE, 25),
    ],
)
def test_flags_at_start(environ: dict[str, str], stage: Stage, percentage: float) -> None:
    """`false` means off and overrides all; `true` alone means live at 100."""
    manager = CacheMigrationManager(ImprovedAsyncCache(), ImprovedAsyncCache(), environ=environ)
    assert (manager.stage, manager.get_stats()["percentage"]) == (stage, percentage)


def test_a_flag_that_is_none_is_refused() -> None:
    """A typing error in a flag is not silently `off`."""
    with pytest.raises(ValueError, match="APP_MIGRATION_USE_NEW_CACHE is true or false"):
        CacheMigrationManager(
            ImprovedAsyncCache(), ImprovedAsyncCache(), environ={"APP_MIGRATION_USE_NEW_CACHE": "ture"}
        )


def test_the_switch_overrides_at_run_time(virtual_time: VirtualTime) -> None:
    """Off and on again without a restart; what was written while off is not stale on the new side."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "before", 60.0)
        await pair.manager.set_use_new_cache(False)
        assert pair.manager.stage is Stage.OFF
        await pair.manager.set("k", "after", 60.0)
        assert await pair.manager.set_use_new_cache(True) is True
        assert await pair.manager.get("k") == "after"
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


def test_the_switch_alone_means_live(virtual_time: VirtualTime) -> None:
    """At run time as at the start; metrics can be switched too."""

    async def main() -> None:
        manager = Pair("off").manager
        await manager.set_use_new_cache(True)
        assert manager.stage is Stage.LIVE
        manager.set_enable_metrics(False)
        await manager.set("k", "v")
        await manager.get("k")
        assert "new_hits" not in manager.get_stats()
        await manager.shutdown()

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
