"""Which backend a Runner uses: the one that is named, or the fastest of those that offer themselves.

A backend offers itself by a positive ``priority``, and says by ``unavailable()`` why it cannot run here. The choice is
made when a graph is first bound, and not when a Runner is made: it may import a plugin.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from graphnet.core.compile import Shapes
from graphnet.core.compile.plan import Plan
from graphnet.core.elementwise_kernels import Compiled as CompiledKernel
from graphnet.core.elementwise_kernels import Compiler, Kernel
from graphnet.core.errors import BackendWarning
from graphnet.core.operations import NO_OPERATIONS, Operations
from graphnet.core.run import backends
from graphnet.core.run.backends import Backend, Bound
from graphnet.core.run.context import BindOptions

#: What runs where no plugin offers a faster backend, and in place of one that is unavailable.
FALLBACK = "numpy"
#: The environment variable that names a backend.
VARIABLE = "GRAPHNET_BACKEND"

#: What has been said, so that each line is said once in a process.
_said: set[tuple[str, str]] = set()


def priority(backend: Any) -> int:
    """Return the priority of a backend class; 0 for one that has none or that runs only where it is named."""
    value = getattr(backend, "priority", 0)
    return value if isinstance(value, int) else 0


def unavailable(backend: Any) -> str | None:
    """Return why a backend cannot run here; None if it can. An error of its check is a reason too."""
    check = getattr(backend, "unavailable", None)
    if check is None:
        return None
    try:
        reason = check()
    except Exception as error:
        return f"its check failed: {type(error).__name__}: {error}"
    return None if reason is None else str(reason)


def default() -> str:
    """Return the name of the backend that runs where none is named: the available one of the highest priority."""
    offers = sorted(backends.automatic(), key=lambda offer: (-priority(offer[1]), offer[0]))
    for name, backend in offers:
        if priority(backend) <= 0:
            break
        reason = unavailable(backend)
        if reason is None:
            return name
        _say(name, reason)
    return FALLBACK


def _say(name: str, reason: str) -> None:
    """Warn, once in a process, that a backend is not used."""
    if (name, reason) not in _said:
        _said.add((name, reason))
        warnings.warn(
            f"the backend {name!r} is unavailable, {FALLBACK!r} runs instead: {reason}", BackendWarning, stacklevel=2
        )


class ChosenBackend:
    """The backend of one Runner, with the interface of a backend; chosen once, at the first use.

    Parameters
    ----------
    named : str, Backend or None
        The name that a caller gave, or the backend itself. None: the value of the environment variable
        GRAPHNET_BACKEND; if it is not set, :func:`default`.

    Raises
    ------
    UnknownNameError
        For an unknown name.
    """

    def __init__(self, named: str | Backend | None = None) -> None:
        #: What the caller gave.
        self.given = named
        self._name: str | None = None
        if named is not None and not isinstance(named, str) and callable(getattr(named, "bind", None)):
            self.named: str | None = type(named).__name__
            self._backend: Backend | None = named
            return
        self.named = named or os.environ.get(VARIABLE) or None  # type: ignore[assignment]
        self._backend = None if self.named is None else backends.find(self.named)

    @property
    def name(self) -> str:
        """What runs: the name that was given, or that of the default; 'numpy' if that backend is unavailable."""
        if self._name is None:
            self._choose()
            assert self._name is not None
        failed = getattr(self._backend, "failed", None)
        return self._name if failed is None or failed() is None else FALLBACK

    def resolve(self) -> None:
        """Make the choice, unless it has been made; may import a plugin, so no lock may be held."""
        if self._name is None:
            self._choose()

    def _choose(self) -> None:
        name, backend = self.named, self._backend
        if name is None or backend is None:
            name = default()
            backend = backends.find(name)
        reason = unavailable(backend)
        if reason is not None:
            _say(name, reason)
            name, backend = FALLBACK, backends.find(FALLBACK)
        self._backend, self._name = backend, name

    def bind(self, plan: Plan, shapes: Shapes, options: BindOptions, wanted: list[bool]) -> Bound:
        """Bind a plan; see :class:`graphnet.core.run.backends.Backend`."""
        self.resolve()
        assert self._backend is not None
        return self._backend.bind(plan, shapes, options, wanted)

    def elementwise(self, kernel: Kernel, dtype: str) -> CompiledKernel | None:
        """An elementwise kernel as the backend compiles it; None if it does not."""
        self.resolve()
        compiler: Compiler | None = getattr(self._backend, "elementwise", None)
        return None if compiler is None else compiler(kernel, dtype)

    @property
    def operations(self) -> Operations:
        """What the backend offers to losses."""
        self.resolve()
        found: Operations = getattr(self._backend, "operations", NO_OPERATIONS)
        return found
