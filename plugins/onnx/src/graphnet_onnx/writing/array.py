"""Arrays that stand for values of an ONNX file: what numpy does with them becomes operators."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from graphnet_onnx.writing.scope import Scope, Untraceable
from graphnet_onnx.writing.sizes import free

#: Why numbers are lost.
VIEWED = "it writes to an array of which there is a view"

#: Handlers of numpy's functions, by name; filled by the modules that implement them.
FUNCTIONS: dict[str, Callable[..., Any]] = {}


def implements(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the handler of functions of numpy."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            FUNCTIONS[name] = function
        return function

    return declare


class TracedArray(NDArrayOperatorsMixin):
    """A value of a file, with a shape and a dtype.

    A converter of a layer gets one for each input and each array of the layer, and returns one. Operators, ufuncs and
    many functions of numpy work; :meth:`op` adds any operator of ONNX.

    Parameters
    ----------
    scope : Scope
    name : str
        Of the value in the file.
    shape : tuple of int
        Sizes of free axes are :class:`~graphnet_onnx.writing.sizes.Size`.
    dtype : numpy dtype
    """

    __array_priority__: ClassVar[float] = 1000.0
    __hash__ = None  # type: ignore[assignment]  # == is elementwise
    flags: ClassVar[Any] = None

    def __init__(self, scope: Scope, name: str, shape: Sequence[int], dtype: Any) -> None:
        self.scope, self._name, self.dtype = scope, name, np.dtype(dtype)
        self.shape: tuple[int, ...] = tuple(scope.recognized(size) for size in shape)
        #: The array that this one is a view of, if it is one, and the views of this one.
        self.base: TracedArray | None = None
        self.views: list[weakref.ref[TracedArray]] = []
        #: Why the numbers are not known any more, if they are not.
        self.lost: str | None = None

    @property
    def name(self) -> str:
        """The name of the value in the file.

        Raises
        ------
        Untraceable
            If a view of the array has been written to, or the array of which it is a view.
        """
        if self.lost is not None:
            raise Untraceable(self.lost)
        return self._name

    # ------------------------------------------------------------------ building
    def op(self, operator: str, *inputs: Any, shape: Sequence[int], dtype: Any = None, **attributes: Any) -> Any:
        """Add a node of an operator of ONNX whose first input is this array.

        Parameters
        ----------
        operator : str
            Of the default domain, such as ``"Relu"``.
        *inputs : array or None
            Further inputs; numbers and arrays of numpy become constants, None leaves an input out.
        shape : tuple of int
            Of the output.
        dtype : numpy dtype, optional
            Of the output; that of this array by default.
        **attributes
            Of the node.
        """
        names = ["" if each is None else self.lift(each).name for each in inputs]
        return TracedArray(
            self.scope, self.scope.op(operator, self.name, *names, **attributes), shape, dtype or self.dtype
        )

    def lift(self, value: Any, dtype: Any = None) -> TracedArray:
        """A number or an array as a value of the file."""
        if isinstance(value, TracedArray):
            return value if dtype is None or value.dtype == dtype else value.astype(dtype)
        return lifted(self.scope, np.asarray(value, dtype))

    def view(self, name: str, shape: Sequence[int]) -> TracedArray:
        """Another array over the same numbers."""
        array = TracedArray(self.scope, name, shape, self.dtype)
        array.base = self if self.base is None else self.base
        array.base.views.append(weakref.ref(array))
        return array

    def become(self, value: TracedArray) -> None:
        """Hold other numbers from now on: an assignment in place. Views of the array cannot be read any more.

        Raises
        ------
        Untraceable
            If it is a view.
        """
        if self.base is not None:
            raise Untraceable(VIEWED)
        self._name, self.lost = value.name, None
        for each in self.views:
            view = each()
            if view is not None:
                view.lost = VIEWED
        self.views = []

    def in_place(self, function: np.ufunc, other: Any) -> TracedArray:
        """The result of ``+=`` and the like.

        That of a view is a part of ``base[index] += other``, if an assignment to the base follows; until then the base
        cannot be read.
        """
        result = self.lift(function(self, other), self.dtype)
        if self.base is None:
            self.become(result)
            return self
        part = TracedArray(self.scope, result.name, self.shape, self.dtype)
        part.base, part.lost, self.base.lost = self.base, VIEWED, VIEWED
        return part

    def settled(self, part: Any) -> Any:
        """A value to be assigned to a part of this array, which may be the result of an operation in place on it."""
        if isinstance(part, TracedArray) and part.base is self and part.lost is not None and self.lost is not None:
            self.lost = None
            return TracedArray(self.scope, part._name, part.shape, part.dtype)
        return part

    # ------------------------------------------------------------------ numpy's protocols
    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        handler = FUNCTIONS.get(f"ufunc {method}")
        if handler is None:
            raise Untraceable(f"it uses np.{function.__name__}.{method}")
        return handler(function, *inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        handler = FUNCTIONS.get(function.__name__)
        if handler is None:
            raise Untraceable(f"it uses np.{function.__name__}")
        try:
            return handler(*args, **kwargs)
        except TypeError as error:
            raise Untraceable(f"it uses an option of np.{function.__name__}: {error}") from error

    def _refuse(self, what: str) -> NoReturn:
        raise Untraceable(f"it {what}, which is known only when the file runs")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("needs the numbers of an array as a plain array (np.asarray, or an index of another array)")

    def __bool__(self) -> NoReturn:
        self._refuse("branches on the numbers of an array")

    def __float__(self) -> NoReturn:
        self._refuse("reads a number of an array")

    def __iter__(self) -> Any:
        if free(self.shape[0]):
            self._refuse("goes over the rows or steps of an array one by one")
        return (self[i] for i in range(self.shape[0]))

    __int__ = __index__ = __complex__ = __float__

    # ------------------------------------------------------------------ attributes
    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        total: int = 1
        for size in self.shape:
            total = total * size
        return total

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(map(int, self.shape)) * self.itemsize

    def __len__(self) -> int:
        return int(self.shape[0])

    @property
    def T(self) -> Any:
        """The array with its axes in reverse order."""
        return self.transpose()

    def __getitem__(self, index: Any) -> Any:
        return FUNCTIONS["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        FUNCTIONS["setitem"](self, index, value)

    def __iadd__(self, other: Any) -> Any:
        return self.in_place(np.add, other)

    def __isub__(self, other: Any) -> Any:
        return self.in_place(np.subtract, other)

    def __imul__(self, other: Any) -> Any:
        return self.in_place(np.multiply, other)

    def __itruediv__(self, other: Any) -> Any:
        return self.in_place(np.true_divide, other)

    # ------------------------------------------------------------------ methods
    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> TracedArray:
        """The array in another dtype."""
        wanted = np.dtype(dtype)
        if wanted == self.dtype:
            return self.copy()
        return TracedArray(self.scope, self.scope.cast(self.name, wanted), self.shape, wanted)

    def copy(self, *args: Any, **kwargs: Any) -> TracedArray:
        """An array with the same numbers."""
        return TracedArray(self.scope, self.name, self.shape, self.dtype)

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """The elements in another shape."""
        return FUNCTIONS["reshape"](self, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order."""
        given = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return FUNCTIONS["transpose"](self, given or None)

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return lambda *args, **kwargs: FUNCTIONS[name](self, *args, **kwargs)
        raise AttributeError(f"an array that is being recorded has no attribute {name!r}")


#: Methods of arrays that are numpy's functions of the same name.
METHODS = frozenset(
    {
        "all", "any", "argmax", "argmin", "clip", "cumsum", "dot", "max", "mean", "min", "prod", "ravel", "repeat",
        "round", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var", "flatten",
    }
)  # fmt: skip


def lifted(scope: Scope, array: Any) -> TracedArray:
    """An array of numpy as a value: along a free axis it is the same everywhere, or grows by the same number.

    Raises
    ------
    Untraceable
        If an array depends on a free size in another way.
    """
    core = np.asarray(array)
    if core.dtype.kind not in "fiub" or core.dtype == np.float16:
        raise Untraceable(f"it uses an array of dtype {core.dtype}")
    sizes: list[int] = [scope.recognized(size) for size in core.shape]
    growth: list[tuple[int, Any]] = []
    for axis, size in enumerate(sizes):
        if not free(size):
            continue
        first, second = np.take(core, [0], axis), np.take(core, [1], axis)
        if not (core == first).all():
            step = second.astype(core.dtype) - first if core.dtype != bool else None
            along = [-1 if i == axis else 1 for i in range(core.ndim)]
            count = np.arange(core.shape[axis], dtype=core.dtype).reshape(along)
            if step is None or not (core == first + count * step).all() or (step != step.flat[0]).any():
                raise Untraceable("it makes an array that depends on the number of rows or steps")
            growth.append((axis, step.flat[0]))
        core = first
    name = scope.constant(core)
    if core.shape != np.shape(array):
        name = scope.op("Expand", name, scope.shape(sizes))
    whole = TracedArray(scope, name, sizes, core.dtype)
    for axis, step in growth:
        numbers = counting(scope, sizes[axis], core.dtype)
        along = [sizes[axis] if i == axis else 1 for i in range(core.ndim)]
        whole = whole + (numbers * step).reshape(along)
    return whole


def counting(scope: Scope, size: Any, dtype: Any) -> TracedArray:
    """The numbers 0, 1, …, size - 1."""
    scalar = scope.op("Squeeze", scope.size(size))
    name = scope.op("Range", scope.constant(0, np.int64), scalar, scope.constant(1, np.int64))
    if np.dtype(dtype) != np.int64:
        name = scope.cast(name, dtype)
    return TracedArray(scope, name, (size,), dtype)
