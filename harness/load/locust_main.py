"""Locust, as `driver` starts it: everything is imported before it puts other folders in front of ours."""

from __future__ import annotations

from locust.main import main

import harness.load.users  # noqa: F401  # what a locustfile of ours imports

if __name__ == "__main__":
    main()  # type: ignore[no-untyped-call]  # locust has types, this function has none
