"""An operator of ONNX for which graphnet has no layer of its own."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from graphnet import Layer, RuleError, Shape, ShapeError
from graphnet.authoring import is_python_int, require

#: Operators whose results do not change, or jump, with their inputs: the error is 0.
FLAT = frozenset(
    [
        "And",
        "ArgMax",
        "ArgMin",
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "Ceil",
        "Equal",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "IsInf",
        "IsNaN",
        "Less",
        "LessOrEqual",
        "Not",
        "OneHot",
        "Or",
        "Round",
        "Sign",
        "Xor",
        "Cast",
        "Hardmax",
        "Binarizer",
        "LabelEncoder",
    ]
)
#: Operators each of whose numbers is one of the first input, or a constant.
SELECTING = frozenset(
    [
        "Pad",
        "Tile",
        "Gather",
        "GatherElements",
        "GatherND",
        "DepthToSpace",
        "SpaceToDepth",
        "Expand",
        "ReverseSequence",
        "Trilu",
        "Slice",
        "Compress",
        "Where",
        "ScatterElements",
        "ScatterND",
    ]
)


class OnnxOperator(Layer):
    """One output of an operator of ONNX, computed by :mod:`graphnet_onnx.operators`.

    Each row is computed as ONNX computes it, whatever axis of ONNX is the batch. There is an error for the inputs if
    the operator selects numbers of its first input (``Pad``, ``Gather``, …), or if its result does not change with them
    (comparisons: the error is 0); for other operators ``backward`` raises a RuleError.

    Parameters
    ----------
    operator : str
    opset : int
        The version of the operators of its domain.
    inputs : tuple
        For each input of the operator: None if it is left out; ``('value', dtype, axes, sizes)``, with the axis of the
        value for each axis of ONNX, -1 for one of size 1, and the sizes of the axes of the value after its rows, -1
        where they may vary; ``('array', dtype, shape, numbers)``; ``('shared', dtype, shape)``, a value that is the
        same for each row.
    rows : tuple of int
        The axes of the output in ONNX that are (time and) batch.
    sizes : tuple of int
        The sizes of the other axes of the output, -1 for those that depend on the input.
    attributes : tuple
        Pairs of name and value; an array is ``('array', dtype, shape, numbers)``.
    output : int
    domain : str

    Raises
    ------
    ConfigError
        For an operator that the table does not have.
    RuleError
        In ``backward``, see above.

    Examples
    --------
    >>> import numpy as np
    >>> floor = OnnxOperator("Floor", 13, (("value", "float32", (0, 1), (2,)),), (0,), (2,))
    >>> floor.forward(np.array([[0.5, -0.5]]))
    array([[ 0., -1.]])
    """

    operator: str
    opset: int
    inputs: tuple[Any, ...]
    rows: tuple[int, ...]
    sizes: tuple[int, ...]
    attributes: tuple[Any, ...] = ()
    output: int = field(default=0, kw_only=True)
    domain: str = field(default="", kw_only=True)

    def check(self) -> None:
        from graphnet_onnx.operators import Context, run, supported  # imports onnx, which takes a while

        known = (
            isinstance(self.operator, str) and isinstance(self.domain, str) and supported(self.operator, self.domain)
        )
        require(known, self, "operator", "an operator of graphnet_onnx.operators")
        require(is_python_int(self.opset, 1), self, "opset", "a positive integer")
        require(is_python_int(self.output, 0), self, "output", "the number of an output, from 0")
        rows = self.rows if isinstance(self.rows, tuple) else ()
        require(1 <= len(rows) <= 2 and all(is_python_int(n, 0) for n in rows), self, "rows", "one or two axes")
        sizes = self.sizes if isinstance(self.sizes, tuple) else (None,)
        require(all(is_python_int(n, -1) for n in sizes), self, "sizes", "integers, -1 where a size is not known")
        valid = isinstance(self.inputs, tuple) and all(entry is None or _is_entry(entry) for entry in self.inputs)
        require(valid and bool(self._values()), self, "inputs", "descriptions of the inputs, at least one a value")
        pairs = isinstance(self.attributes, tuple) and all(
            isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in self.attributes
        )
        require(pairs, self, "attributes", "pairs of name and value")
        attributes = {name: _attribute(value) for name, value in self.attributes}
        outputs = tuple(i == self.output for i in range(self.output + 1))
        self._context = Context(self.operator, self.opset, attributes, outputs, self.domain, self.operator)
        self._evaluate = run
        self._arrays = {i: _array(entry) for i, entry in enumerate(self.inputs) if entry and entry[0] == "array"}

    def _values(self) -> list[Any]:
        return [entry for entry in self.inputs if entry is not None and entry[0] != "array"]

    def infer(self, *inputs: Shape) -> Shape:
        if len(inputs) != len(self._values()):
            raise ShapeError("wrong number of inputs", where=repr(self)[:200], expected=len(self._values()),
                             received=len(inputs))  # fmt: skip
        leading: Shape | None = None
        for entry, shape in zip(self._values(), inputs, strict=True):
            self._check_input(entry, shape)
            if entry[0] == "value" and (
                leading is None or (len(self.rows) == 2 and shape.names[:2] == ("time", "batch"))
            ):
                leading = shape
        leading = leading or inputs[0]
        rows = len(self.rows)
        sizes = (*leading.sizes[:rows], *self._found_sizes(inputs))
        names = ("time", "batch") if rows == 2 else ("batch",)
        return Shape((*names, *(f"axis{i}" for i in range(rows, len(sizes)))), sizes, False)

    def _found_sizes(self, inputs: tuple[Shape, ...]) -> tuple[int | None, ...]:
        """The sizes after the rows; those that depend on the input are tried on one row of ones."""
        if -1 not in self.sizes or any(None in shape.sizes[len(self.rows) :] for shape in inputs):
            return tuple(None if n == -1 else n for n in self.sizes)
        shapes = [
            tuple(1 if name == "batch" or n is None else n for name, n in zip(s.names, s.sizes, strict=True))
            for s in inputs
        ]
        tried: tuple[int, ...] = self._run([np.ones(shape) for shape in shapes], [np.ones(1)]).shape
        return tried[len(self.rows) :]

    def _check_input(self, entry: Any, shape: Shape) -> None:
        """Refuse an input of other sizes than those with which the operator was imported."""
        if entry[0] != "value":
            return
        sizes = shape.sizes[shape.rank - len(entry[3]) :] if len(entry[3]) else ()
        fits = shape.rank - len(entry[3]) in (1, len(self.rows)) and all(
            n in (-1, m) or m is None for n, m in zip(entry[3], sizes, strict=True)
        )
        if not fits:
            raise ShapeError("the input does not fit the operator", where=repr(self)[:200],
                             expected=f"the axes of the rows, then {entry[3]}", received=str(shape))  # fmt: skip

    def apply(self, *inputs: Any) -> tuple[Any, Any]:
        return self._run(list(inputs), inputs), inputs

    def _run(self, inputs: list[Any], like: Any) -> Any:
        """The output for inputs in graphnet's axes."""
        dtype = next((x.dtype for x in like if x.dtype.kind == "f"), np.dtype(np.float64))
        arrays: list[Any] = []
        waiting = list(inputs)
        for number, entry in enumerate(self.inputs):
            if entry is None:
                arrays.append(None)
                continue
            wanted = np.dtype(entry[1])
            wanted = dtype if wanted.kind == "f" else wanted
            if entry[0] == "array":
                array = self._arrays[number]
            elif entry[0] == "shared":
                array = waiting.pop(0).reshape(-1, int(np.prod(entry[2], dtype=np.int64)))[0].reshape(entry[2])
            else:
                array = onnx_axes(waiting.pop(0), entry[2])
            arrays.append(array if array.dtype.kind in "OU" else array.astype(wanted, copy=False))
        result = self._evaluate(self._context, arrays)[self.output]
        if not isinstance(result, np.ndarray) or result.ndim != len(self.rows) + len(self.sizes):
            raise RuleError(f"{self.operator} gave another output than it was imported with", where=repr(self)[:200],
                            expected=f"an array of {len(self.rows) + len(self.sizes)} axes",
                            received=getattr(result, "shape", type(result).__name__))  # fmt: skip
        moved = np.moveaxis(result, self.rows, range(len(self.rows)))
        return np.ascontiguousarray(moved.astype(dtype, copy=False))

    def pull(self, saved: Any, error: Any) -> Any:
        inputs = saved
        if self.operator in FLAT:
            return None if len(inputs) == 1 else (None,) * len(inputs)
        if self.operator not in SELECTING or (self.operator == "Where" and self.inputs[0][0] != "value"):
            raise RuleError(
                f"operator {self.operator} of ONNX has no derivative here",
                where=repr(self)[:200],
                expected="an operator with a layer of graphnet",
                received=self.operator,
                remedy="Freeze the layers before it, or use the model for predictions only.",
            )
        errors = tuple(self._selected(inputs, number, error) for number in range(len(inputs)))
        return errors[0] if len(errors) == 1 else errors

    def _selected(self, inputs: Any, number: int, error: Any) -> Any:
        """The error of an input whose numbers are selected: where a change of it appears in the output."""
        x = inputs[number]
        if np.dtype(self._values()[number][1]).kind != "f":
            return None
        marks = np.arange(1.0, x.size + 1.0).reshape(x.shape)
        wide = [np.zeros(each.shape) if i != number and np.dtype(self._values()[i][1]).kind == "f" else each
                for i, each in enumerate(inputs)]  # fmt: skip
        once = self._run([*wide[:number], marks, *wide[number + 1 :]], [marks])
        twice = self._run([*wide[:number], 2.0 * marks, *wide[number + 1 :]], [marks])
        chosen = (once != 0) & (twice == 2.0 * once)
        total = np.zeros(x.size, error.dtype)
        np.add.at(total, once[chosen].astype(np.int64) - 1, error[chosen])
        return total.reshape(x.shape)


def onnx_axes(x: Any, axes: tuple[int, ...]) -> Any:
    """A value in the axes of ONNX: for each one the axis of the value, or -1 for one of size 1."""
    present = [axis for axis in axes if axis >= 0]
    missing = [axis for axis in range(x.ndim) if axis not in present]
    array = x.transpose([*missing, *present])[(0,) * len(missing)]
    return array.reshape([1 if axis < 0 else x.shape[axis] for axis in axes])


def _is_entry(entry: Any) -> bool:
    kinds = {"value": 4, "array": 4, "shared": 3}
    return isinstance(entry, tuple) and bool(entry) and entry[0] in kinds and len(entry) == kinds[entry[0]]


def _array(entry: Any) -> Any:
    """The array of an entry ``('array', dtype, shape, numbers)``."""
    kind, shape, numbers = entry[1:]
    if kind == "object":
        array = np.empty(len(numbers), object)
        array[:] = list(numbers)
        return array.reshape(shape)
    return np.array(numbers, np.dtype(kind)).reshape(shape)


def _attribute(value: Any) -> Any:
    if isinstance(value, tuple):
        if len(value) == 4 and value[0] == "array":
            return _array(value)
        return list(value)
    return value
