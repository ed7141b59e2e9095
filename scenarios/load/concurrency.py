"""`locust -f scenarios/load/concurrency.py --host resp://127.0.0.1:6380`; what it asks is in concurrency.toml.

The web UI is at http://127.0.0.1:8089, for this machine alone unless --web-host says otherwise.
"""

from harness.load.users import CacheUser


class ConcurrencyUser(CacheUser):
    """A user of concurrency."""

    scenario = "concurrency"
