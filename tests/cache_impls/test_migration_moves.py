"""The migration manager: moves between stages, percentages, flags and the switch."""

from __future__ import annotations

import asyncio

import pytest
from conftest import VirtualTime
from sides import Pair

from cache_impls.improved import ImprovedAsyncCache
from cache_impls.migration import CacheMigrationManager
from cache_impls.stages import Side, Stage, bucket


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


def test_a_side_that_starts_cold_waits_for_writes(virtual_time: VirtualTime) -> None:
    """A write that began in an earlier stage would bring back there what the stages between have replaced (C1, C4)."""

    async def main() -> None:
        pair = Pair("live")
        pair.old.gate = asyncio.Event()
        writing = asyncio.create_task(pair.manager.set("k", "v"))
        await pair.old.waiting.wait()  # the new side has it, the old one is about to
        await pair.manager.set_stage("rampdown")
        await pair.manager.set_stage("complete")
        back = asyncio.create_task(pair.manager.set_stage("live"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not back.done()
        pair.old.gate.set()
        await asyncio.gather(writing, back)
        assert await pair.manager.peek("old", "k") is None
        assert await pair.manager.get("k") == "v"
        await pair.manager.shutdown()

    virtual_time.run(main())


def test_what_had_expired_when_a_read_began_is_not_answered(virtual_time: VirtualTime) -> None:
    """The old side has it for longer, and a write that begins meanwhile takes the manager's record away (C2)."""

    async def main() -> None:
        pair = Pair("live")
        await pair.manager.set("k", "v", 10.0)
        await ImprovedAsyncCache.set(pair.old, "k", "v", 60.0)
        virtual_time.clock.advance_by(10)
        asked, answer = asyncio.Event(), asyncio.Event()

        async def late(key: str) -> object:
            value = await ImprovedAsyncCache.get(pair.old, key)
            asked.set()
            await answer.wait()
            return value

        pair.manager._sides[Side.OLD].get = late
        reading = asyncio.create_task(pair.manager.get("k"))
        await asked.wait()
        await pair.manager.set("k", "w")
        answer.set()
        assert await reading != "v"
        await pair.manager.shutdown()

    virtual_time.run(main())
