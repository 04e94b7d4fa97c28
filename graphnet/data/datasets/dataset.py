"""What a data set is: named inputs and a target for two splits, and where it all comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import DataError, ShapeError

Input = NDArray[Any] | list[NDArray[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The examples of one split, train or test.

    Parameters
    ----------
    inputs : dict of str to array or list of arrays
        By input name: one array with the examples on axis 0, or, where they differ in length, a list with one array
        ``(time, ...)`` an example.
    targets : array or list of arrays
        One row an example: class numbers (int64), or numbers to predict; or a list with one array ``(time, ...)`` an
        example, where there is one for each step.

    Raises
    ------
    DataError
        There is no input.
    ShapeError
        An input has another number of examples than the targets.

    >>> Split({"x": np.zeros((4, 3))}, np.array([0, 1, 1, 0]))
    Split(x: (4, 3) float64; targets: (4,) int64)
    """

    inputs: dict[str, Input]
    targets: Input

    def __post_init__(self) -> None:
        if not self.inputs:
            raise DataError("a split needs an input", expected="at least one named input", received="none")
        if not isinstance(self.targets, list) and np.ndim(self.targets) == 0:
            raise ShapeError("the targets have no rows", expected="one row an example", received="a single number")
        for name, values in self.inputs.items():
            if len(values) != len(self.targets):
                raise ShapeError(
                    f"input {name!r} does not have as many examples as the targets",
                    expected=f"{len(self.targets)} examples",
                    received=f"{len(values)}",
                )

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.targets)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}: {_describe(values)}" for name, values in self.inputs.items())
        return f"Split({inputs}; targets: {_describe(self.targets)})"


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set: two splits, and what a reader must know to use and to cite it.

    Parameters
    ----------
    name : str
        The name that :func:`graphnet.datasets.load` knows it by, or the path of the user's file.
    train, test : Split
        Both have the same input names.
    classes : tuple of str
        What each class number means; empty where the target is not a class.
    source, licence, citation, description : str
        Where the data come from, on what terms, what to cite, what they are (with shapes and units).

    Raises
    ------
    DataError
        The two splits name different inputs.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if self.train.inputs.keys() != self.test.inputs.keys():
            raise DataError(
                "the splits do not have the same inputs",
                where=self.name,
                expected=f"{sorted(self.train.inputs)}, as in train",
                received=f"{sorted(self.test.inputs)} in test",
            )


def _describe(values: Input) -> str:
    if isinstance(values, np.ndarray):
        return f"{values.shape} {values.dtype}"
    lengths = [len(one) for one in values] or [0]
    rest = "".join(f", {size}" for size in values[0].shape[1:]) if values else ""
    return f"{len(values)} × ({min(lengths)} to {max(lengths)}{rest})"
