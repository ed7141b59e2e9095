"""`locust -f scenarios/load/load.py --host resp://127.0.0.1:6380`; what it asks is in load.toml."""

from harness.load.users import CacheUser


class LoadUser(CacheUser):
    """A user of load."""

    scenario = "load"
