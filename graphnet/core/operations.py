"""Operations that a backend may offer to the rules of layers, in addition to numpy: what each computes.

A rule that has a keyword-only parameter ``operations`` gets a mapping from members of :class:`Operation` to functions,
and calls them through :func:`offered`. It is empty where the backend offers none, so a rule must compute the same with
numpy; and a function returns None where numpy is as fast, or for arrays that it does not take. No operation knows a
layer, and arguments are never written.

Images are ``(channels, y, x, batch)``, with their margins of zeros where a window crosses the border; windows have two
axes, and all arrays one dtype. For sizes ``(m, n)``, strides ``s`` and dilations ``d``::

    WINDOWED_PRODUCT(images, weights (outputs, channels, m, n), bias (outputs,), window)
        y[k, u, v, b] = bias[k] + Σ_{c, i, j} weights[k, c, i, j] · images[c, s·u + d·i, s·v + d·j, b]

    WINDOWED_ERROR(errors (outputs, u, v, batch), weights, window, (y, x), margins)
        e[c, p, q, b] = Σ_{k, i, j} weights[k, c, i, j] · errors[k, u, v, b]  with  s·u + d·i = p,  s·v + d·j = q
        for the cells (p, q) of an image of size (y, x) that are not in the margins ((top, bottom), (left, right))

    WINDOWED_GRADIENT(images, errors, window, (m, n))
        (Σ_{u, v, b} errors[k, u, v, b] · images[c, s·u + d·i, s·v + d·j, b],  Σ_{u, v, b} errors[k, u, v, b])

For rows ``x (…, features)``, of which those count that ``valid (…)`` selects (None: all), ``count`` of them or 1::

    NORMALIZED(x, valid, count, weights (features,), bias (features,), epsilon)
        mean = Σ_i x[i] / count;  variance = Σ_i (x[i] - mean)² / count;  scale = 1 / √(variance + epsilon)
        normal = (x - mean) · scale;  y = normal · weights + bias, also of the rows that do not count
        returns y, normal, mean, variance, scale

    COLUMN_SUMS(error (…, features), other (…, features))
        (Σ_i error[i], Σ_i error[i] · other[i]) over all rows

For rows of logits, the index of each row's class (int64), and label smoothing s::

    CROSS_ENTROPY(scores (rows, classes), index (rows,), s)
        losses (rows,) = -Σ_k q_k log softmax(scores)_k;  errors (rows, classes) = softmax(scores) - q
        with q = (1 - s) one_hot(index) + s / classes

For elementwise recurrences (:mod:`graphnet.core.recurrences`), arrays ``(batch or 1, steps or 1, *inner)`` with axes of
size 1 where they are repeated, in the order of processing (views with any strides), and carried states ``(batch,
*inner)``, which are changed: from the values before the first step to those after the last one::

    ELEMENTWISE_RECURRENCE(kind, arrays by name); returns True once it is done
        "diagonal"         s = a s + b; after = s
        "diagonal error"   e = e + after error; b error = e; a error = e before; e = a e + before error
        "rotation"         x, y = re x - im y + b, re y + im x + c;  x after, y after = x, y
        "rotation error"   d, e = d + x error, e + y error;  b error, c error = d, e
                           re error, im error = d (x before) + e (y before), e (x before) - d (y before)
                           d, e = re d + im e + x early, re e - im d + y early
        "max plus"         m = max(f + m, i); after = m
        "max plus error"   e = e + after error; f error, i error = (e, 0) if f + before >= i else (0, e)
                           e = f error + before error

    Arrays of errors, and b and c, may be missing; "a sum", "re sum" and "im sum" ``(batch, *inner)`` in the place of
    "a error", "re error" and "im error" get their sums over the steps.

For a matrix state ``S (batch, *heads, key, value)`` with a full decay, in the same order, vectors ``(batch or 1, steps
or 1, *heads, key or value)``, and heads of size 1 where they are repeated::

    OUTER_RECURRENCE(arrays by name, before, form, size); returns True once it is done
        S = a ∘ S + keys valuesᵀ;  output i = Sᵀ (query i), of the S before the step where before[i] holds
        "states" (batch, chunks, …) get the S before every ``size`` steps; "state" is changed as carried states are
    OUTER_RECURRENCE_ERROR(arrays by name, before, form, size); returns True once it is done
        from "states", "output i error" and "state", the error of S, which is changed: "keys error", "values error" and
        "query i error" with all heads; if they are there, "decay error" (batch, steps, *heads, key or 1, value or 1)
        and "scale error" (batch, *heads, key, value), which is added to

    form "product": a = exp(decay (…, value or 1) ∘ scale (1, *heads, key, value))
    form "logs": a = exp(decay (…, key, value)); form "values": a = decay

A backend offers its functions as ``BindOptions.operations`` to layers, and as its attribute ``operations`` to losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

Pair = tuple[int, int]
Operations = Mapping[str, Callable[..., Any]]


#: Of backends that offer none.
NO_OPERATIONS: Operations = MappingProxyType({})


class Operation(StrEnum):
    """The operations that rules know; the module says what each computes."""

    WINDOWED_PRODUCT = "windowed product"
    WINDOWED_ERROR = "windowed error"
    WINDOWED_GRADIENT = "windowed gradient"
    NORMALIZED = "normalized"
    COLUMN_SUMS = "column sums"
    CROSS_ENTROPY = "cross entropy"
    ELEMENTWISE_RECURRENCE = "elementwise recurrence"
    OUTER_RECURRENCE = "outer recurrence"
    OUTER_RECURRENCE_ERROR = "outer recurrence error"


def offered(operations: Operations | None, operation: Operation, *arguments: Any) -> Any:
    """What an operation of the backend returns; None where it offers none, or leaves these arguments to numpy.

    Examples
    --------
    >>> offered(None, Operation.WINDOWED_PRODUCT) is None
    True
    """
    function = None if operations is None else operations.get(operation)
    return None if function is None else function(*arguments)


@dataclass(frozen=True, slots=True)
class Window:
    """Where a window stands in an image: its strides and dilations along y and x."""

    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)

    def positions(self, image: Pair, cells: Pair) -> Pair:
        """The numbers of positions along y and x of a window of ``cells`` in an image.

        Examples
        --------
        >>> Window((2, 1)).positions((7, 5), (3, 3))
        (3, 3)
        """
        axes = zip(image, cells, self.stride, self.dilation, strict=True)
        y, x = ((size - (m - 1) * d - 1) // s + 1 for size, m, s, d in axes)
        return y, x
