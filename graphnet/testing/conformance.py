"""The checks as pytest items."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graphnet.core.errors import ConfigError
from graphnet.testing.case import Case
from graphnet.testing.check import CHECKS
from graphnet.testing.report import Outcome, Prepared, told

#: The name under which the reporter is known to pytest.
REPORTER = "graphnet-conformance"


def conformance(*cases: Case | Iterable[Case]) -> Callable[[Callable[[Any], None]], Callable[..., None]]:
    """Make one pytest item a check of the test function below it, for each of some cases; see the example.

    A check that does not apply is a skipped item, with its reason. The last item of a case, ``summary``, says how many
    checks ran, and fails if one did not run that the case's claims ask for. pytest's own summary ends with all of it.

    Raises
    ------
    ConfigError
        Without a case, or for something else than cases.

    Examples
    --------
    >>> from graphnet import Affine
    >>> @conformance(Case(Affine, {"scale": 2.0}, "batch=3, feature=4"))
    ... def test_layers(check):
    ...     check()
    """
    import pytest

    found: list[Any] = [case for each in cases for case in (each if isinstance(each, (list, tuple)) else [each])]
    if not found or not all(isinstance(case, Case) for case in found):
        raise ConfigError("no cases", where="conformance", expected="one Case or more", received=repr(cases)[:200])
    items = []
    for case in found:
        prepared = Prepared(case)
        names = [*CHECKS, "summary"]
        items += [pytest.param(Item(prepared, name), id=f"{case.label}-{name}") for name in names]

    def decorate(function: Callable[[Any], None]) -> Callable[..., None]:
        def test(check: Item, request: Any) -> None:
            check.reporter = _reporter(request.config)
            function(check)

        test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
        marked: Callable[..., None] = pytest.mark.parametrize("check", items)(test)
        return marked

    return decorate


class Item:
    """One check of one case; calling it runs it."""

    reporter: Reporter | None = None

    def __init__(self, prepared: Prepared, name: str) -> None:
        self.prepared, self.name = prepared, name

    def __call__(self) -> None:
        """Pass, skip with a reason, or fail with what was found."""
        import pytest

        outcome = self.prepared.summary() if self.name == "summary" else self.prepared.run(self.name)
        if self.reporter is not None:
            self.reporter.add(self.prepared, outcome)
        if outcome.status == "skipped":
            pytest.skip(outcome.told)
        if outcome.status == "failed":
            pytest.fail(f"{outcome.case}, {outcome.check}: {outcome.told}", pytrace=False)

    def __repr__(self) -> str:
        return f"{self.prepared.case.label}: {self.name}"


class Reporter:
    """Ends pytest's summary with how many checks ran."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, str], Outcome] = {}

    def add(self, prepared: Prepared, outcome: Outcome) -> None:
        """Note an outcome."""
        if outcome.check != "summary":
            self.seen[id(prepared), outcome.check] = outcome

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """pytest's hook: one line."""
        skipped = [outcome for outcome in self.seen.values() if outcome.status == "skipped"]
        cases = len({case for case, _ in self.seen})
        terminalreporter.write_line(f"graphnet conformance, {cases} cases: {told(len(self.seen), skipped)}")


def _reporter(config: Any) -> Reporter:
    found: Reporter | None = config.pluginmanager.get_plugin(REPORTER)
    if found is None:
        found = Reporter()
        config.pluginmanager.register(found, REPORTER)
    return found
