"""The keeper: a process that ends what a run has broken, if the run dies or forgets.

It reads from standard input, a line of JSON each: `{"id": 1, "kind": ..., "what": {...}, "seconds": 5}` before
something is broken, `{"id": 1}` when that is undone. What is not undone in its time it undoes itself; when its
input ends, however its owner died, it undoes all that is left, the last first, and ends.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import time

from harness.chaos.undo import Undo, perform

_CHUNK = 64 * 1024


class Keeper:
    """What is broken now, with the time by which it must be whole again."""

    def __init__(self) -> None:
        self._broken: dict[int, tuple[Undo, float]] = {}

    def hear(self, line: str, now: float) -> None:
        """One line of the owner's."""
        said = json.loads(line)
        if "kind" in said:
            self._broken[said["id"]] = (Undo(said["kind"], said["what"]), now + said["seconds"])
        else:
            self._broken.pop(said["id"], None)

    def next_due(self) -> float | None:
        """When it has to look again."""
        return min((due for _, due in self._broken.values()), default=None)

    def end_overdue(self, now: float) -> list[str]:
        """Undo what has lasted too long; what went wrong."""
        return self._end([number for number, (_, due) in self._broken.items() if due <= now])

    def end_all(self) -> list[str]:
        """Undo what is left; what went wrong."""
        return self._end(list(self._broken))

    def _end(self, numbers: list[int]) -> list[str]:
        problems = [perform(self._broken.pop(number)[0]) for number in sorted(numbers, reverse=True)]
        return [problem for problem in problems if problem]


def main() -> int:
    """Keep until the owner is gone."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # it ends when its owner does, not before
    keeper, rest = Keeper(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        while True:
            due = keeper.next_due()
            heard = selector.select(None if due is None else max(0.0, due - time.monotonic()))
            problems = keeper.end_overdue(time.monotonic())
            if heard:
                chunk = os.read(0, _CHUNK)
                if not chunk:
                    break
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    keeper.hear(line.decode(), time.monotonic())
            for problem in problems:
                print(problem, file=sys.stderr, flush=True)
    for problem in keeper.end_all():
        print(problem, file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
