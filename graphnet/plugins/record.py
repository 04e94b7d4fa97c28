"""The record of one plugin."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field

from graphnet.core.errors import GraphnetError
from graphnet.plugins.registry import Entry

#: ``none`` for no plugins; or names of plugins to load, or, after a ``-``, to exclude, separated by commas.
VARIABLE = "GRAPHNET_PLUGINS"
#: The package whose modules may move in any release.
PRIVATE = "graphnet.core"


@dataclass(slots=True)
class Plugin:
    """The result of loading one plugin.

    Attributes
    ----------
    name, distribution, version : str
        The entry point and its distribution.
    status : {'loaded', 'failed', 'skipped'}
    reason : str
        Why it failed or was skipped, and what to do.
    trace : str
        The traceback of a failure.
    seconds : float
        The time for importing and registering.
    entries : list of Entry
        The objects that it registered; empty unless it is loaded.
    notes : list of str
        Problems of a plugin that is loaded: it prints, loads slowly, changes settings, uses deprecated names.
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
        """Record that the plugin failed with ``error``; ``doing`` is the start of the reason."""
        message = _message(error) if isinstance(error, GraphnetError) else f"{type(error).__name__}: {_message(error)}"
        self.status, self.trace = "failed", "".join(traceback.format_exception(error))
        end = "" if message.endswith(("?", "!")) else "."
        self.reason = f"{doing}{message.rstrip('.')}{end} {self._remedy(error)}"

    def _remedy(self, error: BaseException) -> str:
        module = error.name if isinstance(error, ImportError) else None
        if module and (module == PRIVATE or module.startswith(f"{PRIVATE}.")):
            first = f"{PRIVATE} is not public: import from graphnet or graphnet.authoring. "
        elif isinstance(error, ModuleNotFoundError) and module:
            first = f"If {module} is a separate package, install it. "
        else:
            first = ""
        fix = f"Fix or uninstall {self.distribution} {self.version}".rstrip()
        return f"{first}{fix}, or exclude it: {VARIABLE}=-{self.name}."


def _message(error: BaseException) -> str:
    """The message of an error, even if converting it to text fails."""
    try:
        return str(error)
    except BaseException:
        return "the message of the error cannot be shown"
