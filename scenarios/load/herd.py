"""`locust -f scenarios/load/herd.py --host resp://127.0.0.1:6380`; what it asks is in herd.toml.

The web UI is at http://127.0.0.1:8089, for this machine alone unless --web-host says otherwise.
"""

from harness.load.users import CacheUser


class HerdUser(CacheUser):
    """A user of herd."""

    scenario = "herd"
