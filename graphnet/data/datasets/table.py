"""The data sets that graphnet knows by name."""

from __future__ import annotations

from collections.abc import Callable

from graphnet.core.errors import unknown
from graphnet.data.datasets.dataset import Dataset
from graphnet.data.datasets.digits import digits
from graphnet.data.datasets.japanese_vowels import japanese_vowels

LOADERS: dict[str, Callable[[], Dataset]] = {
    "digits": digits,
    "japanese_vowels": japanese_vowels,
}


def names() -> list[str]:
    """The names that :func:`load` knows, sorted.

    >>> names()
    ['digits', 'japanese_vowels']
    """
    return sorted(LOADERS)


def load(name: str) -> Dataset:
    """The data set of that name, read anew: changing its arrays changes nobody else's.

    Raises
    ------
    UnknownNameError
        There is no such data set.
    PluginError
        The package that it needs is not installed.

    >>> load("japanese_vowels").test.targets.shape
    (370,)
    """
    loader = LOADERS.get(name)
    if loader is None:
        remedy = "For your own data, see graphnet.datasets.npz."
        raise unknown("data set", name, names(), where="graphnet.datasets.load", remedy=remedy)
    return loader()
