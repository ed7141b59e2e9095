"""Turns: the trials of a pair take turns of a few milliseconds, so both see the same machine.

A shared machine is fast for a while and slow for a while. Whole trials one after the other land in
different whiles; turns of some batches, in an order drawn anew for each round, put both arms into each.
Every trial is still a fresh process. Only one works at a time: the others wait for a byte on a pipe.

`TurnTaker` runs in the trial child. Whose turn it is was drawn by the parent (`pairs.draw_turns`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator


class TurnTaker:
    """Member me of a ring: `take` yields once for each of its turns, when the turn has come.

    read_fd is me's own pipe; write_fds are all members' pipes. A closed pipe raises EOFError: another
    member has died.
    """

    def __init__(self, me: int, turns: list[int], read_fd: int, write_fds: list[int], limit_seconds: float) -> None:
        self._me = me
        self._limit_seconds = limit_seconds
        self._turns = turns
        self._read_fd = read_fd
        self._write_fds = write_fds

    def take(self) -> Iterator[int]:
        """The number of each of my turns, from 0; starts when all are ready and ends when all are done."""
        turns, me = self._turns, self._me
        others = [member for member in range(len(self._write_fds)) if member != me]
        if turns[0] == me:
            for _ in others:
                self._wait()
        else:
            self.ready()
        mine = 0
        for position, member in enumerate(turns):
            if member != me:
                continue
            if position and turns[position - 1] != me:
                self._wait()
            yield mine
            mine += 1
            following = turns[position + 1] if position + 1 < len(turns) else None
            if following is not None and following != me:
                self._wake(following)
        if turns[-1] == me:
            for member in set(turns) - {me}:
                self._wake(member)
        else:
            self._wait()

    def ready(self) -> None:
        """Tell who begins that I am ready. All that a member without turns has to say."""
        self._wake(self._turns[0])

    def _wait(self) -> None:
        # Only the member that works is short of time, so it is the one that a hang ends.
        patience = self._limit_seconds * (len(self._write_fds) + 1)
        signal.setitimer(signal.ITIMER_REAL, patience)
        if not os.read(self._read_fd, 1):
            raise EOFError("another trial of the ring has ended")
        signal.setitimer(signal.ITIMER_REAL, self._limit_seconds)

    def _wake(self, member: int) -> None:
        os.write(self._write_fds[member], b".")
