"""Credentials: found in what a user wrote, and masked in every spelling in which they come back."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from harness import masking
from harness.documents import WarningResult

SECRET = 'S3cr&t "wörd" /?@<x>'  # noqa: S105  # of nothing


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    masking.forget()
    yield
    masking.forget()


@pytest.mark.parametrize(
    "text",
    [
        f"valkey://:{quote(SECRET, safe='')}@127.0.0.1:6379/0",
        f"redis://user:{quote(SECRET, safe='')}@host/0",
        f"mypkg.mod:make?password={quote(SECRET, safe='')}&x=1",
        f"mypkg.mod:make?api_key={quote(SECRET, safe='')}",
        f"hierarchy?l2={quote('valkey://:' + quote(SECRET, safe='') + '@h:1/0', safe='')}",
        "migration?new="
        + quote("hierarchy?l2=" + quote("valkey://:" + quote(SECRET, safe="") + "@h:1/0", safe=""), safe=""),
        f"mypkg.mod:make?dsn={quote('postgres://me:' + quote(SECRET, safe='') + '@h/db', safe='')}",
    ],
)
def test_a_credential_is_found_wherever_it_stands(text: str) -> None:
    """In a URL, in a parameter that is called one, in a spec within a spec; and no spelling of it stays."""
    masking.learn(text)
    encoded = quote(SECRET, safe="")
    spellings = [SECRET, encoded, quote(encoded, safe=""), json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1]]
    spellings += [html.escape(SECRET), text]
    for spelling in spellings:
        told = masking.mask(f"before {spelling} after")
        assert "S3cr" not in told
        assert told.startswith("before ")
        assert told.endswith(" after")


def test_a_password_that_is_not_encoded_as_it_should_be() -> None:
    """Whoever writes a slash or an at sign into it has it masked all the same, in what a parser says of it too."""
    masking.learn("redis://:pa/ss@wo@host:6379/0")
    told = masking.mask("Port could not be cast to integer value as 'pa' in redis://:pa/ss@wo@host:6379/0")
    assert "ss@wo" not in told


def test_a_short_one_is_masked_in_its_place_alone() -> None:
    """It stands in ordinary words too."""
    masking.learn("valkey://:on@host:1/0")
    masking.learn("make?token=on")
    assert masking.mask("connection to valkey://:on@host:1/0") == "connection to valkey://:***@host:1/0"
    assert masking.mask("make?token=on is on") == "make?token=*** is on"


def test_the_name_of_a_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it stands for is."""
    monkeypatch.setenv("CACHE_PW", "hidden-in-the-environment")
    masking.learn("valkey://:${CACHE_PW}@host:1/0")
    assert masking.mask("valkey://:${CACHE_PW}@host:1/0") == "valkey://:${CACHE_PW}@host:1/0"
    assert masking.mask("AUTH hidden-in-the-environment") == "AUTH ***"


@pytest.mark.parametrize("text", ["improved?num_shards=32", "trace:web07.trace.xz", "http://host:80/a", "a=b@c:d"])
def test_what_is_no_credential_is_left_alone(text: str) -> None:
    """Nothing is learned of it."""
    masking.learn(text)
    assert not masking.active()


def test_documents_mask_themselves() -> None:
    """In texts, in lists, and as values of parameters that are no texts."""
    masking.learn("make?password=longenough&pin_token=123456")
    told = WarningResult(message="make?password=longenough", remedy="use longenough")
    assert told.model_dump() == {"message": "make?password=***", "remedy": "use ***"}
    assert told.model_copy(update={"remedy": "use longenough"}) == told
    plain = {"parameters": {"pin_token": 123456, "size": 123}, "arms": ("x longenough", ["longenough"])}
    assert masking.masked(plain) == {"parameters": {"pin_token": "***", "size": 123}, "arms": ("x ***", ["***"])}
