"""Conformance: what a cache must do when nothing else goes on, a rule at a time.

A rule is an async function of a `Lab` that raises `Broken` with what it saw. *Law* is what a cache must keep: it lied,
lost, leaked, hung, or broke a bound or a counter that it publishes. *Manners* are advice, a failure only with
`--strict`. A new rule is a function with `@rule(...)` in the module of its subject.
"""

from __future__ import annotations

from harness.check.rules import arguments, bounds, entries, lifecycle, times
from harness.check.rules.rule import RULES, Broken, Rule

__all__ = ["RULES", "Broken", "Rule", "arguments", "bounds", "entries", "lifecycle", "times"]
