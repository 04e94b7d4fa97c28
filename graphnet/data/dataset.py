"""A data set: named inputs and a target for two splits, and their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import DataError, ShapeError

if TYPE_CHECKING:
    from graphnet.data.tables.preparation import Preparation

Input = NDArray[Any] | list[NDArray[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The examples of one split, train or test.

    Parameters
    ----------
    inputs : dict of str to array or list of arrays
        By input name: one array with the examples on axis 0, or, if they differ in length, a list with one array
        ``(time, ...)`` for each example.
    targets : array or list of arrays
        One row for each example: class numbers (int64), or numbers to predict; or, with a target for each step, a list
        with one array ``(time, ...)`` for each example.

    Raises
    ------
    DataError
        If there is no input.
    ShapeError
        If an input and the targets differ in the number of examples.

    >>> Split({"x": np.zeros((4, 3))}, np.array([0, 1, 1, 0]))
    Split(x: (4, 3) float64; targets: (4,) int64)
    """

    inputs: dict[str, Input]
    targets: Input

    def __post_init__(self) -> None:
        if not self.inputs:
            raise DataError("a split needs an input", expected="at least one named input", received="none")
        if not isinstance(self.targets, list) and np.ndim(self.targets) == 0:
            raise ShapeError(
                "the targets have no rows", expected="one row for each example", received="a single number"
            )
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
    """A data set: two splits, and the information needed to use and cite it.

    Parameters
    ----------
    name : str
        The name for :func:`graphnet.datasets.load`, or the path of the user's file.
    train, test : Split
        Both have the same input names.
    classes : tuple of str
        The name of each class; empty if the target is not a class.
    source, licence, citation, description : str
        The origin of the data, their terms of use, the publication to cite, and a description with shapes and units.
    validation : Split, optional
        Examples that select the best epoch.
    preparation : Preparation, optional
        Of a table: how other tables become inputs of a model that was trained on this one.

    Raises
    ------
    DataError
        If two splits have different inputs.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""
    description: str = ""
    validation: Split | None = None
    preparation: Preparation | None = None

    def __post_init__(self) -> None:
        for name, split in (("test", self.test), ("validation", self.validation)):
            if split is not None and self.train.inputs.keys() != split.inputs.keys():
                raise DataError(
                    "the splits do not have the same inputs",
                    where=self.name,
                    expected=f"{sorted(self.train.inputs)}, as in train",
                    received=f"{sorted(split.inputs)} in {name}",
                )


def _describe(values: Input) -> str:
    if isinstance(values, np.ndarray):
        return f"{values.shape} {values.dtype}"
    lengths = [len(sequence) for sequence in values] or [0]
    rest = "".join(f", {size}" for size in values[0].shape[1:]) if values else ""
    return f"{len(values)} × ({min(lengths)} to {max(lengths)}{rest})"
