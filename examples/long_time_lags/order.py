"""Temporal order: experiments 6a and 6b (section 5.6) of Hochreiter & Schmidhuber 1997."""

import numpy as np
from sequences import Batch, one_hot

ALPHABET = "abcdEBXY"
NOISE, RELEVANT = "abcd", "XY"
#: Minimum and maximum number of symbols.
LENGTHS = (100, 110)
#: For each relevant symbol its first and last possible position, counted from 1, by the number of relevant symbols.
POSITIONS = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}


def strings(rng: np.random.Generator, size: int, relevant: int = 2) -> list[str]:
    """New strings: E, then random symbols a, b, c, d and ``relevant`` symbols X or Y, then B, the trigger."""
    results = []
    for _ in range(size):
        symbols = rng.choice(list(NOISE), size=rng.integers(*LENGTHS, endpoint=True))
        symbols[0], symbols[-1] = "E", "B"
        for low, high in POSITIONS[relevant]:
            symbols[rng.integers(low, high, endpoint=True) - 1] = RELEVANT[rng.integers(2)]
        results.append("".join(symbols))
    return results


def label(string: str) -> int:
    """The class: X as 0 and Y as 1 read as a binary number, so (X, X), (X, Y), (Y, X), (Y, Y) are Q, R, S, U."""
    return int("".join(str(RELEVANT.index(symbol)) for symbol in string if symbol in RELEVANT), 2)


def batch(rng: np.random.Generator, size: int, relevant: int = 2) -> Batch:
    """New sequences, one-hot; the target, at the last step only, has a 1 for the class and 0 for the others.

    Parameters
    ----------
    relevant : 2 or 3
        Experiment 6a, with 4 classes, or 6b, with 8.

    Returns
    -------
    Batch
        Inputs ``(time, size, 8)``, targets ``(size, 4)`` or ``(size, 8)``.
    """
    drawn = strings(rng, size, relevant)
    lengths = np.array([len(string) for string in drawn])
    targets = np.eye(2**relevant, dtype=np.float32)[[label(string) for string in drawn]]
    return Batch(one_hot(drawn, ALPHABET, int(lengths.max())), lengths, targets)
