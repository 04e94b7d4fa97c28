"""Which parts of a pass run with one BLAS thread: decided when a plan is bound, by the sizes of its products."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from graphnet.core.records import record

#: Multiply-adds from which on a product may use all BLAS threads: about 200 µs on one core.
LARGE = {"float32": 8_000_000, "float64": 4_000_000}


@record
class ThreadPolicy:
    """The largest products of a part of a pass, and the numbers of threads that follow from them.

    Attributes
    ----------
    dtype : {'float32', 'float64'}
    loops : int
        Multiply-adds of the largest product in one step of a loop; 0 without a loop.
    outside : int
        The same for products outside loops, for one block of rows.
    """

    dtype: str
    loops: int = 0
    outside: int = 0

    @property
    def whole(self) -> int | None:
        """The number of threads for the whole part: 1 where every product is small; None: no limit."""
        return 1 if max(self.loops, self.outside) < LARGE[self.dtype] else None

    @property
    def in_loops(self) -> int | None:
        """The number of threads for the loops only: 1 where only their products are small; None: no limit."""
        return 1 if self.whole is None and 0 < self.loops < LARGE[self.dtype] else None

    def looped(self) -> ThreadPolicy:
        """The policy of a loop that repeats this part."""
        return ThreadPolicy(self.dtype, max(self.loops, self.outside))

    def __str__(self) -> str:
        if self.whole:
            return f"one BLAS thread: products of at most {max(self.loops, self.outside):,} multiply-adds"
        if self.in_loops:
            inside, outside = f"{self.loops:,} multiply-adds", f"{self.outside:,}"
            return f"one BLAS thread in the loops: products of at most {inside} there, and of {outside} outside"
        return f"all threads that the BLAS has: products of up to {max(self.loops, self.outside):,} multiply-adds"


def combined(dtype: str, policies: Iterable[ThreadPolicy]) -> ThreadPolicy:
    """The policy of several parts together."""
    loops = outside = 0
    for policy in policies:
        loops, outside = max(loops, policy.loops), max(outside, policy.outside)
    return ThreadPolicy(dtype, loops, outside)


def of_rules(
    dtype: str, inputs: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]], weights: Sequence[Sequence[int]]
) -> ThreadPolicy:
    """The policy of a layer's rules, from the shapes of its inputs, outputs and weights.

    What a rule computes is unknown, so this is an upper bound: matrices ``(m, k)``, ``(k, n)`` and ``(m, n)`` of ``a``,
    ``b`` and ``c`` elements have a product of ``mkn = √(abc)`` multiply-adds. The three are the largest input, the
    largest output and the largest weight; without a weight of two axes, the larger of input and output again.

    Examples
    --------
    >>> of_rules("float32", [(32, 20)], [(32, 10)], [(20, 10)]).outside == 32 * 20 * 10
    True
    """
    a, c = _largest(inputs), _largest(outputs)
    b = _largest([shape for shape in weights if len(shape) > 1]) or max(a, c)
    return ThreadPolicy(dtype, outside=math.isqrt(a * b * c))


def _largest(shapes: Iterable[Sequence[int]]) -> int:
    return max((math.prod(shape) for shape in shapes), default=0)
