"""Arrays of the file as values of the graph: the same for each row."""

from __future__ import annotations

import numpy as np

from graphnet import ConstantArray, FileError, LearnedArray, Value
from graphnet.layers.array_field import LARGEST
from graphnet_onnx.reading import layout
from graphnet_onnx.reading.dims import Dim
from graphnet_onnx.reading.scope import Scope
from graphnet_onnx.reading.values import Filled, Known, Term, new_atom


def spread(scope: Scope, array: np.ndarray, like: Value, *, parameter: bool, name: str = "") -> Value:
    """An array, in the axes after the rows, as a value with the rows of ``like``."""
    numbers = np.asarray(array)
    if numbers.dtype not in (np.float32, np.float64):
        numbers = numbers.astype(np.float32)
    if numbers.ndim == 0:
        numbers = numbers.reshape(1)
    if not np.isfinite(numbers).all():
        raise FileError("a constant is not finite", expected="finite numbers", received="NaN or infinity")
    if not parameter and numbers.size <= LARGEST:
        return scope.apply(ConstantArray(numbers), like, name=name)  # type: ignore[arg-type]
    layer = LearnedArray(numbers.shape, initial=0.0, dtype=numbers.dtype.name, trainable=parameter)  # type: ignore[call-arg]
    layer.set_weights(numbers)
    return scope.apply(layer, like, name=name or "array")


def as_term(scope: Scope, value: Known | Filled) -> Term:
    """A constant as a value: the same for each row of the reference of a graph.

    Raises
    ------
    MixedRowsError
        If it differs from row to row.
    """
    reference = scope.reference
    assert reference is not None
    array = value.array
    dims = value.dims
    batch = reference.sizes[reference.batch]
    rows = [i for i, n in enumerate(dims) if n == batch and array.shape[i] == 1 and isinstance(n, Dim)]
    inner = [i for i in range(len(dims)) if i not in rows[:1]]
    if any(isinstance(dims[i], Dim) for i in inner):
        raise layout.mixed_rows("a constant is repeated along an axis whose size is not known")
    sizes = [n for i in inner for n in (dims[i],) if isinstance(n, int)]
    numbers = np.broadcast_to(array, [n if i in inner else 1 for i, n in enumerate(dims)])  # type: ignore[misc]
    whole_array = numbers.reshape(sizes or [1])
    base = layout.demoted(reference, scope.move)
    like = base.value
    rank = len(base.axes) - 1
    if len(sizes) > max(rank, 1):  # ConstantArray needs a row with as many axes
        flat = layout.arranged(base, (base.axes[0], tuple(a for axis in base.axes[1:] for a in axis)), scope.move)
        like = spread(
            scope, whole_array.reshape(-1), flat.value, parameter=isinstance(value, Known) and value.parameter
        )
        atoms = tuple(new_atom() for _ in sizes)
        axes: tuple[tuple[int, ...], ...] = (base.axes[0], atoms)
    else:
        like = spread(scope, whole_array, like, parameter=isinstance(value, Known) and value.parameter)
        padding = tuple((new_atom(),) for _ in range(max(rank, 1) - max(len(sizes), 1)))
        atoms = tuple(new_atom() for _ in sizes or [1])
        axes = (base.axes[0], *padding, *[(atom,) for atom in atoms])
    groups: list[tuple[int, ...]] = []
    left = list(atoms if sizes else ())
    for i in range(len(dims)):
        groups.append((base.batch,) if i in rows[:1] else (left.pop(0),))
    known = {atom: 1 for axis in axes[1:] for atom in axis} | dict(zip(atoms, sizes or [1], strict=True))
    return Term(like, axes, tuple(groups), known | {base.batch: batch}, 1, np.dtype(array.dtype))
