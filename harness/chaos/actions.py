"""What an experiment's method may do: `provider: {type: python, module: harness.chaos.actions, func: cut}`.

Each breaks something for some seconds and makes it whole again before it returns, so an experiment that ends early
leaves nothing broken; `background: true` lets several overlap. Each returns what was seen of it, for the journal.
"""

from __future__ import annotations

from typing import Literal, get_args

from harness.chaos.faults.container import Container
from harness.chaos.faults.emptying import Flush, MassExpiry
from harness.chaos.faults.inside import Stall, WallStep
from harness.chaos.faults.memory import Ballast, Limit
from harness.chaos.faults.network import Cut, Toxic
from harness.chaos.faults.process import Pause, Restart
from harness.chaos.plan import NEEDS
from harness.chaos.run import current
from harness.chaos.topology import Link, memory_bound_bytes
from harness.errors import UsageError
from harness.measure.generate import draw
from harness.measure.workload import parse

_MEGABYTE = 1_000_000
LinkName = Literal["clients", "second-tier"]
LINKS = get_args(LinkName)
Part = Literal["host", "second_tier"]


def cut(
    link: LinkName = "clients", direction: Literal["both", "to", "from"] = "both",
    how: Literal["swallow", "refuse"] = "swallow", seconds: float = 2.0,
) -> str:  # fmt: skip
    """Let nothing pass on a link: both ways, on the way to the server, or on the way from it."""
    return current().inflict(Cut(_link(link), direction, how), seconds)


def toxic(
    kind: str, link: LinkName = "clients", stream: Literal["upstream", "downstream"] = "downstream",
    toxicity: float = 1.0, attributes: dict[str, int] | None = None, seconds: float = 2.0,
) -> str:  # fmt: skip
    """Put one of Toxiproxy's toxics on a link."""
    return current().inflict(Toxic(_link(link), kind, stream, toxicity, attributes or {}), seconds)


def pause(of: Part = "host", seconds: float = 1.0) -> str:
    """Stop a process (SIGSTOP), and let it go on."""
    return current().inflict(Pause(current().topology, of), seconds)


def restart(of: Part = "host", how: Literal["TERM", "KILL"] = "TERM", away_seconds: float = 0.5) -> str:
    """End a process, and start it anew after a while."""
    return current().inflict(Restart(current().topology, of, how), away_seconds)


def stall(seconds: float = 1.0, of: Part = "host") -> str:
    """Block the event loop of a host."""
    return current().inflict(Stall(current().topology, seconds, of), seconds)


def step_clock(by_seconds: float, seconds: float = 2.0) -> str:
    """Set the host's wall clock wrong."""
    return current().inflict(WallStep(current().topology, by_seconds), seconds)


def limit_memory(headroom_mb: float = 0.0, seconds: float = 2.0) -> str:
    """Give the host so much more memory than it has, and no more; negative: less than it has."""
    return current().inflict(Limit(current().topology, round(headroom_mb * _MEGABYTE)), seconds)


def ballast(mb: float, fragmented: bool = False, seconds: float = 2.0) -> str:  # by name, in a file
    """Let the host hold so much more memory."""
    return current().inflict(Ballast(current().topology, round(mb * _MEGABYTE), fragmented=fragmented), seconds)


def limit_container(times_bound: float = 1.5, extra_mb: float = 32.0, seconds: float = 6.0) -> str:
    """Put the host into a container made for its cache's own bound on memory, so many times, and some more."""
    topology = current().topology
    bound = memory_bound_bytes(topology.text)
    if bound is None:
        raise UsageError(f"{topology.text}: {NEEDS['memory_bound']}")
    sizes = draw(parse(current().plan.load.workload), 1_000).size
    size = round(bound * times_bound + extra_mb * _MEGABYTE)
    return current().inflict(Container(topology, size, round(float(sizes.mean()))), seconds)


def flush(seconds: float = 1.0) -> str:
    """Remove everything from the cache, at once; for so long it counts as cold."""
    run = current()
    return run.inflict(Flush(run.topology, run.rows), seconds)


def expire_all(ttl_seconds: float = 1.0, seconds: float = 1.0) -> str:
    """Write every key so that all expire in the same instant; for so long after that the cache counts as cold."""
    run = current()
    return run.inflict(MassExpiry(run.topology, run.rows, run.plan.load.workload, ttl_seconds), ttl_seconds + seconds)


def heal() -> str:
    """Make whole whatever is broken still."""
    problems = current().nemesis.stop()
    return "; ".join(problems) or "nothing is broken"


def _link(name: LinkName) -> Link:
    topology = current().topology
    if name == "clients":
        return topology.client
    if topology.tier is not None and name in LINKS:
        return topology.tier
    raise UsageError(f"there is no link {name!r} here")
