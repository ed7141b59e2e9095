"""Chaos Toolkit's hooks: the topology stands before an experiment begins, and is judged and gone when it has ended.

`controls: [{name: cachegate, provider: {type: python, module: harness.chaos.control}}]` in the file. Under
`cachegate chaos` the run was prepared; under Chaos Toolkit's own `chaos run` it is made here, from the file's
configuration (`spec`, `seed`), and its verdict decides whether the experiment has deviated.

Chaos Toolkit goes on whatever a hook raises, but for InterruptExecution: so everything that fails here is that, and an
experiment without a verdict has failed.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any, NoReturn

from chaoslib.exceptions import InterruptExecution

from harness.chaos import judging
from harness.chaos.methods import look_through
from harness.chaos.plan import NEEDS, plan
from harness.chaos.run import Run, prepare, prepared
from harness.chaos.topology import missing
from harness.errors import CachegateError, HarnessError
from harness.masking import learn, mask
from harness.model import Verdict

_log = logging.getLogger("chaostoolkit")


def before_experiment_control(context: dict[str, Any], configuration: dict[str, Any], **_: Any) -> None:
    """Build everything up. What cannot go on is told, and ends the experiment."""
    run = prepared()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupted)  # Chaos Toolkit's own is an exception like any other
    try:
        if run is None:
            run = _from_file(context, configuration)
            prepare(run)
        run.start()
    except Exception as error:  # told, and the end: Chaos Toolkit would go on
        if run is not None:
            run.error = error
        raise InterruptExecution(_said(error)) from error


def after_experiment_control(state: dict[str, Any], **_: Any) -> None:
    """Take it down, and judge. Not of an experiment that was interrupted, or never began."""
    run = prepared()
    if run is None or run.error is not None or state["status"] in ("interrupted", "aborted"):
        return
    try:
        outcome = run.finish(deviated=bool(state["deviated"]))
        if outcome.problem is None:  # else there was nothing left to break, which is told
            check_activities(state)
        found = judging.judge(run.plan, run.text, outcome)
    except Exception as error:  # as above
        run.error = error
        _log.error("%s", _said(error))
        state["status"], state["deviated"] = "failed", True
        return
    state["cachegate"] = found.model_dump(mode="json")
    state["deviated"] = bool(state["deviated"]) or found.verdict is not Verdict.PROCEED
    _log.info("%s  %s", found.verdict.upper(), found.reason)


def cleanup_control() -> None:
    """Whatever happened, nothing is left."""
    run = prepared()
    if run is not None:
        run.close()
        prepare(None)


def check_activities(journal: dict[str, Any]) -> None:
    """Raise HarnessError if an activity of the method failed: that is nobody's verdict."""
    for each in journal["run"]:
        if each.get("status") == "failed":
            said = each.get("exception") or ["it failed"]
            raise HarnessError(f"{each['activity']['name']}: {' '.join(str(said[-1]).split())}")


def _from_file(experiment: dict[str, Any], configuration: dict[str, Any]) -> Run:
    """The run that a file's configuration asks for. Raises CachegateError."""
    name = str(experiment.get("title", "this experiment"))
    read = plan(experiment, name)
    text = str(configuration.get("spec", "improved"))
    learn(text)
    wanted = {*read.needs, *look_through(experiment, name)}
    lacks = [NEEDS[need] for need in NEEDS if need in wanted & missing(text)]
    if lacks:
        raise HarnessError(f"not for {text}: {lacks[0]}")
    try:
        seed = int(configuration.get("seed", 1))
    except ValueError as error:
        raise HarnessError(f"a seed is a whole number, not {configuration['seed']!r}") from error
    return Run(read, text, seed, lambda line: _log.info("%s", mask(line)))


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _said(error: Exception) -> str:
    return mask(str(error) if isinstance(error, CachegateError) else f"{type(error).__name__}: {error}")
