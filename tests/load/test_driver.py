"""How locust is started: no secret in sight, nothing of the user's or the project's in its way."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.load import driver
from harness.load.plan import LIFELINE, scenario
from harness.load.settings import PASSWORD, SETTINGS

SECRET = "hunter2"  # noqa: S105  # of nothing
SHADOWS = ("psutil", "uvloop", "numpy", "queue", "gevent", "locust", "json", "runpy", "harness/__init__")


def hostile(folder: Path) -> Path:
    """A folder whose modules leave a marker when they are imported."""
    for name in SHADOWS:
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(folder / 'marker')!r}, 'a').write({name!r})\n")
    return folder


class StartedError(Exception):
    """Instead of a process."""


def started(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, workload: str = "ycsb-b", processes: int = 1
) -> tuple[list[str], dict[str, Any]]:
    """The command by which a driver would start locust, and the options of its process."""
    seen: list[Any] = []

    def start(command: list[str], **options: Any) -> None:
        seen.extend((command, options))
        raise StartedError

    monkeypatch.setattr(driver, "start_process", start)
    with pytest.raises(StartedError):
        driver.Driver(
            scenario("soak"), [f"resp://:{SECRET}@127.0.0.1:1"], users=2, seconds=1.0, rate=1.0, workload=workload,
            seed=1, processes=processes, one_in=1, prefix="mine:", folder=folder,
        )  # fmt: skip
    return seen[0], seen[1]


@pytest.mark.parametrize("processes", [1, 2])
def test_no_secret_is_in_sight(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, processes: int) -> None:
    """Everybody sees command lines; the file with the host is its owner's, and named in the environment."""
    monkeypatch.setenv(PASSWORD, "another")
    command, options = started(monkeypatch, tmp_path, processes=processes)
    assert SECRET not in " ".join(command)
    assert not {SECRET, "another"} & set(" ".join(options["env"].values()).split())
    assert not [each for each in command if each.startswith(("--host", "--cachegate", "--key", "--history"))]
    path = Path(options["env"][SETTINGS])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text())
    assert len(told["secret"]) == 64
    assert told["secret"] not in " ".join([*command, *options["env"].values()])
    assert (told["hosts"], told["prefix"]) == ([f"resp://:{SECRET}@127.0.0.1:1"], "mine:")


def test_no_options_of_others_reach_locust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Locust reads them from its home, its working directory and its environment: the run has its own."""
    monkeypatch.setenv("LOCUST_HTML", "stolen.html")
    monkeypatch.setenv("KEPT", "as it is")
    _, options = started(monkeypatch, tmp_path)
    assert options["cwd"] == tmp_path
    assert options["env"]["HOME"] == str(tmp_path)
    assert options["env"]["KEPT"] == "as it is"
    assert [name for name in options["env"] if name.startswith("LOCUST_")] == []
    assert LIFELINE in options["env"]


def test_a_trace_is_found_from_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its path is whole; a preset is as it was."""
    monkeypatch.chdir(tmp_path)
    for number, (workload, told) in enumerate(
        {
            "trace:mine.csv?format=cluster": f"trace:{tmp_path}/mine.csv?format=cluster",
            "trace:/a/b.csv": "trace:/a/b.csv",
            "ycsb-b?capacity=5": "ycsb-b?capacity=5",
        }.items()
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        _, options = started(monkeypatch, folder, workload=workload)
        assert json.loads(Path(options["env"][SETTINGS]).read_text())["workload"] == told


def test_locustfiles_import_libraries_before_what_lies_beside_them(tmp_path: Path) -> None:
    """Locust puts its working directory in front; `harness.load.users` puts it last, and it is still there."""
    folder = hostile(tmp_path)
    (folder / "beside.py").write_text("NAME = 'beside'\n")
    (folder / "mine.py").write_text(
        "from harness.load.users import CacheUser\nimport beside, psutil, numpy\n"
        "class Mine(CacheUser):\n    scenario = 'soak'\n"
    )
    (folder / "run.py").write_text(
        "import json, sys\nsys.path[:] = json.loads(sys.argv.pop(1))\nfrom locust.main import main\nmain()\n"
    )
    path = json.dumps([each for each in sys.path if each])
    # The harness of the project under test would be found first by any locustfile: that is the user's own doing.
    (folder / "harness" / "__init__.py").unlink()
    (folder / "harness").rmdir()
    run = subprocess.run(
        [sys.executable, "-P", "-c", (folder / "run.py").read_text(), path, "-f", "mine.py", "--list"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60, env=os.environ | {"HOME": str(folder)},
    )  # fmt: skip
    assert "Mine" in run.stdout, run.stderr
    assert not (folder / "marker").exists()
