"""A user with redis-py and its C parser, as the documentation of locust has it: each request is timed and told."""

from __future__ import annotations

import random
import time

import cost  # noqa: F401  # its listeners
import redis
from locust import User, task


class RedisUser(User):
    """Reads, and writes once in twenty, as `ycsb-b` does."""

    def on_start(self) -> None:
        """Connect."""
        self._client = redis.Redis.from_url((self.host or "").replace("resp://", "redis://"))
        self._value = b"x" * 1_000

    @task
    def request(self) -> None:
        """One of them."""
        key = f"user{random.randrange(10_000):012d}"
        began = time.perf_counter()
        if random.random() < 0.05:
            name, length = "SET", 0
            self._client.set(key, self._value, px=3_600_000)
        else:
            name, length = "GET", len(self._client.get(key) or b"")
        self.environment.events.request.fire(
            request_type=name,
            name="redis-py",
            response_time=1e3 * (time.perf_counter() - began),
            response_length=length,
            exception=None,
            context={},
        )
