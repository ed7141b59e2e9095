"""Chaos Toolkit's hooks: the topology stands before an experiment begins, and is judged and gone when it has ended.

`controls: [{name: cachegate, provider: {type: python, module: harness.chaos.control}}]` in the file. Under
`cachegate chaos` the run was prepared; under Chaos Toolkit's own `chaos run` it is made here, from the file's
configuration (`spec`, `seed`), and its verdict decides whether the experiment has deviated.
"""

from __future__ import annotations

import logging
from typing import Any

from chaoslib.exceptions import InterruptExecution

from harness.chaos import judging
from harness.chaos.plan import NEEDS, plan
from harness.chaos.run import Run, current, prepare, prepared
from harness.chaos.topology import missing
from harness.errors import CachegateError
from harness.model import Verdict

_log = logging.getLogger("chaostoolkit")


def before_experiment_control(context: dict[str, Any], configuration: dict[str, Any], **_: Any) -> None:
    """Build everything up. What cannot go on is told, and ends the experiment."""
    run = prepared()
    try:
        if run is None:
            text = str(configuration.get("spec", "improved"))
            read = plan(context, str(context.get("title", "this experiment")))
            lacks = [NEEDS[need] for need in read.needs if need in missing(text)]
            if lacks:
                raise InterruptExecution(f"not for {text}: {lacks[0]}")
            run = Run(read, text, int(configuration.get("seed", 1)), _log.info)
            prepare(run)
        run.start()
    except CachegateError as error:
        if run is not None:
            run.error = error
        raise InterruptExecution(str(error)) from error


def after_experiment_control(state: dict[str, Any], **_: Any) -> None:
    """Take it down, and judge. Not of an experiment that was interrupted, or never began."""
    run = current()
    if run.error is not None or state["status"] in ("interrupted", "aborted"):
        return
    try:
        outcome = run.finish(deviated=bool(state["deviated"]) or state["status"] == "failed")
    except CachegateError as error:
        run.error = error
        _log.error("%s", error)
        state["status"] = "failed"
        return
    found = judging.judge(run.plan, run.text, outcome)
    state["cachegate"] = found.model_dump(mode="json")
    state["deviated"] = found.verdict is not Verdict.PROCEED
    _log.info("%s  %s", found.verdict.upper(), found.reason)


def cleanup_control() -> None:
    """Whatever happened, nothing is left."""
    run = prepared()
    if run is not None:
        run.close()
        prepare(None)
