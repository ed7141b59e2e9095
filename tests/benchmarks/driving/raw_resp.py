"""Our own user, as a locustfile has it."""

import cost  # noqa: F401  # its listeners

from harness.load.users import CacheUser


class RawUser(CacheUser):
    """Of the scenario `stress`."""

    scenario = "stress"
