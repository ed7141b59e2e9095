"""Rules of time: deadlines to the tick, overwrites, defaults, clocks."""

from __future__ import annotations

from cache_impls.protocol import Capability
from cache_impls.registry import Adapted
from harness.check.rules.lab import Lab
from harness.check.rules.rule import Kind, NotApplicable, expect, rule

_TTL = Capability.TTL
_TICK = 1e-6
"""Seconds before a deadline at which an entry is still there: more than a float's rounding."""


async def _ttl(lab: Lab, ttl: float) -> None:
    cache, clock = await lab.cache(), lab.clock
    began_ns = clock.now_ns
    await cache.set("key", "value", ttl)
    ended_ns = clock.now_ns
    clock.advance_to(began_ns + round((ttl - _TICK) * 1e9))
    answer = await cache.get("key")
    in_time = clock.now_ns < began_ns + round(ttl * 1e9)  # a slow cache may take longer than its entry lives
    expect(answer == "value" or not in_time, f"with a ttl of {ttl} s it misses {_TICK} s before the deadline")
    clock.advance_to(ended_ns + round(ttl * 1e9))
    answer = await cache.get("key")
    expect(answer is None, f"with a ttl of {ttl} s it answers {answer!r} at the deadline")


@rule(
    "ttl-1ms",
    Kind.LAW,
    "A ttl of 1 ms is kept to the tick.",
    needs=_TTL,
    timed=True,
    declared="ttl_jitter stale_seconds forgets",
)
async def ttl_short(lab: Lab) -> None:
    """An entry of 1 ms, read a microsecond before its deadline and at it."""
    await _ttl(lab, 0.001)


@rule(
    "ttl-300s",
    Kind.LAW,
    "A ttl of 300 s is kept to the tick.",
    needs=_TTL,
    timed=True,
    declared="ttl_jitter stale_seconds forgets",
)
async def ttl_middle(lab: Lab) -> None:
    """An entry of 300 s, read a microsecond before its deadline and at it."""
    await _ttl(lab, 300.0)


@rule(
    "ttl-3600s",
    Kind.LAW,
    "A ttl of 3600 s is kept to the tick.",
    needs=_TTL,
    timed=True,
    declared="ttl_jitter stale_seconds forgets",
)
async def ttl_long(lab: Lab) -> None:
    """An entry of 3600 s, read a microsecond before its deadline and at it."""
    await _ttl(lab, 3600.0)


@rule(
    "ttl-40d",
    Kind.LAW,
    "A ttl of 40 days is kept to the tick.",
    needs=_TTL,
    timed=True,
    declared="ttl_jitter stale_seconds forgets",
)
async def ttl_longest(lab: Lab) -> None:
    """An entry of 40 days, which memcached's protocol takes for a date in 1970."""
    await _ttl(lab, 40 * 86_400.0)


@rule("ttl-fixed", Kind.LAW, "A read does not prolong an entry's life.", needs=_TTL, timed=True)
async def ttl_fixed(lab: Lab) -> None:
    """A read each second, to the deadline and beyond."""
    cache = await lab.cache()
    slack = cache.promises.stale_seconds + 10 * cache.promises.ttl_jitter
    await cache.set("key", "value", 10.0)
    for _ in range(11 + int(slack)):
        await lab.sleep(1)
        answer = await cache.get("key")
    expect(answer is None, "read every second, an entry of 10 s is still answered after its deadline")


async def _overwritten(lab: Lab, *, wait: float, ttl: float | None, lives: float, state: str) -> None:
    cache = await lab.cache()
    await cache.set("key", "old", 10.0)
    lab.clock.advance_by(wait)  # no timer and no sweep runs meanwhile
    await cache.set("key", "new", ttl)
    answer = await cache.get("key")
    expect(answer == "new", f"right after overwriting {state} entry get answers {answer!r}")
    await lab.sleep(lives)
    answer = await cache.get("key")
    expect(answer == "new", f"{lives} s after overwriting {state} entry, ttl {ttl}, get answers {answer!r}")


@rule(
    "overwrite-live",
    Kind.LAW,
    "Overwriting a live entry with another ttl starts that ttl.",
    needs=_TTL,
    timed=True,
    declared="forgets",
)
async def overwrite_live(lab: Lab) -> None:
    """10 s, then 50 s."""
    await _overwritten(lab, wait=5, ttl=50.0, lives=20, state="a live")


@rule(
    "overwrite-live-default",
    Kind.LAW,
    "Overwriting a live entry with no ttl drops the old one.",
    needs=_TTL,
    timed=True,
    declared="forgets",
)
async def overwrite_live_default(lab: Lab) -> None:
    """10 s, then the default."""
    await _overwritten(lab, wait=5, ttl=None, lives=6, state="a live")


@rule(
    "overwrite-expired",
    Kind.LAW,
    "Overwriting an expired entry that no sweep has removed starts the new ttl.",
    needs=_TTL,
    timed=True,
    declared="forgets",
)
async def overwrite_expired(lab: Lab) -> None:
    """10 s, expired, then 50 s."""
    await _overwritten(lab, wait=11, ttl=50.0, lives=20, state="an expired, unswept")


@rule(
    "overwrite-expired-default",
    Kind.LAW,
    "Overwriting an expired, unswept entry with no ttl drops the old deadline.",
    needs=_TTL,
    timed=True,
    declared="forgets",
)
async def overwrite_expired_default(lab: Lab) -> None:
    """10 s, expired, then the default."""
    await _overwritten(lab, wait=11, ttl=None, lives=6, state="an expired, unswept")


@rule(
    "overwrite-swept",
    Kind.LAW,
    "Overwriting an entry that a timer or sweep has removed starts the new ttl.",
    needs=_TTL,
    timed=True,
    declared="forgets",
)
async def overwrite_swept(lab: Lab) -> None:
    """10 s, expired and time for a sweep, then 50 s."""
    cache = await lab.cache()
    await cache.set("key", "old", 10.0)
    await lab.sleep(400)
    await cache.set("key", "new", 50.0)
    await lab.sleep(20)
    answer = await cache.get("key")
    expect(answer == "new", f"20 s after overwriting a swept entry with a ttl of 50 s get answers {answer!r}")


@rule("overwrite-shorter", Kind.LAW, "Overwriting with a shorter ttl ends earlier.", needs=_TTL, timed=True)
async def overwrite_shorter(lab: Lab) -> None:
    """100 s, then 10 s."""
    cache = await lab.cache()
    slack = cache.promises.stale_seconds + 10 * cache.promises.ttl_jitter
    await cache.set("key", "old", 100.0)
    await cache.set("key", "new", 10.0)
    await lab.sleep(10 + slack)
    answer = await cache.get("key")
    expect(answer is None, f"10 s after a set with a ttl of 10 s get answers {answer!r}")


@rule(
    "wall-clock",
    Kind.LAW,
    "A step of the wall clock neither ends nor prolongs a life.",
    needs=_TTL,
    timed=True,
    declared="forgets",
)
async def wall_clock(lab: Lab) -> None:
    """An hour forward, then an hour back."""
    cache = await lab.cache()
    slack = cache.promises.stale_seconds + 100 * cache.promises.ttl_jitter
    await cache.set("key", "value", 100.0)
    lab.clock.step_wall(3600)
    expect(await cache.get("key") == "value", "the wall clock was set an hour forward, and a live entry is gone")
    if Capability.SIZE in cache.capabilities:
        found = await cache.size()
        expect(found == 1, f"the wall clock was set an hour forward, and of one live entry the size is {found}")
    lab.clock.step_wall(-7200)
    await lab.sleep(100 + slack)
    expect(await cache.get("key") is None, "the wall clock was set an hour back, and an expired entry is answered")


@rule(
    "default-ttl",
    Kind.LAW,
    "A set with no ttl lives as long as the factory's default says.",
    needs=_TTL,
    timed=True,
    declared="forgets",
)
async def default_ttl(lab: Lab) -> None:
    """The default made 20 s by its own parameter."""
    for name in ("default_ttl", "ttl_seconds", "ttl"):
        try:
            cache = await lab.cache_with(**{name: 20})
        except NotApplicable:
            continue
        slack = cache.promises.stale_seconds + 20 * cache.promises.ttl_jitter
        await cache.set("key", "value")
        await lab.sleep(19 - slack)
        expect(await cache.get("key") == "value", f"with {name}=20 an entry is gone after 19 s")
        await lab.sleep(1 + 2 * slack)
        expect(await cache.get("key") is None, f"with {name}=20 an entry is answered after 20 s")
        return
    raise NotApplicable("its factory has no default ttl")


@rule("swept", Kind.LAW, "Expired entries are removed in time, read or not.", needs=_TTL | Capability.STATS, timed=True)
async def swept(lab: Lab) -> None:
    """A hundred entries of 10 s, and 400 s with nothing but the cache's own sweeps; by what it publishes as entries."""
    cache = await lab.cache()
    held = _held(cache)
    if not held:
        raise NotApplicable("it does not publish how many entries it holds")
    for i in range(100):
        await cache.set(f"key{i}", i, 10.0)
    await lab.sleep(400)
    left = sum(_held(cache))
    expect(left == 0, f"400 s after 100 entries of 10 s were set it holds {left} of them")


def _held(cache: Adapted) -> list[int]:
    """What the cache, or each of its parts, says that it holds."""
    stats = cache.get_stats()
    parts = [stats, *(part for part in stats.values() if isinstance(part, dict))]
    return [part["entries"] for part in parts if type(part.get("entries")) is int]
