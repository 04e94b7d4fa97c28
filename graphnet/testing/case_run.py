"""Running the checks of cases."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from functools import cached_property

from graphnet.core import random
from graphnet.testing.case import Case
from graphnet.testing.check import Check
from graphnet.testing.checks import CHECKS
from graphnet.testing.failures import Fault, Skipped, short
from graphnet.testing.harness import Harness
from graphnet.testing.outcome import WITHOUT, Outcome, summarize


class CaseRun:
    """One case whose checks run when requested, each at most once."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._outcomes: dict[str, Outcome] = {}

    @cached_property
    def harness(self) -> Harness:
        """The harness that all checks of the case share."""
        return Harness(self.case)

    def run(self, name: str) -> Outcome:
        """Return the outcome of one check; all are skipped if the first one failed."""
        check = CHECKS[name]
        if check.name not in self._outcomes:
            first = next(iter(CHECKS))
            if check.name != first and self.run(first).status == "failed":
                status, message = "skipped", f"the check {first} failed"
            else:
                status, message = self._run(check)
            self._outcomes[check.name] = Outcome(self.case.label, check.name, status, message)
        return self._outcomes[check.name]

    def _run(self, check: Check) -> tuple[str, str]:
        """Run one check; return its status and message."""
        with random.using(random.generator().spawn(1)[0]):
            try:
                harness = self.harness
                lacking = [need for need in check.needs if need not in harness.capabilities]
                if lacking:
                    return "skipped", f"{WITHOUT}{', '.join(lacking)}"
                before = harness.comparisons
                check.run(harness)
            except Skipped as reason:
                claimed = [need for need in check.needs if need in self.case.claims]
                return ("failed", f"{claimed[0]} is claimed, but: {reason}") if claimed else ("skipped", str(reason))
            except Fault as fault:
                return "failed", str(fault)
            except Exception as error:
                return "failed", f"{_location(error)}{type(error).__name__}: {short(error, 300)}"
        return ("passed", "") if harness.comparisons > before else ("failed", "the check compared nothing")

    def summary(self) -> Outcome:
        """Run the remaining checks; fail if a claimed capability was not checked."""
        outcomes = [self.run(name) for name in CHECKS]
        skipped = [outcome for outcome in outcomes if outcome.status == "skipped"]
        unchecked = [claim for claim in self.case.claims if not self._is_checked(claim)]
        message = summarize(len(outcomes), skipped)
        untried = self.harness.untried if outcomes[0].status == "passed" else []
        if untried:
            message += f"; not tried: {', '.join(untried)}"
        if unchecked:
            message += f"; every check of a claimed capability was skipped: {', '.join(unchecked)}"
        return Outcome(self.case.label, "summary", "failed" if unchecked else "passed", message)

    def _is_checked(self, claim: str) -> bool:
        names = [name for name, check in CHECKS.items() if claim in check.needs]
        return not names or any(self.run(name).status != "skipped" for name in names)


def _location(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return "".join(f"in {frame.name}: " for frame in last if "graphnet/testing" not in frame.filename)


def run(cases: Iterable[Case]) -> Iterator[Outcome]:
    """Yield the outcome of every check of every case, and a summary after each case.

    Examples
    --------
    >>> from graphnet import Affine
    >>> outcomes = list(run([Case(Affine, {"scale": 2.0}, "batch=3, feature=2")]))
    >>> {outcome.status for outcome in outcomes} == {"passed", "skipped"}
    True
    >>> outcomes[-1].check
    'summary'
    """
    for case in cases:
        case_run = CaseRun(case)
        yield from (case_run.run(name) for name in CHECKS)
        yield case_run.summary()
