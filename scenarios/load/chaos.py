"""`locust -f scenarios/load/chaos.py --host resp://127.0.0.1:6380`; what it asks is in chaos.toml."""

from harness.load.users import CacheUser


class ChaosUser(CacheUser):
    """A user of chaos."""

    scenario = "chaos"
