"""The adding problem: experiment 4 (section 5.4) of Hochreiter & Schmidhuber 1997."""

import numpy as np
from sequences import Batch

#: T, the minimum number of steps.
SHORTEST = 100
#: The first mark is on one of this many first pairs.
FIRST_MARK = 10


def batch(rng: np.random.Generator, size: int, shortest: int = SHORTEST) -> Batch:
    """New sequences of pairs (value, marker); the target is the scaled sum of the two marked values.

    Each sequence has T to T + T/10 pairs, T = ``shortest``. The values are uniform in [-1, 1]. One of the first ten
    pairs is marked, then one of the first T/2 - 1 unmarked pairs: their markers are 1. Of the other pairs, the first
    and the last have the marker -1, all others 0. The target, at the last step only, is
    ``0.5 + (X1 + X2) / 4``, with X1 and X2 the marked values. If the first pair is marked, its value is set to 0.

    Returns
    -------
    Batch
        Inputs ``(time, size, 2)``, targets ``(size, 1)``.
    """
    lengths = rng.integers(shortest, shortest + shortest // 10, size=size, endpoint=True)
    steps, rows = int(lengths.max()), np.arange(size)
    values = rng.uniform(-1.0, 1.0, size=(steps, size))
    markers = np.zeros((steps, size))
    markers[0] = markers[lengths - 1, rows] = -1.0
    first = rng.integers(FIRST_MARK, size=size)
    second = rng.integers(shortest // 2 - 1, size=size)
    second += second >= first  # counted among the pairs that are still unmarked
    markers[first, rows] = markers[second, rows] = 1.0
    values[0, (first == 0) | (second == 0)] = 0.0
    targets = 0.5 + (values[first, rows] + values[second, rows]) / 4.0
    inputs = np.stack([values, markers], axis=2)
    inputs[np.arange(steps)[:, None] >= lengths] = 0.0
    return Batch(inputs.astype(np.float32), lengths, targets[:, None].astype(np.float32))
