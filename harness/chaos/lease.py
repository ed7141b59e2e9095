"""Leases: what is broken is told to the keeper before it is broken, with the time by which it is whole again."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import threading
from types import TracebackType

from harness.chaos.undo import Undo, perform
from harness.children import environment, python, start_process
from harness.errors import HarnessError

_END_SECONDS = 10.0


class Lease:
    """One thing that is broken."""

    def __init__(self, leases: Leases, number: int, undo: Undo) -> None:
        self._leases = leases
        self.number = number
        self.undo = undo

    def end(self) -> str | None:
        """Undo it, and say so; what went wrong, if anything. Once."""
        return self._leases.end(self)


class Leases:
    """Of one run. Use as a context: at its end nothing is left broken."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # faults may come from several threads at once
        self._held: dict[int, Lease] = {}
        self._keeper: subprocess.Popen[str] = start_process(
            python("harness.chaos.keeper"),
            env=environment(),
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # it outlives a signal to our group
        )

    def __enter__(self) -> Leases:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for problem in self.end_all():
            print(f"cachegate: {problem}", file=sys.stderr, flush=True)
        assert self._keeper.stdin is not None  # a pipe was asked for
        with contextlib.suppress(BrokenPipeError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()

    def take(self, undo: Undo, seconds: float) -> Lease:
        """Promise to undo this within so many seconds. Call it before it is done."""
        with self._lock:
            lease = Lease(self, next(self._numbers), undo)
            self._held[lease.number] = lease
            self._tell({"id": lease.number, "kind": undo.kind, "what": undo.what, "seconds": seconds})
        return lease

    def end(self, lease: Lease) -> str | None:
        """Undo what is held; nothing if it was."""
        with self._lock:
            if self._held.pop(lease.number, None) is None:
                return None
            problem = perform(lease.undo)
            self._tell({"id": lease.number})
        return problem

    def end_all(self) -> list[str]:
        """Undo all that is held, the last first; what went wrong."""
        with self._lock:
            held = list(self._held.values())
        problems = []
        for lease in reversed(held):
            try:
                problems.append(lease.end())
            except HarnessError as error:  # undone, and the keeper not told: it has died
                problems.append(str(error))
        return [problem for problem in problems if problem]

    def _tell(self, said: dict[str, object]) -> None:
        assert self._keeper.stdin is not None  # a pipe was asked for
        try:
            self._keeper.stdin.write(json.dumps(said) + "\n")
            self._keeper.stdin.flush()
        except BrokenPipeError:
            raise HarnessError("the keeper died, so nothing more may be broken; run it again") from None
