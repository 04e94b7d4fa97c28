"""The checks as pytest items."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graphnet.core.errors import ConfigError
from graphnet.testing.case import Case
from graphnet.testing.case_run import CaseRun
from graphnet.testing.checks import CHECKS
from graphnet.testing.outcome import Outcome, summarize

#: The name under which the reporter is registered with pytest.
REPORTER = "graphnet-conformance"


def conformance(*cases: Case | Iterable[Case]) -> Callable[[Callable[[Any], None]], Callable[..., None]]:
    """Parametrize a test function with every check of some cases, one pytest item each.

    A check that does not apply is a skipped item with a reason. The last item of a case, ``summary``, reports how many
    checks ran, and fails if every check of a claimed capability was skipped. pytest's terminal summary ends with the
    totals.

    Raises
    ------
    ConfigError
        If there is no case, or an argument is not a case.

    Examples
    --------
    >>> from graphnet import Affine
    >>> @conformance(Case(Affine, {"scale": 2.0}, "batch=3, feature=4"))
    ... def test_layers(check):
    ...     check()
    """
    import pytest

    flat: list[Any] = [case for arg in cases for case in (arg if isinstance(arg, (list, tuple)) else [arg])]
    if not flat or not all(isinstance(case, Case) for case in flat):
        raise ConfigError("not cases", where="conformance", expected="one Case or more", received=repr(cases)[:200])
    items = []
    for case in flat:
        case_run = CaseRun(case)
        items += [pytest.param(Item(case_run, n), id=f"{case.label}-{n}") for n in (*CHECKS, "summary")]

    def decorate(function: Callable[[Any], None]) -> Callable[..., None]:
        def test(check: Item, request: Any) -> None:
            check.reporter = _reporter(request.config)
            function(check)

        test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
        parametrized: Callable[..., None] = pytest.mark.parametrize("check", items)(test)
        return parametrized

    return decorate


class Item:
    """One check of one case; calling it runs the check."""

    reporter: Reporter | None = None

    def __init__(self, case_run: CaseRun, name: str) -> None:
        self.case_run, self.name = case_run, name

    def __call__(self) -> None:
        """Run the check; skip or fail the test with its message."""
        import pytest

        outcome = self.case_run.summary() if self.name == "summary" else self.case_run.run(self.name)
        if self.reporter is not None:
            self.reporter.add(self.case_run, outcome)
        if outcome.status == "skipped":
            pytest.skip(outcome.message)
        if outcome.status == "failed":
            pytest.fail(f"{outcome.case}, {outcome.check}: {outcome.message}", pytrace=False)

    def __repr__(self) -> str:
        return f"{self.case_run.case.label}: {self.name}"


class Reporter:
    """A pytest plugin that adds the number of checks to the terminal summary."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[int, str], Outcome] = {}

    def add(self, case_run: CaseRun, outcome: Outcome) -> None:
        """Record an outcome."""
        if outcome.check != "summary":
            self._outcomes[id(case_run), outcome.check] = outcome

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write one line."""
        skipped = [outcome for outcome in self._outcomes.values() if outcome.status == "skipped"]
        cases = len({case for case, _ in self._outcomes})
        terminalreporter.write_line(f"graphnet conformance, {cases} cases: {summarize(len(self._outcomes), skipped)}")


def _reporter(config: Any) -> Reporter:
    reporter: Reporter | None = config.pluginmanager.get_plugin(REPORTER)
    if reporter is None:
        reporter = Reporter()
        config.pluginmanager.register(reporter, REPORTER)
    return reporter
