"""Arrays that record: numpy computes with them as with arrays, and each result knows the term that it is."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.inspect.equations.terms import Arg, Term, number

#: Arrays of a rule with more numbers than this are refused; they are tables, and no part of an equation.
LARGEST_CONSTANT = 4096
#: Methods of arrays that are functions of numpy of the same name.
METHODS = frozenset(
    (
        "all", "any", "argmax", "argmin", "argsort", "clip", "cumprod", "cumsum", "diagonal", "dot", "max", "mean",
        "min", "prod", "ptp", "repeat", "round", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var",
    )
)  # fmt: skip
#: Functions that reduce axes, by their own name and older ones.
REDUCTIONS = {"sum": "sum", "mean": "mean", "max": "max", "min": "min", "prod": "prod", "amax": "max", "amin": "min"}
#: Ufuncs that a reduction repeats.
REDUCING = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}

_conditions: ContextVar[list[tuple[Term, bool]] | None] = ContextVar("conditions", default=None)


@contextlib.contextmanager
def conditions() -> Iterator[list[tuple[Term, bool]]]:
    """Collect the conditions on values on which a rule branches, with what they were."""
    found: list[tuple[Term, bool]] = []
    token = _conditions.set(found)
    try:
        yield found
    finally:
        _conditions.reset(token)


class Recorded(NDArrayOperatorsMixin):
    """An array and its term.

    Functions of numpy return recorded arrays, and assignments in place change the term. What would lose the term, such
    as ``np.asarray`` and ``float``, raises Untraceable.

    Parameters
    ----------
    value : array
    term : Term
    """

    __array_priority__: ClassVar[float] = 1000.0
    __hash__ = None  # type: ignore[assignment]  # == is elementwise
    #: Rules choose the form with fewer operations, which is the same function.
    inside_scan: ClassVar[bool] = True

    def __init__(self, value: Any, term: Term, base: Recorded | None = None, index: Any = None) -> None:
        self.value, self._term, self.base, self.index = np.asarray(value), term, base, index
        self.writes = 0
        self.seen = 0 if base is None else base.writes

    @property
    def term(self) -> Term:
        """What it is now.

        Raises
        ------
        Untraceable
            If it is another kind of view of an array that has been written to since.
        """
        if self.base is not None:
            whole = self.base.term
            if self.seen != self.base.writes:
                if self.index is None:
                    raise Untraceable("it reads a view of an array that it has written to")
                self.value, self.seen = self.base.value[self.index], self.base.writes
                self._term = term_at("getitem", [whole], self.value, index=_index(self.index, []))
        return self._term

    def write(self, term: Term, value: Any) -> None:
        """Have other numbers from now on."""
        if self.base is not None:
            if self.index is None:
                raise Untraceable("it writes to a view of an array")
            self.base[self.index] = Recorded(value, term)
            self.seen = self.base.writes
            self._term = term
            return
        self._term = term
        if self.value.flags.writeable:
            self.value[...] = value
        else:
            self.value = np.array(value)
        self.writes += 1

    # ------------------------------------------------------------------ numpy's protocols
    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        values = [plain(each) for each in inputs]
        called = getattr(function, method)
        where = options.pop("where", True)
        if where is not True or function.nout != 1:
            raise Untraceable(f"it uses np.{function.__name__} with where= or several results")
        if method == "__call__":
            options.pop("casting", None)
            if options:
                return _made(function.__name__, called, inputs, options, out)
            found = called(*values)
            made = Recorded(found, term_at(function.__name__, [term_of(each) for each in inputs], found))
        elif method == "reduce" and function.__name__ in REDUCING:
            made = _reduction(REDUCING[function.__name__], called, inputs, options)
        else:
            return _made(f"{function.__name__}.{method}", called, inputs, options, out)
        return made if out is None else _written(out, made)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        made = handled(function, args, kwargs)
        return made if out is None else _written((out,), made)

    def _refuse(self, what: str) -> NoReturn:
        raise Untraceable(f"it {what}")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("needs the numbers of an array")

    def __float__(self) -> float:
        found = _conditions.get()
        if found is None or self.value.ndim or self.term.op != "name":
            self._refuse("reads a number of an array")
        value = float(self.value)
        found.append((Term("equal", (self.term, number(value)), {}, (), "b"), True))
        return value

    def __index__(self) -> NoReturn:
        self._refuse("reads a number of an array")

    __int__ = __complex__ = __index__

    def __bool__(self) -> bool:
        found = _conditions.get()
        if found is None or self.value.size != 1:
            self._refuse("branches on the numbers of an array")
        found.append((self.term, bool(self.value)))
        return bool(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        return len(self.value)

    # ------------------------------------------------------------------ attributes
    @property
    def shape(self) -> tuple[int, ...]:
        """As that of an array; so are the following attributes."""
        return self.value.shape

    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    itemsize = property(lambda self: self.value.itemsize)
    nbytes = property(lambda self: self.value.nbytes)
    strides = property(lambda self: self.value.strides)
    flags = property(lambda self: self.value.flags)
    T = property(lambda self: np.transpose(self))

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return lambda *args, **kwargs: getattr(np, name)(self, *args, **kwargs)
        raise AttributeError(f"an array that is being recorded has no attribute {name!r}")

    # ------------------------------------------------------------------ methods
    def reshape(self, *shape: Any, **options: Any) -> Any:
        """As the method of an array."""
        given = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
        return np.reshape(self, tuple(given), **options)  # type: ignore[call-overload]

    def transpose(self, *axes: Any) -> Any:
        """As the method of an array."""
        given = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return np.transpose(self, given or None)  # type: ignore[call-overload]

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """As the method of an array."""
        kind = np.dtype(dtype)
        found = self.value.astype(kind)
        if kind.kind == self.value.dtype.kind:
            return Recorded(found, self.term)
        return Recorded(
            found, term_at("astype", [self.term], found, dtype={"b": "bool", "i": "int"}.get(kind.kind, "float"))
        )

    def copy(self, *args: Any, **kwargs: Any) -> Recorded:
        """As the method of an array."""
        return Recorded(self.value.copy(), self.term)

    def ravel(self, *args: Any, **kwargs: Any) -> Any:
        """As the method of an array."""
        return np.reshape(self, -1)  # type: ignore[call-overload]

    flatten = ravel

    def __getitem__(self, index: Any) -> Recorded:
        args: list[Term] = [self.term]
        canonical = _index(index, args)
        found = self.value[plain(index)]
        basic = len(args) == 1
        term = term_at("getitem", args, found, index=canonical)
        return Recorded(found, term, self, index) if basic and isinstance(found, np.ndarray) else Recorded(found, term)

    def __setitem__(self, index: Any, value: Any) -> None:
        part = term_of(value)
        current = isinstance(value, Recorded) and value.base is self and value.seen == self.writes
        if current and repr(value.index) == repr(index):  # the second half of ``array[index] += …``
            return
        args = [self.term, part]
        canonical = _index(index, args)
        changed = self.value.copy()
        changed[plain(index)] = plain(value)
        self.write(term_at("update", args, changed, index=canonical), changed)


def plain(value: Any) -> Any:
    """The numbers of recorded arrays in nested containers."""
    if isinstance(value, Recorded):
        return value.value
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    return {key: plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def term_of(value: Any) -> Term:
    """The term of an operand: of a recorded array, a number, or an array of numpy.

    Raises
    ------
    Untraceable
        If it is something else, or a large array.
    """
    if isinstance(value, Recorded):
        return value.term
    if isinstance(value, (bool, np.bool_)):
        return number(bool(value))
    if isinstance(value, (int, np.integer)):
        return number(int(value))
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    if isinstance(value, (list, np.ndarray)):
        array = np.asarray(value)
        if array.size <= LARGEST_CONSTANT and array.dtype.kind in "fiub":
            if not array.ndim:
                return term_of(array.item())
            return Term("array", (), {"value": array}, array.shape, array.dtype.kind)
        raise Untraceable(f"it computes with a table of {array.size:,} numbers")
    raise Untraceable(f"it computes with a {type(value).__name__}")


def term_at(op: str, args: list[Term], found: Any, **options: Any) -> Term:
    """The term of an operation, with the shape and dtype of its result."""
    array = np.asarray(found)
    return Term(op, tuple(args), options, array.shape, array.dtype.kind)


def _written(out: Any, made: Any) -> Any:
    target = out[0] if isinstance(out, tuple) else out
    if not isinstance(target, Recorded):
        raise Untraceable("it writes its result to an array that is not recorded")
    target.write(made.term, made.value)
    return target


def _index(index: Any, args: list[Term]) -> tuple[Any, ...]:
    """An index as plain data; arrays in it become arguments."""
    found: list[Any] = []
    for each in index if isinstance(index, tuple) else (index,):
        if isinstance(each, (Recorded, np.ndarray, list)) and np.ndim(plain(each)):
            args.append(term_of(each))
            found.append(Arg(len(args) - 1))
        elif isinstance(each, Recorded):
            args.append(each.term)
            found.append(Arg(len(args) - 1))
        else:
            found.append(each)
    return tuple(found)


#: What records functions of numpy, by name; those that are not here are recorded with their arguments as they are.
HANDLERS: dict[str, Callable[..., Any]] = {}


def handled(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function of numpy returns."""
    own = REDUCTIONS.get(function.__name__)
    if own is not None:
        return _reduction(own, function, args, kwargs)
    handler = HANDLERS.get(function.__name__)
    if handler is None:
        return _made(function.__name__, function, args, kwargs, None)
    try:
        return handler(*args, **kwargs)
    except TypeError as error:
        raise Untraceable(f"it uses an option of np.{function.__name__}: {error}") from error


def _made(name: str, function: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """The result of any function, with its arguments as they are."""
    terms: list[Term] = []

    def structure(value: Any) -> Any:
        if isinstance(value, (Recorded, np.ndarray)):
            terms.append(term_of(value))
            return Arg(len(terms) - 1)
        if isinstance(value, (list, tuple)):
            return type(value)(map(structure, value))
        return value

    options = {"positional": structure(tuple(args)), "keywords": {key: structure(each) for key, each in kwargs.items()}}
    found = function(*plain(tuple(args)), **plain(dict(kwargs)))
    several = isinstance(found, (tuple, list))
    if several:
        whole = Term(name, tuple(terms), options)
        return type(found)(Recorded(each, term_at("part", [whole], each, number=i)) for i, each in enumerate(found))
    shared = next((x for x in args if isinstance(x, Recorded) and np.may_share_memory(found, x.value)), None)
    made = Recorded(found, term_at(name, terms, found, **options), shared)
    return made if out is None else _written(out, made)


def _reduction(name: str, function: Any, args: Any, kwargs: Any) -> Any:
    """A sum, a mean, an extremum or a product over axes."""
    kwargs = {key: value for key, value in kwargs.items() if key != "dtype" or value is not None}
    of_ufunc = isinstance(function, type(np.add.reduce))
    if of_ufunc:
        given = dict(zip(("array", "axis", "dtype", "out", "keepdims"), args, strict=False)) | kwargs
    else:
        given = dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    x = given.pop(next(iter(given)))
    axis, keepdims = given.pop("axis", 0 if of_ufunc else None), given.pop("keepdims", False)
    if set(given) - {"dtype", "out"} or not isinstance(x, Recorded):
        return _made(name, function, args, kwargs, None)
    keepdims = keepdims is True
    axes = None if axis is None else tuple(int(a) for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    found = getattr(np, name)(x.value, axis=axes, keepdims=keepdims)
    return Recorded(found, term_at(name, [x.term], found, axis=axes, keepdims=keepdims))
