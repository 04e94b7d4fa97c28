"""Functions of numpy on recorded arrays, and the module numpy for rules that make arrays and write to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.inspect.equations.recorded import HANDLERS, Recorded, plain, term_at, term_of
from graphnet.inspect.equations.terms import Arg, Term


def _handler(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return declare


def _join(name: str) -> Callable[..., Any]:
    def join(arrays: Any, axis: int = 0) -> Recorded:
        found = getattr(np, name)([plain(each) for each in arrays], axis=axis)
        return Recorded(found, term_at(name, [term_of(each) for each in arrays], found, axis=axis))

    return join


HANDLERS.update({name: _join(name) for name in ("concatenate", "stack")})


@_handler("where")
def _where(condition: Any, x: Any, y: Any) -> Recorded:
    found = np.where(plain(condition), plain(x), plain(y))
    return Recorded(found, term_at("where", [term_of(each) for each in (condition, x, y)], found))


@_handler("reshape")
def _reshape(a: Any, shape: Any, order: str = "C") -> Recorded:
    found = np.reshape(a.value, shape, order=order)  # type: ignore[call-overload]
    if order != "C":
        raise Untraceable("it reshapes in another order")
    if found.shape == a.shape:
        return a  # type: ignore[no-any-return]
    return Recorded(found, term_at("reshape", [a.term], found, shape=found.shape), a)


@_handler("transpose")
def _transpose(a: Any, axes: Any = None) -> Recorded:
    found = np.transpose(a.value, axes)
    order = tuple(range(a.ndim))[::-1] if axes is None else tuple(int(each) % a.ndim for each in axes)
    return Recorded(found, term_at("transpose", [a.term], found, axes=order), a)


@_handler("dot")
def _dot(a: Any, b: Any) -> Any:
    if np.ndim(plain(a)) in (1, 2) and np.ndim(plain(b)) in (1, 2):
        return np.matmul(a, b)
    found = np.dot(plain(a), plain(b))
    return Recorded(found, term_at("dot", [term_of(a), term_of(b)], found, positional=(Arg(0), Arg(1)), keywords={}))


@_handler("full_like", "zeros_like", "ones_like", "empty_like")
def _like(
    a: Any, fill_value: Any = 0.0, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    return full(a.shape if shape is None else shape, fill_value, a.dtype if dtype is None else dtype)


def _ones_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return _like(a, 1.0, dtype, shape=shape)


def _zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
    return _like(a, 0.0, dtype, shape=shape)


HANDLERS.update(ones_like=_ones_like, zeros_like=_zeros_like, empty_like=_zeros_like)


@_handler("copy")
def _copy(a: Any, *args: Any, **kwargs: Any) -> Any:
    return a.copy()


@_handler("broadcast_to")
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Recorded:
    found = np.broadcast_to(plain(array), shape)
    if found.shape == np.shape(plain(array)):
        return array  # type: ignore[no-any-return]
    return Recorded(found, term_at("broadcast_to", [term_of(array)], found, shape=found.shape), array)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Recorded:
    """A new array of one number, which may be written to."""
    found = np.full(shape, plain(fill_value), dtype)
    value = term_of(fill_value)
    if value.op != "number":
        raise Untraceable("it fills an array with a number of another")
    return Recorded(found, Term("full", (), {"shape": found.shape, "value": value.options["value"]}, found.shape))


class RecordingNumpy:
    """The module numpy, where new arrays are recorded, so that they can be written to."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def full(self, shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C") -> Any:
        """As np.full; so are the following."""
        return full(shape, fill_value, dtype)

    def zeros(self, shape: Any, dtype: Any = float, order: Any = "C") -> Any:
        """Zeros."""
        return full(shape, 0.0, dtype)

    def ones(self, shape: Any, dtype: Any = float, order: Any = "C") -> Any:
        """Ones."""
        return full(shape, 1.0, dtype)

    empty = zeros

    def asarray(self, a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        """An array as it is; a list of arrays as one."""
        if isinstance(a, (list, tuple)) and any(isinstance(each, Recorded) for each in a):
            a = np.stack([self.asarray(each) for each in a])
        if isinstance(a, Recorded):
            return a if dtype is None else a.astype(dtype)
        return np.asarray(a, dtype)

    def array(self, object: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        """A new array."""
        made = self.asarray(object, dtype)
        return made.copy()

    ascontiguousarray = asanyarray = asarray
