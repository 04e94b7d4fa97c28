"""The built-in data sets by name."""

from __future__ import annotations

from collections.abc import Callable

from graphnet.core.arguments import explained
from graphnet.core.errors import unknown
from graphnet.data.dataset import Dataset
from graphnet.data.datasets.digits import digits
from graphnet.data.datasets.japanese_vowels import japanese_vowels

LOADERS: dict[str, Callable[[], Dataset]] = {
    "digits": digits,
    "japanese_vowels": japanese_vowels,
}


def names() -> list[str]:
    """The names of the built-in data sets, sorted.

    >>> names()
    ['digits', 'japanese_vowels']
    """
    return sorted(LOADERS)


@explained
def load(name: str) -> Dataset:
    """The built-in data set of that name; every call returns new arrays.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    PluginError
        If the package that it needs is not installed.

    >>> load("japanese_vowels").test.targets.shape
    (370,)
    """
    loader = LOADERS.get(name)
    if loader is None:
        remedy = "For your own data, see graphnet.datasets.npz."
        raise unknown("data set", name, names(), where="graphnet.datasets.load", remedy=remedy)
    return loader()
