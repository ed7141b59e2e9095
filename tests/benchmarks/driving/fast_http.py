"""Locust's own fastest user, against an HTTP twin of the host."""

from __future__ import annotations

import random

import cost  # noqa: F401  # its listeners
from locust import FastHttpUser, task


class HttpUser(FastHttpUser):
    """Reads, and writes once in twenty, as `ycsb-b` does."""

    _value = "x" * 1_000

    @task
    def request(self) -> None:
        """One of them."""
        key = f"user{random.randrange(10_000):012d}"
        if random.random() < 0.05:
            self.client.put(f"/{key}", data=self._value, name="/key")
        else:
            self.client.get(f"/{key}", name="/key")
