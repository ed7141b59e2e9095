"""A tier that may be slow, wrong or away, and never costs its caller more than a bounded wait: timeout, bound, breaker.

Rules:
1. `ask` raises nothing of the tier's: it answers what became of the request, and the failure is counted.
2. It takes at most the timeout, the wait for a free place included. Of a request that had no place in time, or that the
   breaker held back, or of which the tier says so (`TierError.sent`), it is known that it was never sent.
3. A cancelled request says nothing of the tier.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, NamedTuple

from cache_impls.breaker import Breaker
from cache_impls.dialects import Adapted
from cache_impls.names import Outcome


class TierError(Exception):
    """A tier's failure that says what is known of the request."""

    def __init__(self, text: str, *, sent: bool, outage: bool = True, forged: bool = False) -> None:
        super().__init__(text)
        self.sent = sent
        """False if the request surely never left."""
        self.outage = outage
        """False if the tier is well, and the value cannot be stored or read."""
        self.forged = forged
        """True if somebody else wrote what was read."""


class Reply(NamedTuple):
    """What became of a request; the answer of one that was done."""

    outcome: Outcome
    answer: Any = None


class Far:
    """A tier behind a timeout, a bound on the requests under way, and a breaker. Its failures go into counts."""

    def __init__(self, tier: Adapted, *, timeout: float, places: int, breaker: Breaker, counts: Counter[str]) -> None:
        self.tier = tier
        self.breaker = breaker
        self._timeout = timeout
        self._places = places
        self._counts = counts
        self._free = asyncio.Semaphore(places)

    def follow(self) -> None:
        """Begin anew on another event loop: what was under way ended with the one before, and so did its clock."""
        self.breaker.reset()
        self._free = asyncio.Semaphore(self._places)

    async def ask(self, operation: str, *arguments: Any) -> Reply:
        """Ask for one operation."""
        loop = asyncio.get_running_loop()
        era = self.breaker.enter(loop.time())
        if era is None:
            self._counts["l2_skipped"] += 1
            return Reply(Outcome.NEVER_SENT)
        outcome, well = Outcome.NEVER_SENT, None
        try:
            async with asyncio.timeout(self._timeout), self._free:
                outcome = Outcome.UNKNOWN
                answer = await getattr(self.tier, operation)(*arguments)
        except TimeoutError:
            well = False
            self._counts["l2_timeouts"] += 1
            return Reply(outcome)
        except Exception as error:  # counted: whatever a tier raises must not fail its caller
            sent, outage = (error.sent, error.outage) if isinstance(error, TierError) else (True, True)
            well = False if outage else None
            forged = isinstance(error, TierError) and error.forged
            self._counts["l2_forged" if forged else "l2_errors"] += 1
            return Reply(Outcome.UNKNOWN if sent else Outcome.NEVER_SENT)
        else:
            well = True
            return Reply(Outcome.DONE, answer)
        finally:
            self.breaker.leave(era, loop.time(), well=well)
