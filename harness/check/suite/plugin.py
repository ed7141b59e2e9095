"""The options of the suite, for pytest, which loads this wherever Cachegate is installed: so it imports little."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The cache that the suite is to check, and how."""
    group = parser.getgroup("cachegate", "the suite of cachegate (--pyargs harness.check.suite)")
    group.addoption("--cache", metavar="SPEC", help="check this cache: mypkg.mod:factory or 'file.py:factory?x=1'")
    group.addoption("--cache-budget", metavar="TIME", default="20s", help="explore for so long (default: 20s)")
    group.addoption("--cache-seed", metavar="N", type=int, default=0, help="of the schedules (default: 0)")
    group.addoption("--cache-strict", action="store_true", help="bad manners fail too")
