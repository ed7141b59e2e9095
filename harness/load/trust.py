"""Who speaks: the processes of a run of `cachegate` share a secret, which its settings tell and no command line shows.

Whoever can reach the master's port, or bind it first, is another user of the machine. What a process sends has the
proof of its part in the run: an impostor that was told one part's proof cannot speak as the other. No locust here.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import Any

from harness.errors import UsageError

_log = logging.getLogger("cachegate")
PROOF = "cachegate_proof"
"""Where it stands in what is sent."""
MASTER, WORKER = "master", "worker"
"""The parts."""


class ImpostorError(UsageError):
    """Orders came from somebody who is not of this run."""


class Trust:
    """Of one process. secret: the run's; empty for plain locust, which takes whatever reaches it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._told: set[str] = set()
        """Kinds of message of which one was dropped: an impostor does not fill the log."""

    def sealed(self, part: str, message: dict[str, Any]) -> dict[str, Any]:
        """A message with the proof that this part sends it."""
        return message | {PROOF: self._proof(part)}

    def holds(self, part: str, message: object) -> bool:
        """Whether a message, of whatever type, has the proof of this part."""
        if not self._secret:
            return True
        given = message.get(PROOF) if isinstance(message, dict) else None
        return isinstance(given, str) and hmac.compare_digest(given.encode(), self._proof(part).encode())

    def drop(self, kind: str) -> None:
        """Say, once for each kind of message, that one of a stranger is left out."""
        if kind not in self._told:
            self._told.add(kind)
            _log.error("somebody who is not of this run sent %s: it is left out", kind)

    def _proof(self, part: str) -> str:
        return hmac.new(self._secret.encode(), part.encode(), hashlib.sha256).hexdigest() if self._secret else ""
