"""Notes: one line each about what a pass changed, composed when it is read and not while a program is compiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from graphnet.core.compile.trace.ir import LEAVES, ROWS, TOTAL, Trace

Note = Callable[[], str]


def unchanged(reason: str) -> Note:
    """Return the note of a pass that changed nothing."""
    return lambda: f"no change: {reason}"


def live_counts(trace: Trace) -> Counter[str]:
    """Count the live operations of a trace by name, without leaves and what is computed from weights alone."""
    live = trace.live()
    return Counter(
        o.name for v, o in enumerate(trace.values) if v in live and o.kind in (ROWS, TOTAL) and o.name not in LEAVES
    )


def products(trace: Trace) -> int:
    """Count the matrix products with weights."""
    counts = live_counts(trace)
    return counts["dot"] + counts["dots"]


def summary(trace: Trace) -> str:
    """Describe a trace as the rules wrote it."""
    counts = live_counts(trace)
    return (
        f"{sum(counts.values())} operations, forward and backward, without duplicates: {products(trace)} products with "
        f"weights, {counts['outer']} sums of products over rows"
    )
