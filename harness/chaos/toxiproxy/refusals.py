"""What the API refuses: a status and a sentence, in Toxiproxy's own words where it has some."""

from __future__ import annotations


class RefusedError(Exception):
    """An answer {"error": message, "status": status}."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def bad_body(why: str) -> RefusedError:
    """The body cannot be read."""
    return RefusedError(f"bad request body: {why}")


def missing(field: str) -> RefusedError:
    """A field has to be there."""
    return RefusedError(f"missing required field: {field}")


def internal(why: str) -> RefusedError:
    """What Toxiproxy has no status for."""
    return RefusedError(why, 500)


def proxy_not_found() -> RefusedError:
    """No proxy of that name."""
    return RefusedError("proxy not found", 404)


def proxy_exists() -> RefusedError:
    """A name is taken."""
    return RefusedError("proxy already exists", 409)


def toxic_not_found() -> RefusedError:
    """No toxic of that name."""
    return RefusedError("toxic not found", 404)


def toxic_exists() -> RefusedError:
    """A name is taken."""
    return RefusedError("toxic already exists", 409)


def invalid_stream() -> RefusedError:
    """A direction is one of two."""
    return RefusedError("stream was invalid, can be either upstream or downstream")


def invalid_type() -> RefusedError:
    """No such kind."""
    return RefusedError("invalid toxic type")
