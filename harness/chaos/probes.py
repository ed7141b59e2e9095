"""What an experiment's hypothesis may ask: `provider: {type: python, module: harness.chaos.probes, func: served}`."""

from __future__ import annotations

import time

from harness.chaos.run import current
from harness.gate.policy import CHAOS_TIMELY_SECONDS
from harness.load.connection import BrokenError, command, connect

_REQUESTS = 50
_GAP_SECONDS = 0.005
_KEY = b"cachegate:nobody-writes-this"


def served() -> float:
    """The share of some requests on a connection of our own, through the proxy, that are answered in time."""
    good = 0
    try:
        connection = connect(current().topology.client.url, timeout_seconds=CHAOS_TIMELY_SECONDS)
    except BrokenError:
        return 0.0
    try:
        for _ in range(_REQUESTS):
            began = time.monotonic()
            answer = connection.call(command(b"GET", _KEY))
            good += answer is None and time.monotonic() - began <= CHAOS_TIMELY_SECONDS
            time.sleep(_GAP_SECONDS)
    except BrokenError:
        return good / _REQUESTS
    finally:
        connection.close()
    return good / _REQUESTS
