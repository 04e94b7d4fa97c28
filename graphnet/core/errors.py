"""The exception tree: every error that graphnet raises on purpose.

Each message says where, what was wrong, what was expected, what came and what to do. Each class also inherits the
built-in exception that numpy users would catch, so ``except ValueError`` goes on working around graphnet code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GraphnetError(Exception):
    """Base of all errors of graphnet.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence without a full stop.
    where : str, optional
        The place: a node path, a layer's repr, ``file:line: key.path``.
    expected, received : object, optional
        What should have come, and what came instead.
    remedy : str, optional
        What the reader can do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        expected: object = None,
        received: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = where
        self.expected = expected
        self.received = received
        self.remedy = remedy
        super().__init__(problem)

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        parts = [("expected", self.expected), ("received", self.received)]
        told = ", ".join(f"{word} {value}" for word, value in parts if value is not None)
        if told:
            text = f"{text}; {told}"
        return f"{text}. {self.remedy}" if self.remedy else text

    def at(self, where: str) -> GraphnetError:
        """The same error, with ``where`` put in front of its place (used while it passes up through nested graphs)."""
        self.where = where if self.where is None else f"{where}: {self.where}"
        return self


class ShapeError(GraphnetError, ValueError):
    """An array, or a value in a graph, has axes or sizes that do not fit."""


class DtypeError(GraphnetError, TypeError):
    """An array has a dtype that cannot be computed with or kept."""


class RaggedError(DtypeError, ShapeError):
    """Nested lists whose lengths differ: neither an array of numbers nor of one shape."""


class DataError(GraphnetError, ValueError):
    """An array has the right shape but contents that mean nothing: NaN labels, a one-hot row that is not, no rows."""


class ConfigError(GraphnetError, ValueError):
    """A layer, optimizer or setting was given a value outside its range or of the wrong type."""


class StateError(GraphnetError, RuntimeError):
    """A call came at the wrong time: backward before forward, a carried state that does not fit."""


class GraphError(GraphnetError, ValueError):
    """A graph is not well formed: a cycle, a dangling input, a duplicate name, no output."""


class RuleError(GraphnetError, RuntimeError):
    """A layer or an optimizer broke its own promise: a rule returned the wrong shape, type or number of values."""


class UnknownNameError(GraphnetError, LookupError):
    """A name that nobody registered; the message lists the nearest ones."""


class PluginError(GraphnetError, RuntimeError):
    """A plugin could not be loaded, is missing, or claims a name that another one owns."""


class FileError(GraphnetError, ValueError):
    """A model, weights or run file cannot be read or does not say what it must."""


class GraphnetWarning(UserWarning):
    """Base of all warnings of graphnet."""


class CompilerWarning(GraphnetWarning):
    """The compiler failed on a part of a graph, which runs node by node instead; the results are right."""


class GraphnetDeprecationWarning(GraphnetWarning, DeprecationWarning):
    """A name or an import path that the next minor release removes; the message gives the new one."""


class ForkWarning(GraphnetWarning):
    """A forked process is about to draw the random numbers that its parent draws too."""


def nearest(name: str, names: Iterable[str], count: int = 3) -> str:
    """``did you mean …?`` for the names closest to ``name``, or an empty string where none is close."""
    by_fold: dict[str, str] = {}
    for known in names:
        by_fold.setdefault(known.lower(), known)
    close = difflib.get_close_matches(name.lower(), by_fold, n=count, cutoff=0.6)
    if not close:
        return ""
    return "did you mean " + " or ".join(repr(by_fold[key]) for key in close) + "?"
