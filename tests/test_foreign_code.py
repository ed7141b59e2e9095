"""What a user's folder and a user's code may do to a run: nothing is taken for ours, nothing is left, nothing is said.

Real commands, in a folder that is full of traps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 120
TRAPS = ("psutil", "uvloop", "numpy", "queue", "random", "redis", "gevent", "chaoslib", "yaml", "secrets", "harness")
CACHE = """
import os, sys
print('{"printed": "at import"}')
os.write(1, b'and from below')
from cache_impls.improved import ImprovedAsyncCache
import beside

def make(max_entries=100, l2=None, max_memory_mb=100):
    print('printed when it is made')
    return ImprovedAsyncCache(max_entries=max_entries)

def leaves_daemons(max_entries=100):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", os.environ["MARKER"]])
        os._exit(0)
    os.wait()
    return ImprovedAsyncCache(max_entries=max_entries)
"""
COMMANDS = {
    "list": ["list"],
    "gate": ["gate", "improved", "SPEC", "--budget", "1s", "--json", "-"],
    "check": ["check", "SPEC", "--budget", "2s", "--json", "-"],
    "hitratio": ["hitratio", "SPEC", "--requests", "2000", "--json", "-"],
    "tune": ["tune", "SPEC", "-p", "max_entries=50,60", "--budget", "2s", "--json", "-"],
    "stress": ["stress", "SPEC", "--users", "2", "--run-time", "2s", "--json", "-"],
    "chaos": ["chaos", "pause", "SPEC", "--json", "-"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: modules with the names of ours and of libraries, each of which tells that it was imported."""
    for name in TRAPS:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'a').write({name!r} + ' ')\n")
    (tmp_path / "harness.py").rename(tmp_path / "no")
    (tmp_path / "harness").mkdir()
    (tmp_path / "no").rename(tmp_path / "harness" / "__init__.py")
    (tmp_path / "beside.py").write_text("import queue\nassert queue.Queue\n")
    (tmp_path / "cache.py").write_text(CACHE)
    return tmp_path


def cachegate(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.append({str(ROOT)!r}); from harness.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        cwd=folder,
        env=os.environ | environment,
    )


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "hitratio"])
def test_a_folder_full_of_traps(folder: Path, command: str) -> None:
    """No trap is imported, by the command or any of its children; what the cache prints is in no document."""
    arguments = [word.replace("SPEC", "cache.py:make") for word in COMMANDS[command]]
    finished = cachegate(folder, *arguments)
    assert finished.returncode in (0, 1, 2), finished.stderr
    assert not (folder / "sprung").exists(), (folder / "sprung").read_text()
    if "--json" in arguments:
        assert json.loads(finished.stdout)["kind"]
    assert "printed" not in finished.stdout


@pytest.mark.parametrize("command", ["gate", "check", "stress"])
def test_what_a_cache_starts_ends_with_the_command(folder: Path, command: str) -> None:
    """Daemons too, however many caches are made."""
    marker = f"cachegate-test-{os.getpid()}-{command}"
    finished = cachegate(
        folder, *(word.replace("SPEC", "cache.py:leaves_daemons") for word in COMMANDS[command]), MARKER=marker
    )
    assert finished.returncode in (0, 1, 2), finished.stderr
    left = [process for process in psutil.process_iter(["cmdline"]) if marker in (process.info["cmdline"] or [])]
    assert left == []
