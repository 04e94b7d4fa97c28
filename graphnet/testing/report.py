"""Running the checks of some cases, and what came of them."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import graphnet.testing.checks  # noqa: F401  # registers every check
from graphnet.core import random
from graphnet.core.random import generator
from graphnet.testing.case import Case
from graphnet.testing.check import CHECKS, Check, Fault, Skipped, short
from graphnet.testing.subject import Subject


@dataclass(frozen=True)
class Outcome:
    """What came of one check of one case: ``status`` is 'passed', 'failed' or 'skipped'; ``told`` is why."""

    case: str
    check: str
    status: str
    told: str = ""


@dataclass
class Prepared:
    """A case whose checks run when they are asked for, each once."""

    case: Case
    done: dict[str, Outcome] = field(default_factory=dict)
    _subject: Subject | None = None

    @property
    def subject(self) -> Subject:
        """What the checks share."""
        if self._subject is None:
            self._subject = Subject(self.case)
        return self._subject

    def run(self, name: str) -> Outcome:
        """The outcome of one check."""
        if name not in self.done:
            first = next(iter(CHECKS))
            if name != first and self.run(first).status == "failed":
                status, told = "skipped", f"the check {first} failed"
            else:
                status, told = self._outcome(CHECKS[name])
            self.done[name] = Outcome(self.case.label, name, status, told)
        return self.done[name]

    def _outcome(self, each: Check) -> tuple[str, str]:
        with random.using(generator().spawn(1)[0]):
            try:
                subject = self.subject
                lacking = [need for need in each.needs if need not in subject.capabilities]
                if lacking:
                    return "skipped", f"without {', '.join(lacking)}"
                before = subject.looked
                each.run(subject)
            except Skipped as skipped:
                claimed = [need for need in each.needs if need in self.case.claims]
                return ("failed", f"{claimed[0]} is claimed, but: {skipped}") if claimed else ("skipped", str(skipped))
            except Fault as found:
                return "failed", str(found)
            except Exception as error:
                return "failed", f"{_place(error)}{type(error).__name__}: {short(error, 300)}"
        return ("passed", "") if subject.looked > before else ("failed", "the check compared nothing")

    def summary(self) -> Outcome:
        """Whether every check ran that the capabilities ask for; those that have not run yet run now."""
        outcomes = [self.run(name) for name in CHECKS]
        skipped = [outcome for outcome in outcomes if outcome.status == "skipped"]
        unbroken = not (missing := [c for c in self.case.claims if not self._covered(c)])
        status = "passed" if unbroken else "failed"
        why = f"; no check of what is claimed ran: {', '.join(missing)}" if missing else ""
        return Outcome(self.case.label, "summary", status, f"{told(len(outcomes), skipped)}{why}")

    def _covered(self, claim: str) -> bool:
        asked = [name for name, each in CHECKS.items() if claim in each.needs]
        return not asked or any(self.run(name).status != "skipped" for name in asked)


def told(total: int, skipped: list[Outcome]) -> str:
    """``ran N of M, skipped K: why``."""
    reasons: dict[str, int] = {}
    for outcome in skipped:
        reasons[outcome.told] = reasons.get(outcome.told, 0) + 1
    why = "; ".join(f"{count} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
    return f"ran {total - len(skipped)} of {total}, skipped {len(skipped)}{': ' + why if why else ''}"


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return "".join(f"in {frame.name}: " for frame in last if "graphnet/testing" not in frame.filename)


def run(cases: Iterable[Case]) -> Iterator[Outcome]:
    """Every check of every case, then the summary of the case.

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
        prepared = Prepared(case)
        yield from (prepared.run(name) for name in CHECKS)
        yield prepared.summary()


def plain(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data."""
    return {"case": outcome.case, "check": outcome.check, "status": outcome.status, "told": outcome.told}
