"""Rules that make arrays: the same functions, with a numpy that knows sizes and arrays of a file.

``np.zeros((x.shape[0], 3))`` and ``np.asarray(x)`` are not among the functions that numpy hands over to the arrays that
are being recorded. Where a rule fails without, it is recorded once more with copies of its functions, in which the name
of the module numpy stands for a :class:`Numpy`. Nothing outside these copies changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.describe.rule_copies import FunctionCopies, RuleCopies
from graphnet_onnx.writing.array import FUNCTIONS, TracedArray, counting, lifted
from graphnet_onnx.writing.scope import Scope, Untraceable
from graphnet_onnx.writing.sizes import free


class Numpy:
    """The module numpy, for one scope: new arrays are arrays of the file, which can be written to."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    # ------------------------------------------------------------------ new arrays
    def full(self, shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C") -> Any:
        """An array of one number."""
        sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        sizes = tuple(self.scope.recognized(size) for size in sizes)
        if isinstance(fill_value, TracedArray):
            return FUNCTIONS["broadcast_to"](fill_value if dtype is None else fill_value.astype(dtype), sizes).copy()
        name = self.scope.constant(np.full((1,) * len(sizes), fill_value, dtype))
        kind = np.full((), fill_value, dtype).dtype
        whole = self.scope.op("Expand", name, self.scope.shape(sizes)) if sizes else name
        return TracedArray(self.scope, whole, sizes, kind)

    def zeros(self, shape: Any, dtype: Any = float, order: Any = "C") -> Any:
        """Zeros."""
        return self.full(shape, 0, dtype)

    def ones(self, shape: Any, dtype: Any = float, order: Any = "C") -> Any:
        """Ones."""
        return self.full(shape, 1, dtype)

    empty = zeros

    def arange(self, start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
        """Numbers in steps of one size; of a free count."""
        if not any(map(free, (start, stop, step))):
            return np.arange(*([start] if stop is None else [start, stop, step]), dtype=dtype)
        first, end = (0, start) if stop is None else (start, stop)
        if not all(isinstance(each, int) for each in (first, end, step)) or step == 0:
            raise Untraceable("it uses np.arange with a free size and fractions")
        count = (end - first + (step - 1)) // step if step > 0 else (first - end + (-step - 1)) // -step
        numbers = counting(self.scope, count, np.int64)
        return (numbers * step + first).astype(np.int64 if dtype is None else dtype)

    def linspace(self, start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None) -> Any:
        """Numbers at equal distances; of a free count."""
        if not free(num):
            return np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype)
        numbers = counting(self.scope, num, np.float64)
        between = numbers * 0.0 + (num - 1 if endpoint else num)
        result = start + numbers * ((stop - start) / np.maximum(between, 1.0))
        return result if dtype is None else result.astype(dtype)

    def eye(self, N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Any:
        """Ones on a diagonal."""
        columns = N if M is None else M
        if not free(N) and not free(columns):
            return lifted(self.scope, np.eye(N, M, k, dtype))
        rows, across = self.arange(N)[..., None], self.arange(columns)
        return FUNCTIONS["where"](across == rows + k, np.dtype(dtype).type(1), np.dtype(dtype).type(0))

    identity = eye

    def tri(self, N: Any, M: Any = None, k: int = 0, dtype: Any = float) -> Any:
        """Ones below a diagonal, and on it."""
        rows, across = self.arange(N)[..., None], self.arange(N if M is None else M)
        if not isinstance(rows, TracedArray) and not isinstance(across, TracedArray):
            return lifted(self.scope, np.tri(N, M, k, dtype))
        return FUNCTIONS["where"](across <= rows + k, np.dtype(dtype).type(1), np.dtype(dtype).type(0))

    # ------------------------------------------------------------------ conversions
    def asarray(self, a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        """An array as it is; a list of arrays as one."""
        if isinstance(a, TracedArray):
            return a if dtype is None or a.dtype == dtype else a.astype(dtype)
        if isinstance(a, (list, tuple)) and any(_traced(item) for item in a):
            rows = [self.asarray(item) for item in a]
            rows = [row if isinstance(row, TracedArray) else lifted(self.scope, np.asarray(row)) for row in rows]
            joined = FUNCTIONS["stack"](rows, 0)
            return joined if dtype is None else joined.astype(dtype)
        return np.asarray(a, dtype)

    def array(self, object: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        """A new array."""
        made = self.asarray(object, dtype)
        return made.copy()

    ascontiguousarray = asanyarray = asarray


def _traced(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_traced, value))
    return isinstance(value, TracedArray)


def rules(layer: Any, scope: Scope) -> RuleCopies:
    """A layer whose methods are copies that compute with the numpy of a scope."""
    return RuleCopies(layer, FunctionCopies(Numpy(scope)))
