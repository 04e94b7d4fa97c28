"""Elementwise computations on flat arrays as data, recorded from code that calls numpy's ufuncs.

An optimizer's rule writes its results with ``out=``. Called with :class:`Recorded` arrays in place of numpy's it
computes nothing, and each ufunc becomes an instruction of a :class:`Kernel`, which a backend may compile: one pass over
memory instead of one for each ufunc. Numbers are parameters of the kernel, so a rule whose factors differ from step to
step is recorded at each step and compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

#: ``run(inputs, constants, outputs)`` on contiguous arrays of one length and dtype; returns whether all results are
#: finite.
Compiled = Callable[[Sequence[Any], Sequence[float], Sequence[Any]], bool]
#: Returns a compiled kernel for a dtype; None if an instruction is unknown.
Compiler = Callable[["Kernel", str], "Compiled | None"]


class Factor(float):
    """A number of a rule that may differ from step to step; a recorder keeps it as it is, so that it is found again."""

    __slots__ = ()


class Unrecordable(Exception):
    """Code does something other than elementwise operations."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Instructions in order; an operand is the number of a value, or ``-1 - k`` for constant ``k``.

    Attributes
    ----------
    inputs : int
        Values 0 to ``inputs - 1`` are arrays that are read; each instruction adds one value.
    constants : int
    instructions : tuple of (str, tuple of int)
        The name of a ufunc, or ``where``, and its operands.
    outputs : tuple of int
        The values that are written.
    """

    inputs: int
    constants: int
    instructions: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[int, ...]


class Recorder:
    """Records one kernel.

    Parameters
    ----------
    inputs : int
    dtype : dtype
        Of all arrays.
    """

    def __init__(self, inputs: int, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.inputs: list[Any] = [Recorded(self, number) for number in range(inputs)]
        self.constants: list[float] = []
        self.instructions: list[tuple[str, tuple[int, ...]]] = []

    def room(self) -> Any:
        """An array that may be written; reading it before is an error."""
        return Recorded(self, None, True)

    def add(self, name: str, operands: Sequence[Any]) -> int:
        """Record an instruction; returns the number of its value."""
        self.instructions.append((name, tuple([self._operand(o) for o in operands])))
        return len(self.inputs) + len(self.instructions) - 1

    def _operand(self, operand: Any) -> int:
        if type(operand) is Recorded:
            if operand.value is None or operand.recorder is not self:
                raise Unrecordable("it reads an array that has not been written")
            return operand.value
        # numpy would promote: a float64 scalar, unlike a Python float, changes the dtype of a float32 result.
        if type(operand) is Factor:
            self.constants.append(operand)
            return -len(self.constants)
        if type(operand) in (float, int) or (isinstance(operand, np.generic) and operand.dtype == self.dtype):
            self.constants.append(float(operand))
            return -len(self.constants)
        raise Unrecordable(f"it computes with a {type(operand).__name__}")

    def kernel(self, outputs: Sequence[Recorded]) -> Kernel:
        """What has been recorded, with the present values of some arrays as outputs.

        Raises
        ------
        Unrecordable
            If one of them has not been written.
        """
        values = []
        for output in outputs:
            if output.value is None:
                raise Unrecordable("it does not write all results")
            values.append(output.value)
        return Kernel(len(self.inputs), len(self.constants), tuple(self.instructions), tuple(values))


class Recorded(NDArrayOperatorsMixin):
    """Stands for a flat array while a kernel is recorded.

    Parameters
    ----------
    recorder : Recorder
    value : int or None
        The number of its present value; None before it is written.
    writable : bool
    """

    __slots__ = ("recorder", "value", "writable")

    def __init__(self, recorder: Recorder, value: int | None, writable: bool = False) -> None:
        self.recorder, self.value, self.writable = recorder, value, writable

    @property
    def dtype(self) -> Any:
        """The dtype of all arrays of the kernel."""
        return self.recorder.dtype

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method != "__call__" or options or ufunc.nout != 1:
            raise Unrecordable(f"it uses np.{ufunc.__name__}.{method} with {', '.join(options) or 'several results'}")
        value = self.recorder.add(ufunc.__name__, inputs)
        if out is None:
            return Recorded(self.recorder, value)
        (target,) = out
        if type(target) is not Recorded or not target.writable:
            raise Unrecordable("it writes into an array that is not one of its results")
        target.value = value
        return target

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.where and len(args) == 3 and not kwargs:
            return Recorded(self.recorder, self.recorder.add("where", args))
        raise Unrecordable(f"it uses np.{function.__name__}")

    def __setitem__(self, index: Any, value: Any) -> None:
        if not self.writable or index not in (Ellipsis, slice(None)):
            raise Unrecordable("it assigns to part of an array")
        self.value = self.recorder.add("positive", (value,))

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise Unrecordable("it needs the numbers, or the shape, of an array")

    __array__ = __bool__ = __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unrecordable(f"it uses .{name} of an array")
