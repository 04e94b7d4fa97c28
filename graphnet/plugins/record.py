"""What became of one plugin."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field

from graphnet.core.errors import GraphnetError
from graphnet.plugins.registry import Entry

#: ``none`` for no plugins; or the names of those allowed, or, after a ``-``, left out; separated by commas.
VARIABLE = "GRAPHNET_PLUGINS"
#: The package whose modules may move in any release.
PRIVATE = "graphnet.core"


@dataclass(slots=True)
class Plugin:
    """What became of one plugin.

    Attributes
    ----------
    name, distribution, version : str
        The entry point, and who brought it.
    status : {'loaded', 'failed', 'skipped'}
    reason : str
        Why it failed or was skipped, and what to do.
    trace : str
        The traceback of a failure.
    seconds : float
        That importing and registering took.
    entries : list of Entry
        What it registered; empty unless it is loaded.
    notes : list of str
        What it does that it should not, though it works: prints, takes long, changes settings of the process.
    """

    name: str
    distribution: str
    version: str
    status: str = "loaded"
    reason: str = ""
    trace: str = ""
    seconds: float = 0.0
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fail(self, error: BaseException, doing: str = "") -> None:
        """Note that the plugin failed with ``error`` while ``doing`` something, and what to do about it."""
        told = _told(error) if isinstance(error, GraphnetError) else f"{type(error).__name__}: {_told(error)}"
        self.status, self.trace = "failed", "".join(traceback.format_exception(error))
        self.reason = f"{doing}{told.rstrip('.')}. {self._advice(error)}"

    def _advice(self, error: BaseException) -> str:
        module = error.name if isinstance(error, ImportError) else None
        if module and (module == PRIVATE or module.startswith(f"{PRIVATE}.")):
            first = f"{PRIVATE} is not public: import from graphnet or graphnet.authoring. "
        elif isinstance(error, ModuleNotFoundError) and module:
            first = f"If {module} is a package of its own, install it. "
        else:
            first = ""
        mend = f"Mend or uninstall {self.distribution} {self.version}".rstrip()
        return f"{first}{mend}, or leave it out: {VARIABLE}=-{self.name}."


def _told(error: BaseException) -> str:
    """The message of an error; also of one that cannot say what it is."""
    try:
        return str(error)
    except Exception:
        return "its message cannot be shown"
