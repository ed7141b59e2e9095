"""One suite for every Toxiproxy: against the embedded server, and a real one where there is one.

Where the embedded server means to differ the test says so, and does not ask the real one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from wires import Api, Upstream

from harness.chaos.proxy_server import PROGRAM, embedded, installed, named

URL = os.environ.get("TOXIPROXY_URL")
REAL = URL is not None or shutil.which(PROGRAM) is not None


@pytest.fixture(scope="module", params=["embedded", "real"] if REAL else ["embedded"])
def served(request: pytest.FixtureRequest) -> Iterator[Api]:
    """A server."""
    with ExitStack() as ending:
        if request.param == "embedded":
            server = ending.enter_context(embedded(seed=1))
            yield Api(server.url, server.token)
        elif URL is not None:
            yield Api(URL, named(URL).token)
        else:
            yield Api(ending.enter_context(installed()).url)


@pytest.fixture
def api(served: Api) -> Iterator[Api]:
    """The server with no proxies."""
    served.clear()
    yield served
    served.clear()


@pytest.fixture
def ours(api: Api, request: pytest.FixtureRequest) -> Api:
    """The embedded server alone."""
    if request.node.callspec.params["served"] != "embedded":
        pytest.skip("a fact of the embedded server")
    return api


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server behind the proxy."""
    found = Upstream()
    yield found
    found.close()


@pytest.fixture
def real_server() -> None:
    """Skips, aloud, where there is none."""
    if not REAL:
        pytest.skip(f"no real Toxiproxy: TOXIPROXY_URL is not set and {PROGRAM} is not on the PATH")
