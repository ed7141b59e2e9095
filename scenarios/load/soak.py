"""`locust -f scenarios/load/soak.py --host resp://127.0.0.1:6380`; what it asks is in soak.toml."""

from harness.load.users import CacheUser


class SoakUser(CacheUser):
    """A user of soak."""

    scenario = "soak"
