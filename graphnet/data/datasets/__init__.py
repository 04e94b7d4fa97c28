"""Data sets: two small ones that ship with graphnet or with scikit-learn, and a user's own from files and tables.

>>> import graphnet.data.datasets
>>> vowels = graphnet.data.datasets.load("japanese_vowels")
>>> len(vowels.train), vowels.train.inputs["frames"][0].shape, vowels.train.targets[0]
(270, (20, 12), np.int64(0))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.data.dataset import Dataset, Split
from graphnet.data.datasets.builtin import load, names
from graphnet.data.datasets.npz_file import npz
from graphnet.data.datasets.pieces import Piece
from graphnet.data.datasets.stream import Stream
from graphnet.data.datasets.windows import Windows, windows
from graphnet.data.folders.folder import folder
from graphnet.data.tables.table import table

__all__ = ["Dataset", "Piece", "Split", "Stream", "Windows", "folder", "load", "names", "npz", "table", "windows"]

explain_constructors([globals()[name] for name in __all__])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
