"""Every animal of the zoo for `check`: the faults with the checks that must see them, and the decoys.

A spec's path is relative to the repository. `caught_by` names checks of which at least one must fire.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Animal:
    """One cache of the zoo."""

    name: str
    spec: str
    caught_by: tuple[str, ...]
    """Ids of checks, at least one of which must accuse it; empty for a decoy."""
    source: str
    """Where the fault is known from: a row of the table of bug classes, a library, or the contract."""
    needs: str = ""
    """What a schedule must have to show it: cancel, stall, wall clock, capacity, sides, load; two are joined by +."""


def _fault(group: str, name: str, caught_by: str, source: str, needs: str = "") -> Animal:
    spec = f"tests/zoo/faults/{group}.py:{name}"
    return Animal(name=name, spec=spec, caught_by=tuple(caught_by.split()), source=source, needs=needs)


def _decoy(module: str, name: str, source: str, needs: str = "") -> Animal:
    return Animal(name=name, spec=f"tests/zoo/{module}.py:{name}", caught_by=(), source=source, needs=needs)


FAULTS: tuple[Animal, ...] = (
    _fault("expiry", "GhostTimerAfterClear", "C3 C10", "row 7, aiocache"),
    _fault("expiry", "GhostTimerAfterOverwrite", "C3 C10", "row 7, aiocache#423"),
    _fault("expiry", "HeapGhost", "C3", "row 7"),
    _fault("expiry", "InheritsDeadline", "C3 C1 conformance", "row 8, cashews"),
    _fault("expiry", "OverwriteKeepsTtl", "C3 conformance", "ttl matrix, cashews"),
    _fault("expiry", "TimerOnlyExpiry", "C2", "row 9, aiocache", "stall"),
    _fault("expiry", "SweepOnlyExpiry", "C2 conformance", "row 9"),
    _fault("expiry", "WallClock", "C2 C3", "row 11, cacheout", "wall clock"),
    _fault("expiry", "HitAtDeadline", "C2 conformance", "row 9"),
    _fault("expiry", "WholeSeconds", "C3 conformance", "redis ex"),
    _fault("expiry", "ZeroIsForever", "conformance", "row 10, aiocache"),
    _fault("expiry", "SlidingTtl", "C2 conformance", "cachetools#177"),
    _fault("expiry", "SweeperRace", "C3", "row 7"),
    _fault("expiry", "TtlCountsFromArrival", "C2", "row 9", "stall"),
    _fault("races", "TouchResurrects", "C4 C1", "row 2"),
    _fault("races", "LockRegistryRace", "C2 C3", "row 17"),
    _fault("races", "UnlockedSetThenExpire", "C2 C3", "row 20"),
    _fault("races", "HalfSet", "C2 conformance", "row 14, redis", "cancel"),
    _fault("races", "ReservedSlot", "C10 C11 C3 conformance", "row 20"),
    _fault("races", "LockLeaked", "C0 conformance", "row 16, aiocache#196", "cancel"),
    _fault("races", "PoolLeaks", "C0 conformance", "row 16, cashews#127", "cancel"),
    _fault("races", "ConnectionDesync", "C5 C1", "row 15, redis-py#2624", "cancel"),
    _fault("races", "DropsSameTick", "C1 C6 conformance", "Meta, drop if older"),
    _fault("races", "LazyDelete", "C4 C3", "row 2, redis UNLINK"),
    _fault("races", "GetKeyError", "C0", "row 20, cachetools#80"),
    _fault("races", "ClearAborts", "C4", "row 18, redis-py#4289"),
    _fault("races", "SwallowsCancel", "conformance C3", "row 14", "cancel"),
    _fault("tiers", "ReadRepairRace", "C4 C1", "row 2, NSDI'13"),
    _fault("tiers", "CopyLosesTtl", "C2", "row 1"),
    _fault("tiers", "HalfDelete", "C4 C1", "row 4", "cancel"),
    _fault("tiers", "DeleteTimesOut", "C4", "row 4, Tigris", "stall"),
    _fault("tiers", "OrderInversion", "C1 C6", "row 5"),
    _fault("tiers", "ClearRepopulated", "C4", "row 2"),
    _fault("tiers", "FlushWindow", "C1 C3 C4", "row 6"),
    _fault("loading", "Stampede", "C7", "row 13, aiocache#27", "load"),
    _fault("loading", "ShortLease", "C7", "row 13, cached_stampede", "load"),
    _fault("loading", "LeaderCancelPoisons", "C0 C7", "row 14, async-lru#697", "load+cancel"),
    _fault("loading", "LeaderCancelHangs", "C0", "row 14", "load+cancel"),
    _fault("loading", "CachedException", "C7", "row 14, aiocache#389", "load"),
    _fault("loading", "SlowFill", "C4 C1", "row 6, caffeine#193", "load"),
    _fault("loading", "LoadTtlDropped", "C2 conformance", "row 1", "load"),
    _fault("loading", "LoadLeftBehind", "C10", "row 16", "load+cancel"),
    _fault("bounds", "BoundIgnored", "C10 C12 conformance", "row 12, Resync", "capacity"),
    _fault("bounds", "BoundCountsOnlyAtSweep", "C10 conformance", "row 12", "capacity"),
    _fault("bounds", "EvictsNewest", "C3 conformance", "row 12", "capacity"),
    _fault("bounds", "EvictsBelowBound", "C3 conformance", "row 12", "capacity"),
    _fault("bounds", "OverwriteEvicts", "C3 conformance", "row 12", "capacity"),
    _fault("bounds", "PerShardBound", "C3 conformance", "row 24", "capacity"),
    _fault("bounds", "SweepRemovesNothing", "conformance", "row 12, Resync"),
    _fault("bounds", "SizeDrifts", "C10 conformance", "row 20"),
    _fault("bounds", "ClearKeepsCount", "C10 conformance", "row 20"),
    _fault("lifecycle", "SweeperLeft", "C10", "row 16, async-lru#480"),
    _fault("lifecycle", "TimersPerSet", "C10", "row 16, aiocache#807"),
    _fault("lifecycle", "ShutdownOnce", "conformance", "contract, rule 5"),
    _fault("lifecycle", "WorksAfterShutdown", "conformance", "contract, rule 5"),
    _fault("lifecycle", "FirstLoopOnly", "conformance", "aiocache#260"),
    _fault("lifecycle", "ValidatesAfterStore", "conformance", "contract, rule 2"),
    _fault("lifecycle", "DropsBeforeValidating", "conformance", "contract, rule 2"),
    _fault("lifecycle", "DefaultTtlNotWired", "C12 conformance", "row 22, Resync"),
    _fault("lifecycle", "CleanupIntervalNotWired", "C12", "row 22, Resync"),
    _fault("values", "JsonRoundTrip", "conformance C5", "row 19"),
    _fault("values", "FalsyIsMiss", "conformance", "row 19, aiocache"),
    _fault("values", "MutatesValues", "conformance C5", "row 19"),
    _fault("values", "LowercasesKeys", "conformance C5", "row 15, collations"),
    _fault("values", "TruncatesKeys", "conformance C5", "row 15, memcached"),
    _fault("counters", "ExpiredMissUncounted", "C11 conformance", "row 23"),
    _fault("counters", "DeletesCountAbsent", "C11 conformance", "row 23"),
    _fault("counters", "DeleteTrueForExpired", "conformance C11", "row 8, cashews"),
    _fault("counters", "ErrorsAsMisses", "C11 conformance", "row 23, Resync"),
    _fault("counters", "LostUpdate", "C11", "row 20"),
    _fault("counters", "FarHitsUncounted", "C11", "row 23, Resync"),
    _fault("counters", "ClearResetsCounters", "C11 conformance", "row 23"),
    _fault("counters", "OverwriteCountsDelete", "C11 conformance", "row 23"),
    _fault("migrations", "CopyLosesDeadline", "C2 C9", "row 1, Resync", "sides"),
    _fault("migrations", "CopyAfterOverwrite", "C1 C6 C8 C9", "row 2", "sides"),
    _fault("migrations", "DeleteOnAnsweringSide", "C4 C8 C9", "row 4, Resync", "sides"),
    _fault("migrations", "RollbackKeepsOld", "C9 C1 C4 C8", "row 21", "sides"),
    _fault("migrations", "CompleteWritesOld", "C9", "row 21, Resync", "sides"),
    _fault("migrations", "UnlockedWrites", "C8 C1 C9", "row 5", "sides"),
    _fault("migrations", "SideErrorSwallowed", "C8 C1 C4 C9", "row 3, Resync", "sides+cancel"),
    _fault("migrations", "PercentageNotWired", "C12 C9", "row 22", "sides"),
    _fault("hierarchies", "FailedDeleteKeepsName", "C4", "row 4"),
    _fault("hierarchies", "LateSetKeepsName", "C1", "row 3"),
    _fault("hierarchies", "CutOffSetKeepsName", "C1", "row 14", "cancel"),
    _fault("hierarchies", "OpenBreakerIsSuccess", "C4", "row 4"),
    _fault("hierarchies", "FillAfterClear", "C4", "row 2"),
    _fault("hierarchies", "FillRestartsTtl", "C2", "row 1"),
    _fault("hierarchies", "ReaderCancelPoisons", "C0", "row 14, async-lru#697", "cancel"),
    _fault("hierarchies", "JoinsAcrossClear", "C4", "row 2"),
)

DECOYS: tuple[Animal, ...] = (
    _decoy("plain", "PlainCache", "the reference"),
    _decoy("plain", "LoadingCache", "the reference with loads", "load"),
    _decoy("suspending", "RemoteCache", "suspends before and after each effect"),
    _decoy("suspending", "SlowCache", "takes 6 ms an operation"),
    _decoy("suspending", "FifoLockCache", "all operations wait in line"),
    _decoy("suspending", "SetThenExpireCache", "two steps under a lock, finished when cancelled", "cancel"),
    _decoy("suspending", "TwoTierCache", "near copies made only if nothing changed"),
    _decoy("suspending", "ShortNearCache", "near copies that end before their original"),
    _decoy("decoys", "RandomEvictionCache", "evicts by chance", "capacity"),
    _decoy("decoys", "JitterCache", "declares a jitter of the ttl"),
    _decoy("decoys", "StaleWhileRevalidateCache", "declares 2 s of staleness", "load"),
    _decoy("decoys", "AdmissionCache", "declares that it forgets"),
    _decoy("decoys", "LaggingReplicaCache", "declares weak consistency"),
    _decoy("decoys", "CallLaterCache", "timers and a look at the deadline", "stall"),
    _decoy("decoys", "HeapCache", "a heap with outdated items"),
    _decoy("decoys", "PickleCache", "answers copies"),
    _decoy("decoys", "ShardedClearCache", "clears key by key"),
    _decoy("decoys", "TimedeltaCache", "ttl as a timedelta, by keyword"),
    _decoy("decoys", "WriteBehindCache", "reads through its own buffer"),
    _decoy("decoys", "SynchronousCache", "no coroutines, other names"),
    _decoy("decoys", "MinimalCache", "get and set alone"),
    _decoy("unusual", "ManySweepersCache", "sixteen sweepers"),
    _decoy("unusual", "WrappingLoaderCache", "a loader's failure in its own words", "load"),
    _decoy("unusual", "UnheardLoadCache", "a load that fails unheard", "load+cancel"),
    _decoy("unusual", "QuietDeleteCache", "delete answers nothing"),
    _decoy("unusual", "KeywordLoadCache", "the ttl of a load by keyword", "load"),
    _decoy("unusual", "LoadWithoutTtlCache", "a load takes no ttl", "load"),
    _decoy("unusual", "UnseededEvictionCache", "never the same twice", "capacity"),
    _decoy("unusual", "ForgottenFlightsCache", "a write forgets a load", "load"),
    _decoy("unusual", "DoorkeeperCache", "declares that it forgets"),
    _decoy("unusual", "SmallByDefaultCache", "room for three", "capacity"),
    _decoy("late", "LateCache", "what was sent lands though its caller has gone", "cancel"),
    _decoy("faults/hierarchies", "Hierarchy", "the correct hierarchy over a far tier that is late"),
    _decoy("faults/migrations", "Migration", "the correct manager over two caches that suspend", "sides"),
)
