"""The exceptions and warnings that graphnet raises on purpose.

A message says what is wrong, where, what was expected, what was received and what to do. The same facts are attributes
of the exception, so code never has to read the message. Each class also inherits from the built-in exception that numpy
raises in such a case: ``except ValueError`` keeps working around graphnet code.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

#: Names listed in a message before "…".
LISTED = 20
#: Characters of each part of a message.
LONGEST = 1500


class GraphnetError(Exception):
    """Base class of all errors of graphnet.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence without a full stop.
    where : str, optional
        The place as text: a node path, a layer's repr, ``file:line: key.path``.
    expected, received : object, optional
        The value that was expected, and the one that was received.
    remedy : str, optional
        What the reader can do about it.
    subject : str, optional
        The path of the node that the error is about.
    key_path : tuple of str, optional
        The keys that lead to the wrong value in the description of an object: ``("units",)`` for a field of a class,
        ``("nodes", "scaled")`` for a node of a graph.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        expected: object = None,
        received: object = None,
        remedy: str | None = None,
        subject: str | None = None,
        key_path: tuple[str, ...] = (),
    ) -> None:
        self.problem = problem
        self.where = where
        self.expected = expected
        self.received = received
        self.remedy = remedy
        self.subject = subject
        self.key_path = key_path
        super().__init__(problem)

    def __str__(self) -> str:
        problem = _shortened(self.problem)
        text = f"{_shortened(self.where)}: {problem}" if self.where else problem
        values = [("expected", self.expected), ("received", self.received)]
        comparison = ", ".join(f"{word} {_shortened(str(value))}" for word, value in values if value is not None)
        if comparison:
            text = f"{text}; {comparison}"
        return f"{text}. {self.remedy}" if self.remedy else text

    def at(self, where: str) -> GraphnetError:
        """Put ``where`` in front of the place, and return the same error."""
        self.where = where if self.where is None else f"{where}: {self.where}"
        return self

    def about(self, subject: str) -> GraphnetError:
        """Set the subject, unless a more precise one is known, and return the same error."""
        self.subject = subject if self.subject is None else self.subject
        return self


def _shortened(text: str) -> str:
    """A part of a message without its middle, where a name or a value in it is very long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


class ShapeError(GraphnetError, ValueError):
    """An array, or a value in a graph, has the wrong axes or sizes."""


class DtypeError(GraphnetError, TypeError):
    """An array has a dtype that is not supported."""


class RaggedError(DtypeError, ShapeError):
    """Nested lists whose lengths differ, so that they are not an array."""


class DataError(GraphnetError, ValueError):
    """An array has the right shape and invalid contents: NaN labels, rows that are not one-hot, no rows."""


class ConfigError(GraphnetError, ValueError):
    """A layer, optimizer or setting was given a value outside its range or of the wrong type."""


class StateError(GraphnetError, RuntimeError):
    """A call at the wrong time: backward before forward, a carried state of other rows."""


class GraphError(GraphnetError, ValueError):
    """A graph is not valid: a cycle, a reference to nothing, a duplicate name, no output."""


class RuleError(GraphnetError, RuntimeError):
    """A rule of a layer or an optimizer failed, or returned a value of the wrong shape, type or number."""


class NonFiniteError(StateError, RuleError, DataError):
    """NaN or infinity in training: a loss, a gradient, or a weight.

    The other bases are the classes of the errors that earlier versions raised in these cases.

    Attributes
    ----------
    subject : str or None
        The path of the node in which it arose first; the name of the input or the output, or ``layer path/name`` of
        the weight array, where it did not arise in a node. None where the place is unknown.
    kind : str
        ``'forward'`` or ``'backward'``: in that pass of a node; ``'input'``, ``'target'``, ``'state'`` (carried over
        from an earlier piece), ``'weight'`` (not finite before the batch), ``'loss'`` (its value), ``'loss error'``
        (its gradient), ``'regularizer'``, ``'gradient'`` (a sum whose terms are finite), ``'update'``; ``'unknown'``.
    step, row : int or None
        The step of the sequence, and the position in the batch; None where there is none.
    example : int or None
        The position among the examples that were given to ``fit``.
    element : tuple of int or None
        The position in a weight array.
    epoch, batch : int or None
        Counted from 1.
    """

    kind: str = "unknown"
    step: int | None = None
    row: int | None = None
    example: int | None = None
    element: tuple[int, ...] | None = None
    epoch: int | None = None
    batch: int | None = None


class UnknownNameError(GraphnetError, LookupError):
    """An unknown name; the message lists the known ones, or those closest to it."""


class PluginError(GraphnetError, RuntimeError):
    """A plugin cannot be loaded, is missing, or registers a name that another plugin has registered."""


class FileError(GraphnetError, ValueError):
    """A model, weights or run file cannot be read or written, or has invalid contents."""


class WorkerError(GraphnetError, RuntimeError):
    """A process of a group that trains together was lost, did not answer in time, or returned wrong values."""


class GraphnetWarning(UserWarning):
    """Base of all warnings of graphnet."""


class CompilerWarning(GraphnetWarning):
    """The compiler failed on a part of a graph, which runs node by node instead; the results are correct."""


class BackendWarning(GraphnetWarning):
    """A backend cannot run on this machine, and another one runs instead."""


class GraphnetDeprecationWarning(GraphnetWarning, DeprecationWarning):
    """A name or an import path that the next minor release removes; the message gives the new one."""


class UnsavableWarning(GraphnetWarning):
    """A model that is about to be trained cannot be written to a file; the message says why, and what can be done."""


class ForkWarning(GraphnetWarning):
    """A forked process is about to draw the random numbers that its parent draws too."""


_Error = TypeVar("_Error", bound=GraphnetError)


def unknown(
    what: str,
    name: Any,
    known: Iterable[Any],
    *,
    where: str | None = None,
    problem: str | None = None,
    expected: object = None,
    remedy: str | None = None,
    key_path: tuple[str, ...] = (),
    error: type[_Error] = UnknownNameError,  # type: ignore[assignment]
) -> _Error:
    """Return the error for a name that is not one of the ``known`` ones.

    Parameters
    ----------
    what : str
        What the name names: ``input``, ``setting``.
    problem, expected : optional
        In place of ``unknown WHAT 'NAME'`` and of the list of known names.
    remedy : str, optional
        For a name that is not close to any known one.
    error : type
        The class of the error.

    Examples
    --------
    >>> print(unknown("input", "frmes", ["frames", "speaker"], where="graph 'g'"))
    graph 'g': unknown input 'frmes'; expected one of frames, speaker. Did you mean 'frames'?
    >>> print(unknown("output", "y", []))
    unknown output 'y'; expected no output
    """
    names = [str(candidate) for candidate in known]
    listed = ", ".join(names[:LISTED]) + (", …" if len(names) > LISTED else "")
    return error(
        problem or f"unknown {what} {name!r}",
        where=where,
        expected=expected or (f"one of {listed}" if len(names) > 1 else listed or f"no {what}"),
        remedy=did_you_mean(str(name), names) or remedy,
        key_path=key_path,
    )


def did_you_mean(name: str, names: Iterable[str], shown: Callable[[str], str] = repr) -> str:
    """``Did you mean …?`` with the names closest to ``name``; an empty string if none is close.

    Examples
    --------
    >>> did_you_mean("ltsm", ["LSTM", "GRU"])
    "Did you mean 'LSTM'?"
    """
    by_lower_case: dict[str, str] = {}
    for known in names:
        by_lower_case.setdefault(known.lower(), known)
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(shown(by_lower_case[key]) for key in close)}?" if close else ""
