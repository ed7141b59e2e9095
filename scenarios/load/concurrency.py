"""`locust -f scenarios/load/concurrency.py --host resp://127.0.0.1:6380`; what it asks is in concurrency.toml."""

from harness.load.users import CacheUser


class ConcurrencyUser(CacheUser):
    """A user of concurrency."""

    scenario = "concurrency"
