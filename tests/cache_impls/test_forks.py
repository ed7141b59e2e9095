"""Foreign code that forks: of two processes that come back one ends."""

from __future__ import annotations

import os

import pytest

from cache_impls.forks import Alone, CopiedError


def test_a_copy_that_comes_back_ends_and_the_original_says_so() -> None:
    """Otherwise both would go on, and everything behind the call would happen twice."""
    alone, me = Alone(), os.getpid()
    with pytest.raises(CopiedError, match="its copy goes on"):
        alone.call(os.fork)
    assert os.getpid() == me
    os.wait()


def test_a_child_that_ends_by_itself_is_nobodys_affair() -> None:
    """A worker, or a program that is run."""

    def with_a_worker() -> str:
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        return "made"

    assert Alone().call(with_a_worker) == "made"


def test_an_error_is_handed_on() -> None:
    """And nothing else is made of it."""
    with pytest.raises(ZeroDivisionError):
        Alone().call(lambda: 1 // 0)
