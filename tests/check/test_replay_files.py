"""A replay file is data: it runs no code, opens nothing, and takes bounded time and memory to be refused."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cache_impls import registry
from cache_impls.trust import runs_nothing_foreign
from harness import __version__, strict_json
from harness.check import replays
from harness.errors import UsageError

PYTHON = ".".join(map(str, sys.version_info[:2]))
SCHEDULE: dict[str, Any] = {
    "profile": "calm", "clients": [[[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]], "policy": "few", "seed": 1,
    "room": None, "choices": [], "trouble": [], "first": [],
}  # fmt: skip
GOOD: dict[str, Any] = {
    "kind": "replay", "schema_version": "1.0", "id": "c1-00000000", "created": "2024-01-01T00:00:00+00:00",
    "spec": "improved", "check": "C1", "message": "m", "cachegate": __version__, "python": PYTHON, "hash_seed": 1,
    "default_ttl_ns": -1, "schedule": SCHEDULE, "evidence": ["e"],
}  # fmt: skip


def text_with(**changes: Any) -> str:
    return json.dumps(GOOD | changes)


@pytest.mark.parametrize(
    "spec",
    [
        "improved",
        "improved?num_shards=32&cleanup_interval=0.5",
        "migration",
        "migration?legacy=legacy&new=improved%3Fnum_shards%3D32&stage=live&percentage=50",
        f"hierarchy?l1={quote('improved?max_entries=5', safe='')}&l2=legacy&max_entries=10",
        "cacheout?kind=LRUCache&stats=true",
        "diskcache?eviction_policy=least-recently-used",
        "aiocache?default_ttl=null",
    ],
)
def test_ours_with_plain_parameters_are_data(spec: str) -> None:
    """Numbers, words, and specs that are such themselves."""
    assert runs_nothing_foreign(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "subprocess:getoutput?cmd=id",
        "os:system",
        "file.py:make",
        "/home/file.py:make",
        "mypkg.mod:make?x=1",
        "improved:x",
        "nothing-of-ours",
        "",
        "valkey",
        "valkey?url=valkey%3A%2F%2Fhost",
        "valkey://127.0.0.1:6379/0",
        "redis://127.0.0.1",
        "hierarchy?l2=valkey://127.0.0.1:6379/0",
        "hierarchy?l2=resp%3A%2F%2F127.0.0.1%3A1",
        "hierarchy?l1=valkey",
        f"hierarchy?l1={quote('os:system?command=id', safe='')}",
        f"migration?new={quote('hierarchy?l1=' + quote('os:system', safe=''), safe='')}",
        "migration?new=%22os%3Asystem%22",
        "migration?new=os%3asystem",
        "migration?new=x%2Fy",
        "migration?new=foreign%3Fa%3D1",
        "hierarchy?l1=~root",
        "hierarchy?l1=a%20b",
        "legacy?num_shards=300000000",
        "improved?max_entries=-1e308",
    ],
)
def test_everything_else_is_code(spec: str) -> None:
    """Whatever encoding it hides behind."""
    assert not runs_nothing_foreign(spec)


def test_the_names_of_other_peoples_caches_are_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed under an entry point: at the top, and as a part."""
    monkeypatch.setattr("cache_impls.trust.known", lambda: registry.BUILTIN | {"theirs": ("mod:make", "")})
    assert not runs_nothing_foreign("theirs")
    assert not runs_nothing_foreign("hierarchy?l1=theirs")
    assert runs_nothing_foreign("hierarchy?l1=legacy")


def test_specs_within_specs_end_somewhere() -> None:
    """Deeper than anybody nests them they are not followed."""
    spec = "hierarchy"
    for _ in range(8):
        spec = f"hierarchy?l1={quote(spec, safe='')}"
    assert not runs_nothing_foreign(spec)


@pytest.mark.parametrize(
    "spec", ["improved", "aiocache", "my.py:make", "my.py:make?a=1&b=x%20y", "m:f?a='$(id)'", "a b.py:f"]
)
def test_the_command_that_is_printed_works_as_it_stands(spec: str) -> None:
    """In a shell; with the spec where the file alone would not be followed."""
    words = shlex.split(replays.command("c1-00000000", spec))
    assert words[:3] == ["cachegate", "replay", "c1-00000000"]
    assert words[3:] == ([] if runs_nothing_foreign(spec) else [spec])


Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """`cachegate replay` on a file with such content, in a process with bounded memory and time."""

    def play(content: str | bytes, *more: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "report.json"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        code = (
            "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30));"
            "from harness.cli import main; sys.exit(main())"
        )
        return subprocess.run(
            [sys.executable, "-c", code, "replay", str(file), *more],
            capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(replays.__file__).parents[2])},
        )  # fmt: skip

    return play


def test_a_file_runs_no_command(play: Play, tmp_path: Path) -> None:
    """It is shown what it asks for, and how to ask for that oneself."""
    canary = tmp_path / "canary"
    spec = f"subprocess:getoutput?cmd={quote(f'touch {canary}', safe='')}"
    done = play(text_with(spec=spec))
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (4, 1, "")
    assert "which is code: if you trust it, name it: cachegate replay" in done.stderr
    assert shlex.quote(spec) in done.stderr
    assert not canary.exists()


def test_a_file_of_ours_is_played(play: Play) -> None:
    """As before; and one of somebody's cache, if that is named."""
    done = play(text_with())
    assert done.returncode == 0, done.stderr
    assert "improved keeps C1" in done.stdout
    done = play(text_with(spec="mypkg.mod:make"), "legacy")
    assert done.returncode == 0, done.stderr
    assert "legacy keeps C1" in done.stdout


def test_what_a_terminal_would_obey_is_escaped(play: Play) -> None:
    """In whatever is printed."""
    done = play(text_with(spec="x\x1b]0;title\x07:f"))
    assert done.returncode == 4
    assert "\x1b" not in done.stderr
    done = play(text_with(created="\x1b[2J\x9b1m"))
    assert done.returncode == 0
    assert not {"\x1b", "\x9b"} & set(done.stdout)


def schedule(**changes: Any) -> str:
    return text_with(schedule=SCHEDULE | changes)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"kind": "replay", "x": "' + b"x" * (9 << 20) + b'"}',
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        text_with(hash_seed=2**32),
        text_with(hash_seed=-1),
        text_with(default_ttl_ns=10**30),
        text_with(check="C99" * 1000),
        text_with(spec=7),
        text_with(spec="x:" + "y" * 10_000),
        text_with(evidence="text"),
        text_with(schedule=[]),
        text_with().replace('"hash_seed": 1', '"hash_seed": NaN'),
        text_with().replace('"hash_seed": 1', '"hash_seed": 1e999'),
        text_with().replace('"hash_seed": 1', '"hash_seed": ' + "9" * 5000),
        text_with().replace('"hash_seed": 1', '"hash_seed": 1, "hash_seed": 2'),
        text_with().replace('"seed": 1', '"seed": -Infinity'),
        schedule(policy="none"),
        schedule(profile="none"),
        schedule(room="many"),
        schedule(room=10**9),
        schedule(room=-1),
        schedule(choices=[-1]),
        schedule(choices="text"),
        schedule(clients=[]),
        schedule(clients=[[]] * 1000),
        schedule(clients=7),
        schedule(clients=[[[1, 10**9, 0, 0, 0, 0]]]),
        schedule(clients=[[[99, 0, 0, 0, 0, 0]]]),
        schedule(clients=[[[1, 0, 0, 10**15, 0, 0]]]),
        schedule(clients=[[[1, 0, 0, 0, 0, 0, 0]]]),
        schedule(clients=[[[1, 0, 0, 0, 0, 0]] * 100_000]),
        schedule(first=[[11, 0, 0, 0, 0, 10**15]]),
    ],
    ids=range(36),
)
def test_a_hostile_file_is_one_line(tmp_path: Path, content: str | bytes) -> None:
    """A request that is bad (exit code 4), whatever is wrong with it."""
    file = tmp_path / "report.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        replays.trusted(replays.read(str(file)), str(file))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_a_hostile_file_takes_bounded_memory(play: Play) -> None:
    """What JSON makes of so many bytes is more than they are."""
    for content in (b"[" * 7_000_000, b"[" + b"[]," * 2_500_000 + b"[]]", b"9" * 7_000_000):
        done = play(content)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (4, 1, ""), done.stderr[-2000:]


def test_as_much_as_ours_holds_is_read(tmp_path: Path) -> None:
    """All choices of a schedule that hung, a schedule of the longest kind."""
    long = SCHEDULE | {"choices": [0] * 200_000, "clients": [[[1, 4, 512, 154_112, 4, -1_843_200]] * 400]}
    file = tmp_path / "long.json"
    file.write_text(json.dumps(GOOD | {"schedule": long}, indent=2))
    assert file.stat().st_size < strict_json.MOST_BYTES
    assert replays.read(str(file)).schedule == long


def test_a_stage_that_a_migration_does_not_have(play: Play) -> None:
    """It is said."""
    done = play(text_with(spec="migration", schedule=SCHEDULE | {"first": [[7, 0, 0, 0, 0, 6]]}))
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
    assert "has no stage 6" in done.stderr
    assert play(text_with(spec="migration", schedule=SCHEDULE | {"first": [[7, 0, 0, 0, 0, 5]]})).returncode == 0


def test_json_is_read_as_it_was(tmp_path: Path) -> None:
    """What is plain stays as it is; the place of damage is told."""
    file = tmp_path / "a.json"
    file.write_text('{"a": [1, 2.5, null, true, "é\\n\\t"], "b": {"c": -3}}')
    assert strict_json.read(file) == {"a": [1, 2.5, None, True, "é\n\t"], "b": {"c": -3}}
    file.write_text('{"a": 1, "b": {"c": 1, "c": 2}}')
    with pytest.raises(UsageError, match="it holds 'c' twice"):
        strict_json.read(file)
