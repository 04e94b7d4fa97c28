"""Constructors of layers: wrong arguments raise a ConfigError that lists the right ones."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from graphnet.core.errors import ConfigError, did_you_mean


class ArgumentError(ConfigError, TypeError):
    """A constructor was called with an unknown, a missing or one argument too many."""


def explain_arguments(cls: type) -> None:
    """Replace the constructor of a class by one that raises an ArgumentError where Python raises a TypeError."""
    original: Any = cls.__dict__.get("__init__")
    if original is None:
        return

    @functools.wraps(original)
    def construct(self: Any, *arguments: Any, **options: Any) -> None:
        try:
            original(self, *arguments, **options)
        except TypeError as error:
            wrong = _wrong_arguments(type(self), original, arguments, options)
            if wrong is None:
                raise
            raise wrong from error

    setattr(cls, "__init__", construct)  # noqa: B010


def _wrong_arguments(
    cls: type, function: Any, arguments: tuple[Any, ...], options: dict[str, Any]
) -> ArgumentError | None:
    """Return the error for arguments that do not fit a constructor; None if they fit."""
    signature = inspect.signature(function)
    try:
        signature.bind(None, *arguments, **options)
    except TypeError as error:
        names = [name for name in signature.parameters if name != "self"]
        unknown = [name for name in options if name not in names]
        shown = [*map(_short, arguments), *(f"{name}={_short(value)}" for name, value in options.items())]
        return ArgumentError(
            str(error),
            where=cls.__name__,
            expected=f"{cls.__name__}({', '.join(names)})",
            received=", ".join(shown) or "nothing",
            remedy=(did_you_mean(unknown[0], names) or None) if unknown else None,
            key_path=(unknown[0],) if unknown else (),
        )
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
