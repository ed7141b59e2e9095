"""What locust's processes are told once, in a file that nobody else reads, and what a form may choose."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from harness.errors import UsageError
from harness.load.settings import PASSWORD, SETTINGS, Settings, public, settings

SECRET = "pw:/@'x"  # noqa: S105  # of nothing
HOST = f"resp://:{SECRET}@127.0.0.1:6380"


def options(**told: Any) -> SimpleNamespace:
    """Locust's, as our options leave them when nobody told anything."""
    names = {"host": None, "workload": "", "rate": None, "seed": 1, "history_one_in": 1, "turn_seconds": 0.25}
    once = {"key_prefix": "", "history_folder": None, "cachegate_result": None, "cachegate_seconds": None}
    return SimpleNamespace(**(names | once | told))


def test_the_file_is_its_owners(tmp_path: Path) -> None:
    """Nobody else may read it, it replaces none, and what is read is what was written."""
    told = Settings(hosts=(HOST,), workload="ycsb-b", prefix="mine:", result="r.json", seconds=2.0)
    path = tmp_path / "settings.json"
    told.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert settings(options(host="resp://other:1", key_prefix="other:"), {SETTINGS: str(path)}) == told
    with pytest.raises(FileExistsError):
        told.write(path)


def test_a_broken_file_is_an_error_without_its_content(tmp_path: Path) -> None:
    """What stands in it may be a password."""
    path = tmp_path / "settings.json"
    for text in ("{", f'{{"hosts": "{SECRET}"}}'):
        path.write_text(text)
        with pytest.raises(UsageError) as caught:
            settings(options(), {SETTINGS: str(path)})
        assert SECRET not in f"{caught.value}{caught.value.__cause__}"
    with pytest.raises(UsageError, match=SETTINGS):
        settings(options(), {SETTINGS: str(tmp_path / "absent")})


def test_they_stay_as_they_are() -> None:
    """Nothing is set anew."""
    with pytest.raises(ValidationError):
        Settings(hosts=(HOST,)).result = "elsewhere"


@pytest.mark.parametrize("name", ["key_prefix", "history_folder", "cachegate_result", "cachegate_seconds"])
def test_a_form_changes_nothing_that_is_read_once(name: str) -> None:
    """Whatever stands in locust's options when a test starts."""
    told = settings(options(**{name: "7"}), {})
    assert told.chosen(options(**{name: "9"}), None) == told


def test_a_form_chooses_a_preset_and_no_file() -> None:
    """A file is read only if the command line named it."""
    told = settings(options(workload="trace:mine.csv"), {})
    assert told.chosen(options(workload="trace:mine.csv"), None) == told
    assert told.chosen(options(workload="churn", rate="5", seed=3), None).workload == "churn"
    for theirs in ("trace:/etc/passwd", "trace:mine.csv?capacity=5"):
        with pytest.raises(UsageError, match="a web form chooses among presets"):
            told.chosen(options(workload=theirs), None)


def test_a_secret_is_told_in_the_file_alone() -> None:
    """No option is taken for it, no form changes it, and it is not shown."""
    theirs = {"secret": "theirs"}
    assert settings(options(**theirs), {}).secret == ""
    told = Settings(hosts=(HOST,), secret="5ec7e7")  # noqa: S106  # of nothing
    assert told.chosen(options(**theirs), None).secret == told.secret
    assert "5ec7e7" not in repr(told)


def test_a_form_sends_empty_texts_and_nonsense() -> None:
    """The former mean that nothing was told; the latter is one line."""
    told = settings(options(), {})
    assert told.chosen(options(rate="", workload=""), "") == told
    for wrong in ({"rate": "fast"}, {"rate": "-1"}, {"rate": "nan"}, {"history_one_in": -1}, {"turn_seconds": 0}):
        with pytest.raises(UsageError, match=f"--{next(iter(wrong)).replace('_', '-')}: ") as caught:
            told.chosen(options(**wrong), None)
        assert len(str(caught.value).splitlines()) == 1


def test_passwords_are_not_shown() -> None:
    """Locust shows, sends and stores its host and its options: they have none."""
    told = Settings(hosts=(HOST, "resp://127.0.0.1:6381"))
    assert told.public_hosts == "resp://127.0.0.1:6380,resp://127.0.0.1:6381"
    environment = SimpleNamespace(host=HOST, parsed_options=options(host=HOST))
    told.show(environment)
    assert SECRET not in f"{environment}"
    assert environment.host == environment.parsed_options.host == told.public_hosts
    assert told.hide(f"{HOST!r} is no server; nor is {HOST}; :{SECRET}@127.0.0.1: refused").count(SECRET) == 0
    assert told.hide("nobody answers at 127.0.0.1:6381") == "nobody answers at 127.0.0.1:6381"
    assert told.chosen(environment.parsed_options, environment.host) == told


def test_a_password_of_the_environment_goes_where_the_command_line_says() -> None:
    """To hosts without one, and to none that a form or a master names."""
    environ = {PASSWORD: "p@ss"}
    told = settings(options(host=f"resp://a:1,{HOST}"), environ)
    assert told.hosts == ("resp://:p%40ss@a:1", HOST)
    assert settings(options(), environ).hosts == ("resp://:p%40ss@127.0.0.1:6380",)
    assert settings(options(host="resp://a:1"), {}).hosts == ("resp://a:1",)
    assert told.full("resp://a:1") == "resp://:p%40ss@a:1"
    assert told.full("resp://thief:1") == "resp://thief:1"
    assert told.chosen(options(), "resp://thief:1").hosts == ("resp://thief:1",)


def test_public() -> None:
    """A URL without its user and password, whatever they hold."""
    assert public("valkey://user:a/b@c@[::1]:6379/0") == "valkey://[::1]:6379/0"
    assert public("resp://127.0.0.1:6380") == "resp://127.0.0.1:6380"
