"""The batches that all generators return, and one-hot encoding."""

from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """A batch of sequences.

    Attributes
    ----------
    inputs : float32 array (time, batch, features)
        Zeros after the end of a sequence.
    lengths : int array (batch,)
        The number of steps of each sequence.
    targets : float32 array
        (batch, outputs), for the last step of each sequence; or (time, batch, outputs), for every step.
    """

    inputs: np.ndarray
    lengths: np.ndarray
    targets: np.ndarray

    def trimmed(self, rows: np.ndarray) -> "Batch":
        """Some of the rows, with the steps of the longest of them."""
        steps = int(self.lengths[rows].max())
        targets = self.targets[rows] if self.targets.ndim == 2 else self.targets[:steps, rows]
        return Batch(self.inputs[:steps, rows], self.lengths[rows], targets)


def one_hot(strings: list[str], alphabet: str, steps: int) -> np.ndarray:
    """Strings as ``(steps, len(strings), len(alphabet))``: one 1 at each symbol, zeros after the end."""
    encoded = np.zeros((steps, len(strings), len(alphabet)), np.float32)
    for row, string in enumerate(strings):
        encoded[np.arange(len(string)), row, [alphabet.index(symbol) for symbol in string]] = 1.0
    return encoded
