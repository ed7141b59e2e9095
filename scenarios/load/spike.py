"""`locust -f scenarios/load/spike.py --host resp://127.0.0.1:6380`; what it asks is in spike.toml.

The web UI is at http://127.0.0.1:8089, for this machine alone unless --web-host says otherwise.
"""

from harness.load.users import CacheUser


class SpikeUser(CacheUser):
    """A user of spike."""

    scenario = "spike"
