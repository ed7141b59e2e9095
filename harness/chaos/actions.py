"""What an experiment's method may do: `provider: {type: python, module: harness.chaos.actions, func: cut}`.

Each breaks something for some seconds and makes it whole again before it returns, so an experiment that ends early
leaves nothing broken; `background: true` lets several overlap. Each returns what was seen of it, for the journal.
What an action needs is said here (`needs`), whatever a file says: nobody's server is broken but ours.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.chaos.faults.container import Container
from harness.chaos.faults.emptying import Flush, MassExpiry
from harness.chaos.faults.inside import Stall, WallStep
from harness.chaos.faults.memory import Ballast, Limit
from harness.chaos.faults.network import Cut, Toxic
from harness.chaos.faults.process import Pause, Restart
from harness.chaos.nemesis import Fault
from harness.chaos.plan import NEEDS, Need
from harness.chaos.run import current
from harness.chaos.topology import Link, memory_bound_bytes, missing
from harness.errors import UsageError
from harness.measure.generate import draw
from harness.measure.workload import parse

_MEGABYTE = 1_000_000
Seconds = Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]
LinkName = Literal["clients", "second-tier"]
Part = Literal["host", "second_tier"]
Kind = Literal["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"]


def cut(
    link: LinkName = "clients", direction: Literal["both", "to", "from"] = "both",
    how: Literal["swallow", "refuse"] = "swallow", seconds: Seconds = 2.0,
) -> str:  # fmt: skip
    """Let nothing pass on a link: both ways, on the way to the server, or on the way from it."""
    return _inflict(Cut(_link(link), direction, how), seconds)


def toxic(
    kind: Kind, link: LinkName = "clients", stream: Literal["upstream", "downstream"] = "downstream",
    toxicity: Annotated[float, Field(ge=0, le=1)] = 1.0, attributes: dict[str, int] | None = None,
    seconds: Seconds = 2.0,
) -> str:  # fmt: skip
    """Put one of Toxiproxy's toxics on a link."""
    return _inflict(Toxic(_link(link), kind, stream, toxicity, attributes or {}), seconds)


def pause(of: Part = "host", seconds: Seconds = 1.0) -> str:
    """Stop a process (SIGSTOP), and let it go on."""
    _may(_process(of))
    return _inflict(Pause(current().topology, of), seconds)


def restart(of: Part = "host", how: Literal["TERM", "KILL"] = "TERM", away_seconds: Seconds = 0.5) -> str:
    """End a process, and start it anew after a while."""
    _may(_process(of))
    return _inflict(Restart(current().topology, of, how, current().rows), away_seconds)


def stall(seconds: Annotated[float, Field(ge=0.5, le=20)] = 1.0, of: Part = "host") -> str:
    """Block the event loop of a host."""
    _may(_process(of))
    return _inflict(Stall(current().topology, seconds, of), seconds)


def step_clock(by_seconds: Annotated[float, Field(allow_inf_nan=False)], seconds: Seconds = 2.0) -> str:
    """Set the host's wall clock wrong."""
    _may("own_host")
    return _inflict(WallStep(current().topology, by_seconds), seconds)


def limit_memory(headroom_mb: Annotated[float, Field(ge=-1_000, le=1_000)] = 0.0, seconds: Seconds = 2.0) -> str:
    """Give the host so much more memory than it has, and no more; negative: less than it has."""
    _may("own_process")
    return _inflict(Limit(current().topology, round(headroom_mb * _MEGABYTE)), seconds)


def ballast(
    mb: Annotated[float, Field(ge=5, le=1_000)],
    fragmented: bool = False,  # by name, in a file
    seconds: Seconds = 2.0,
) -> str:
    """Let the host hold so much more memory."""
    _may("own_host")
    return _inflict(Ballast(current().topology, round(mb * _MEGABYTE), fragmented=fragmented), seconds)


def limit_container(
    times_bound: Annotated[float, Field(gt=0, le=100)] = 1.5, extra_mb: Annotated[float, Field(ge=0)] = 32.0,
    seconds: Seconds = 6.0,
) -> str:  # fmt: skip
    """Put the host into a container made for its cache's own bound on memory, so many times, and some more."""
    _may("own_process", "memory_bound", "container")
    run = current()
    bound = memory_bound_bytes(run.topology.text)
    assert bound is not None  # it is needed, as said above
    sizes = draw(parse(run.plan.load.workload), 1_000).size
    size = round(bound * times_bound + extra_mb * _MEGABYTE)
    return _inflict(Container(run.topology, size, round(float(sizes.mean()))), seconds)


def flush(seconds: Seconds = 1.0) -> str:
    """Remove everything from the cache, at once; for so long it counts as cold."""
    _may("own_process")
    run = current()
    return _inflict(Flush(run.topology, run.rows), seconds)


def expire_all(ttl_seconds: Annotated[float, Field(ge=0.05, le=30)] = 1.0, seconds: Seconds = 1.0) -> str:
    """Write every key so that all expire in the same instant; for so long after that the cache counts as cold."""
    _may("own_process")
    run = current()
    fault = MassExpiry(run.topology, run.rows, run.next_tag, run.plan.load.workload, ttl_seconds)
    return _inflict(fault, ttl_seconds + seconds)


def heal() -> str:
    """Make whole whatever is broken still."""
    problems = current().nemesis.heal()
    return "; ".join(problems) or "nothing is broken"


def needs(action: str, arguments: dict[str, object]) -> set[Need]:
    """What an action of a file needs, to be refused where that is not there."""
    found: set[Need] = set()
    of, link = arguments.get("of", "host"), arguments.get("link", "clients")
    if link == "second-tier":
        found.add("second_tier")
    if action in ("pause", "restart", "stall"):
        found.add(_process("host" if of == "host" else "second_tier"))
    return found | _NEEDS.get(action, set())


_NEEDS: dict[str, set[Need]] = {
    "step_clock": {"own_host"},
    "ballast": {"own_host"},
    "limit_memory": {"own_process"},
    "limit_container": {"own_process", "memory_bound", "container"},
    "flush": {"own_process"},
    "expire_all": {"own_process"},
}
ACTIONS = {
    each.__name__: each
    for each in (
        cut, toxic, pause, restart, stall, step_clock, limit_memory, ballast, limit_container, flush, expire_all, heal,
    )
}  # fmt: skip


def _process(of: Part) -> Need:
    return "own_process" if of == "host" else "own_second_tier"


def _may(*wanted: Need) -> None:
    """Raise UsageError for what must not, or cannot, be broken here."""
    lacks = missing(current().topology.text)
    for need in wanted:
        if need in lacks:
            raise UsageError(f"{current().topology.text}: {NEEDS[need]}")


def _inflict(fault: Fault, seconds: float) -> str:
    return current().inflict(fault, seconds)


def _link(name: LinkName) -> Link:
    topology = current().topology
    if name == "clients":
        return topology.client
    if topology.tier is None:
        raise UsageError(f"{topology.text}: {NEEDS['second_tier']}")
    return topology.tier
