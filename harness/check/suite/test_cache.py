"""One test a law and a rule of manners."""

from __future__ import annotations

import pytest

from harness.check.checkers import catalogue
from harness.check.rules import RULES
from harness.check.verdicts import CheckRequest
from harness.documents import CheckDocument
from harness.errors import CachegateError
from harness.masking import learn, mask
from harness.model import CheckVerdict
from harness.session_check import check
from harness.units import parse_duration

IDS = [*(rule.id for rule in RULES), *catalogue()]


@pytest.fixture(scope="session")
def document(pytestconfig: pytest.Config) -> CheckDocument:
    """All results, from one run."""
    spec = pytestconfig.getoption("--cache")
    if spec is None:
        pytest.exit("which cache? add --cache mypkg.mod:factory", returncode=4)
    try:
        learn(spec)
        request = CheckRequest(
            spec=spec,
            seed=pytestconfig.getoption("--cache-seed"),
            budget_seconds=parse_duration(pytestconfig.getoption("--cache-budget"), "--cache-budget"),
            strict=pytestconfig.getoption("--cache-strict"),
        )
        return check(request, lambda _line: None)
    except CachegateError as error:
        pytest.exit(mask(str(error)), returncode=error.exit_code)


@pytest.mark.parametrize("identity", IDS)
def test_cache(document: CheckDocument, identity: str) -> None:
    """The cache keeps it."""
    result = next(result for result in document.checks if result.id == identity)
    if result.verdict is CheckVerdict.SKIPPED:
        pytest.skip(result.summary)
    if result.kind == "manners" and not document.strict and result.verdict is CheckVerdict.FAIL:
        pytest.skip(f"bad manners (--cache-strict makes a failure of it): {result.summary}")
    if result.verdict is not CheckVerdict.PASS:
        lines = [f"{result.id} {result.title}", result.summary, "", *result.evidence, "", result.replay or ""]
        pytest.fail("\n".join(lines).rstrip(), pytrace=False)
