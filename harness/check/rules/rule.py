"""What a rule is, and the table of all."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from cache_impls.protocol import Capability, Promises

if TYPE_CHECKING:
    from harness.check.rules.lab import Lab

Body = Callable[["Lab"], Awaitable[None]]


class Kind(enum.StrEnum):
    """What it means to break a rule."""

    LAW = "law"
    MANNERS = "manners"


class Broken(Exception):  # noqa: N818  # a rule is broken; nothing failed here
    """The cache does not keep the rule: the message says what was seen."""


class NotApplicable(Exception):  # noqa: N818  # as above
    """The rule says nothing about this cache: the message says why."""


class Rule(NamedTuple):
    """One rule."""

    id: str
    kind: Kind
    sentence: str
    body: Body
    needs: Capability = Capability(0)
    timed: bool = False
    """Whether time has to pass for it."""
    simulated: bool = False
    """Whether it needs the simulated loop, to look into it."""
    declared: str = ""
    """Promises, any of which, declared, takes the cache out of this rule."""

    def applies(self, capabilities: Capability, promises: Promises) -> str | None:
        """Why the rule says nothing about a cache, or None."""
        missing = self.needs & ~capabilities
        if missing:
            names = ", ".join(flag.name.lower() for flag in Capability if flag in missing and flag.name)
            return f"the cache has no {names}"
        for name in self.declared.split():
            if getattr(promises, name):
                return f"the cache declares {name}={getattr(promises, name)}"
        return None


RULES: list[Rule] = []
"""In the order in which they are told."""


def rule(identity: str, kind: Kind, sentence: str, **more: Any) -> Callable[[Body], Body]:
    """Register a rule."""

    def register(body: Body) -> Body:
        RULES.append(Rule(identity, kind, sentence, body, **more))
        return body

    return register


def expect(held: object, message: str) -> None:
    """Raise Broken with message unless held."""
    if not held:
        raise Broken(message)
