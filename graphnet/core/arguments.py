"""Calls of public classes, functions and methods: wrong arguments raise a ConfigError that lists the right ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, cast

from graphnet.core.errors import ConfigError, did_you_mean

_Function = TypeVar("_Function", bound=Callable[..., Any])


class ArgumentError(ConfigError, TypeError):
    """A function was called with an unknown, a missing or one argument too many."""


#: Names of arguments that a message lists.
LISTED = 12


def explained(function: _Function, hints: Mapping[str, str] = MappingProxyType({})) -> _Function:
    """Decorate a function or method: it raises an ArgumentError where Python raises a TypeError for its arguments.

    The arguments are compared with the signature only after a TypeError, so that a right call costs next to nothing.

    Parameters
    ----------
    function : callable
    hints : mapping of name to str, optional
        Remedies for arguments that it does not have.

    Examples
    --------
    >>> @explained
    ... def area(width, height):
    ...     return width * height
    >>> area(2, higth=3)
    Traceback (most recent call last):
    graphnet.core.arguments.ArgumentError: area: missing a required argument: 'height'; expected ...
    """

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except TypeError as error:
            wrong = _wrong_arguments(function.__qualname__, function, arguments, options, hints)
            if wrong is None:
                raise
            raise wrong from error

    return cast("_Function", call)


def explain_methods(cls: type, *names: str, hints: Mapping[str, str] = MappingProxyType({})) -> None:
    """Replace methods that a class defines by explained ones; see :func:`explained`."""
    for name in names:
        setattr(cls, name, explained(cls.__dict__[name], hints))


def explain_arguments(cls: type, hints: Mapping[str, str] = MappingProxyType({})) -> None:
    """Let the constructor that a class defines raise an ArgumentError where Python raises a TypeError."""
    original: Any = cls.__dict__.get("__init__")
    if original is None:
        return

    @functools.wraps(original)
    def construct(self: Any, *arguments: Any, **options: Any) -> None:
        try:
            original(self, *arguments, **options)
        except TypeError as error:
            wrong = _wrong_arguments(type(self).__name__, original, (self, *arguments), options, hints)
            if wrong is None:
                raise
            raise wrong from error

    setattr(cls, "__init__", construct)  # noqa: B010


def explain_constructors(classes: Iterable[object]) -> None:
    """Explain the constructors of those objects that are classes, except protocols."""
    for cls in classes:
        if isinstance(cls, type) and not getattr(cls, "_is_protocol", False):
            explain_arguments(cls)


def _wrong_arguments(
    called: str,
    function: Any,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    hints: Mapping[str, str] = MappingProxyType({}),
) -> ArgumentError | None:
    """Return the error for arguments that do not fit a signature; None if they fit."""
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **options)
    except TypeError as error:
        names = [name for name in signature.parameters if name != "self"]
        unknown = [name for name in options if name not in names]
        given = arguments[1:] if "self" in signature.parameters else arguments
        shown = [*map(_short, given), *(f"{name}={_short(value)}" for name, value in options.items())]
        listed = names if len(names) <= 2 * LISTED else [*names[:LISTED], f"… {len(names) - LISTED} more"]
        return ArgumentError(
            str(error),
            where=called,
            expected=f"{called}({', '.join(listed)})",
            received=", ".join(shown) or "nothing",
            remedy=(hints.get(unknown[0]) or did_you_mean(unknown[0], names) or None) if unknown else None,
            key_path=(unknown[0],) if unknown else (),
        )
    return None


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:39]}…"
