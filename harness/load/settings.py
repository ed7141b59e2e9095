"""What a run of locust is told at its start. Nothing that comes later, from a web form or a worker, changes it.

`cachegate` writes it to a file that its user alone can read, because every user of a machine can read command lines;
plain locust reads it from its options. No locust here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from harness.errors import UsageError
from harness.measure.workload import TRACE_PREFIX

SETTINGS = "CACHEGATE_SETTINGS"
"""The variable that names, to locust's processes, the file in which `cachegate` tells them their settings."""
PASSWORD = "CACHEGATE_PASSWORD"  # noqa: S105  # a variable's name
"""The variable with the password for hosts whose URLs have none. It goes to no host that the command line lacks."""
DEFAULT_HOST = "resp://127.0.0.1:6380"
CHOICES = ("workload", "rate", "seed", "one_in", "turn_seconds")
"""The fields that a web form may change before a test starts, as it may the hosts."""
OPTIONS = {"prefix": "key_prefix", "folder": "history_folder", "one_in": "history_one_in"} | {
    "result": "cachegate_result",
    "seconds": "cachegate_seconds",
}
"""Option of locust by field, where their names differ."""

_NO_OPTIONS = ("hosts", "secret")
"""Fields that are not read as an option of their name."""


class Settings(BaseModel):
    """All that is not locust's own. What names a file stands here alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    hosts: tuple[str, ...] = Field(min_length=1)
    """URLs. They may hold passwords, so they are neither printed nor sent to other processes."""
    workload: str = ""
    """A preset or trace:FILE; empty: the scenario's."""
    rate: Annotated[FiniteFloat, Field(ge=0)] | None = None
    """Requests a second of all processes, in open phases; None: the scenario's."""
    seed: int = 1
    one_in: Annotated[int, Field(ge=0)] = 1
    """The history of one key in so many is kept; 0 for none."""
    turn_seconds: Annotated[FiniteFloat, Field(gt=0)] = 0.25
    """How long each of two hosts is asked before the other."""
    prefix: str = ""
    """Of every key."""
    folder: str | None = None
    """Where each process leaves its history."""
    result: str | None = None
    """The file for what was measured."""
    seconds: Annotated[FiniteFloat, Field(gt=0)] | None = None
    """Of all phases together: the run ends when they have."""
    secret: str = Field(default="", repr=False)
    """By which the processes of a run of `cachegate` know each other; empty: whoever reaches them is believed."""

    def write(self, path: Path) -> None:
        """Write them to a new file that its owner alone can read."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(self.model_dump_json())

    @property
    def public_hosts(self) -> str:
        """The hosts without their passwords, as locust shows and sends them."""
        return ",".join(map(public, self.hosts))

    def full(self, url: str) -> str:
        """The URL of a host with the password that was told for it, if one was."""
        return next((host for host in self.hosts if public(host) == url), url)

    def hide(self, message: str) -> str:
        """A message without the passwords of these hosts."""
        for host in self.hosts:
            if host != public(host):
                secret = host.partition("://")[2].rpartition("@")[0]
                message = message.replace(f"{secret}@", "").replace(repr(secret)[1:-1] + "@", "")
        return message

    def chosen(self, options: Any, hosts: str | None) -> Settings:
        """These settings with what a web form has chosen since: hosts, and the fields of CHOICES in locust's options.

        Raises UsageError for a value that cannot be, and for a file that was not named at the start.
        """
        choices = _read(options, CHOICES)
        if not self.reads(choices.get("workload", "")):
            raise UsageError("a web form chooses among presets; name a file when locust starts, with --workload")
        if hosts:
            choices["hosts"] = tuple(self.full(url) for url in hosts.split(","))
        kept = self.model_dump(exclude=set(CHOICES))
        return _validated(kept | choices)

    def reads(self, workload: str) -> bool:
        """Whether a workload names no file, or exactly the one that was named at the start."""
        return workload == self.workload or not workload.startswith(TRACE_PREFIX)

    def show(self, environment: Any) -> None:
        """Put what can be seen and chosen in a web form where locust has it, without passwords."""
        options = environment.parsed_options
        if environment.host or SETTINGS in os.environ:
            environment.host = options.host = self.public_hosts
        for field in CHOICES:
            setattr(options, OPTIONS.get(field, field), getattr(self, field))


def public(url: str) -> str:
    """A URL without its user and password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def settings(options: Any, environ: Mapping[str, str]) -> Settings:
    """What this process was told: in the file of `cachegate` if there is one, else by locust's options.

    Raises UsageError.
    """
    if SETTINGS in environ:
        try:
            return Settings.model_validate_json(Path(environ[SETTINGS]).read_bytes())
        except (OSError, ValidationError) as error:
            raise UsageError(f"the file that {SETTINGS} names has no settings; unset it") from error
    password = environ.get(PASSWORD, "")
    hosts = tuple(_with_password(url, password) for url in (options.host or DEFAULT_HOST).split(","))
    fields = tuple(field for field in Settings.model_fields if field not in _NO_OPTIONS)
    return _validated(_read(options, fields) | {"hosts": hosts})


def _with_password(url: str, password: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}:{quote(password, safe='')}@{rest}" if password and url == public(url) else url


def _read(options: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    """The options of these fields that have a value: a web form sends an empty text for None."""
    named = {field: getattr(options, OPTIONS.get(field, field), None) for field in fields}
    return {field: value for field, value in named.items() if value not in (None, "")}


def _validated(fields: dict[str, Any]) -> Settings:
    try:
        return Settings.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise UsageError(f"--{OPTIONS.get(field, field).replace('_', '-')}: {first['msg']}") from error
