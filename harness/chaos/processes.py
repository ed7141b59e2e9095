"""Which process a number means: numbers come again, and when a process began does not."""

from __future__ import annotations

from pathlib import Path


def start_ticks(pid: int) -> int:
    """When a process began, in the system's clock ticks since it booted: a step of the wall clock changes nothing.

    Raises ProcessLookupError for a process that is gone.
    """
    try:
        told = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        raise ProcessLookupError(f"there is no process {pid}") from None
    return started(told)


def started(told: bytes) -> int:
    """The start time in a line of /proc/PID/stat, its field 22; field 2 is a name in parentheses that may hold any."""
    return int(told[told.rindex(b")") + 1 :].split()[22 - 3])
