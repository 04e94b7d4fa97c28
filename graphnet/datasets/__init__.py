"""Data sets: the small real ones that graphnet knows by name, and a user's own from an npz file.

>>> import graphnet.datasets
>>> vowels = graphnet.datasets.load("japanese_vowels")
>>> len(vowels.train), vowels.train.inputs["frames"][0].shape, vowels.train.targets[0]
(270, (20, 12), np.int64(0))
"""

from __future__ import annotations

from graphnet.datasets.dataset import Dataset, Split
from graphnet.datasets.npz_file import npz
from graphnet.datasets.pieces import Piece
from graphnet.datasets.stream import Stream
from graphnet.datasets.table import load, names
from graphnet.datasets.windows import Windows, windows

__all__ = ["Dataset", "Piece", "Split", "Stream", "Windows", "load", "names", "npz", "windows"]
