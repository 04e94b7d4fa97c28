"""The checks of communicators as pytest items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphnet.core.errors import ConfigError
from graphnet.testing.communicators.checks import COMMUNICATOR_CHECKS, CommunicatorCheck
from graphnet.testing.communicators.groups import Groups, Launch
from graphnet.testing.failures import Fault


def communicator_conformance(launch: Launch) -> Callable[[Callable[[Any], None]], Callable[..., None]]:
    """Parametrize a test function with every check of a communicator, one pytest item each.

    The checks launch groups of 1 to 4 ranks, several at a time; groups that a check leaves as they are serve the next
    ones too, and are closed when pytest ends.

    Parameters
    ----------
    launch : callable
        ``launch(workers, follow, **options)`` returns the communicator of rank 0: the method of the class, or a
        function that adds options to it. One check gives it ``timeout``, in seconds.

    Raises
    ------
    ConfigError
        If ``launch`` cannot be called.

    Examples
    --------
    >>> from graphnet.training.distributed.threads import ThreadCommunicator
    >>> @communicator_conformance(ThreadCommunicator.launch)
    ... def test_threads(check):
    ...     check()
    """
    import pytest

    if not callable(launch):
        raise ConfigError(
            "not a function",
            where="communicator_conformance",
            expected="launch(workers, follow)",
            received=repr(launch),
        )
    groups = Groups(launch)
    items = [pytest.param(CommunicatorItem(groups, each), id=name) for name, each in COMMUNICATOR_CHECKS.items()]

    def decorate(function: Callable[[Any], None]) -> Callable[..., None]:
        def test(check: CommunicatorItem, request: Any) -> None:
            if not check.groups.registered:
                check.groups.registered = True
                request.session.addfinalizer(check.groups.close)
            function(check)

        test.__name__, test.__doc__, test.__module__ = function.__name__, function.__doc__, function.__module__
        parametrized: Callable[..., None] = pytest.mark.parametrize("check", items)(test)
        return parametrized

    return decorate


class CommunicatorItem:
    """One check of one communicator; calling it runs the check."""

    def __init__(self, groups: Groups, check: CommunicatorCheck) -> None:
        self.groups, self.check = groups, check

    def __call__(self) -> None:
        """Run the check; fail the test with its message."""
        import pytest

        try:
            self.check.run(self.groups)
        except Fault as error:
            pytest.fail(f"{self.check.name}: {error}", pytrace=False)

    def __repr__(self) -> str:
        return self.check.name
