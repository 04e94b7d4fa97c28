"""The success criteria of Hochreiter & Schmidhuber 1997, tables 10 and 11."""

import numpy as np


class Recent:
    """The stopping criterion ST3 of the paper, over the 2000 most recent training sequences.

    All of them are processed correctly, and their average error is small.

    The error of a sequence is the largest absolute error of any output unit at its last step (so its average is never
    below an average over the units). A sequence is processed correctly if this is below ``tolerance``.

    Parameters
    ----------
    tolerance : float
        The beta of ABS(beta) in table 11.
    average : float
        The beta of ST3(beta) in table 11.
    count : int
    """

    def __init__(self, tolerance: float, average: float, count: int = 2000) -> None:
        self.tolerance, self.average, self.count = tolerance, average, count
        self.errors = np.zeros(0)

    def add(self, errors: np.ndarray) -> None:
        """Add the errors of sequences, in the order of training, computed before the update."""
        self.errors = np.concatenate([self.errors, errors])[-self.count :]

    @property
    def wrong(self) -> int:
        """The number of the most recent sequences that were not processed correctly."""
        return int((~(self.errors < self.tolerance)).sum())

    def met(self) -> bool:
        """Whether training may stop."""
        return len(self.errors) == self.count and self.wrong == 0 and float(self.errors.mean()) < self.average


def final_errors(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The largest absolute error of any output of each row: ``(rows, units)`` twice to ``(rows,)``."""
    return np.abs(outputs.astype(np.float64) - targets).max(axis=1)


def possible_first(outputs: np.ndarray, possible: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Whether, at every step of a string, each possible next symbol is more active than every impossible one.

    Parameters
    ----------
    outputs : array (time, strings, symbols)
    possible : bool array of the same shape
    lengths : int array (strings,)
        Valid steps.

    Returns
    -------
    bool array (strings,)
    """
    lowest_possible = np.where(possible, outputs, np.inf).min(axis=2)
    highest_impossible = np.where(possible, -np.inf, outputs).max(axis=2)
    beyond = np.arange(len(outputs))[:, None] >= lengths
    return ((lowest_possible > highest_impossible) | beyond).all(axis=0)
