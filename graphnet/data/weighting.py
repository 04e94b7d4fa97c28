"""How much each example, step, element or class counts in the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import ConfigError, DataError, DtypeError, ShapeError, unknown
from graphnet.data.masks import valid_steps
from graphnet.data.ports import OutputPort
from graphnet.data.sources import ArraySource, SequenceSource, Source, is_list


@dataclass(frozen=True)
class Weighting:
    """What a user passes beside the targets.

    Parameters
    ----------
    sample_weight : array, list of sequences, or mapping of output name to either, optional
        Numbers of at least 0: one for each example, or for an output over time one for each step.
    target_mask : array, list of sequences, or mapping of output name to either, optional
        Booleans in the same forms, or of the target's shape where the loss is one of elements: False at targets that do
        not count, whatever they hold.
    """

    sample_weight: Any = None
    target_mask: Any = None


@dataclass(frozen=True)
class RowParts:
    """Makes the sources of weights and masks, which have the form of the targets that they belong to.

    Parameters
    ----------
    where : str
        The graph's name, for errors.
    outputs : mapping of output name to OutputPort
    targets : mapping of output name to Source
    batch_major : bool
    masks : mapping of input name to boolean array (time, batch)
        The steps that are left out of the inputs and targets.
    """

    where: str
    outputs: Mapping[str, OutputPort]
    targets: Mapping[str, Source]
    batch_major: bool
    masks: Mapping[str, Array]

    def weights(self, value: Any) -> dict[str, Source]:
        """The weights by output.

        Raises
        ------
        ShapeError, DtypeError, DataError
            If they do not fit the targets, or one is negative or not finite.
        """
        return self._sources(value, "sample_weight", _weights)

    def check_some_count(self, weights: Mapping[str, Source]) -> None:
        """Raise a DataError if all weights of an output are 0: its loss would be 0 whatever the model predicts."""
        for name, source in weights.items():
            pieces = (source.take(slice(at, min(at + 1024, len(source)))) for at in range(0, len(source), 1024))
            if not any(piece.any() for piece in pieces):
                raise DataError("no target counts", where=f"{self.where}, sample_weight of {name!r}",
                                expected="a weight above 0", received="zeros")  # fmt: skip

    def target_masks(self, value: Any) -> dict[str, Source]:
        """The masks by output.

        Raises
        ------
        ShapeError, DtypeError
            If they do not fit the targets, or are not booleans.
        """
        return self._sources(value, "target_mask", _mask)

    def _sources(self, value: Any, what: str, check: Callable[[Any, str], Array]) -> dict[str, Source]:
        if value is None:
            return {}
        named = dict(value) if isinstance(value, Mapping) else dict.fromkeys(self.targets, value)
        for name in named:
            if name not in self.targets:
                raise unknown("output", name, list(self.targets), where=f"{self.where}, {what}", error=ShapeError)
        return {
            name: self._source(self.outputs[name], part, f"{self.where}, {what} of {name!r}", check)
            for name, part in named.items()
            if part is not None
        }

    def _source(self, port: OutputPort, value: Any, where: str, check: Callable[[Any, str], Array]) -> Source:
        target = self.targets[port.name]
        if port.origin is not None and is_list(value) and any(np.ndim(part) for part in value):
            return _like_sequences([check(part, where) for part in value], target, where)
        array = check(value, where)
        if array.ndim == 0 or (array.ndim == 1 and port.axis > 1):
            raise ShapeError("one for each example is needed", where=where, expected=f"({len(target)}, …)",
                             received=array.shape)  # fmt: skip
        if array.ndim == 1:
            return _counted(ArraySource(array, 0), target, where)
        if port.origin is not None and self.batch_major:
            array = array.swapaxes(0, 1)
        mask = None if port.origin is None else self.masks.get(port.origin)
        if mask is not None:
            if array.shape[:2] != mask.shape:
                raise ShapeError("does not fit the mask", where=where, expected=mask.shape, received=array.shape)
            return _like_sequences(valid_steps(array, mask, where), target, where)
        if isinstance(target, SequenceSource):
            if array.shape[1] != len(target) or len(array) < target.counts.max(initial=0):
                raise ShapeError("does not fit the sequences", where=where, received=array.shape,
                                 expected=f"({target.counts.max(initial=0)}, {len(target)})")  # fmt: skip
            return SequenceSource([array[:count, i] for i, count in enumerate(target.counts)], array.dtype, 1)
        return _counted(ArraySource(array, port.axis), target, where)


def _counted(source: ArraySource, target: Source, where: str) -> ArraySource:
    if len(source) != len(target):
        raise ShapeError("one for each example is needed", where=where, expected=len(target), received=len(source))
    steps = target.array.shape[0] if isinstance(target, ArraySource) and source.axis == 1 else None
    if steps is not None and source.array.shape[0] != steps:
        raise ShapeError("one for each step is needed", where=where, expected=steps, received=source.array.shape[0])
    return source


def _like_sequences(arrays: list[Array], target: Source, where: str) -> SequenceSource:
    counts = target.lengths(slice(0, len(target)))
    if counts is None and isinstance(target, ArraySource):
        counts = np.full(len(target), target.array.shape[0])
    for i, array in enumerate(arrays):
        if len(arrays) != len(target) or counts is None or array.ndim == 0 or len(array) != counts[i]:
            expected = f"{len(target)} sequences with the steps of their targets"
            raise ShapeError("does not fit the sequences", where=f"{where}, sequence {i}", expected=expected,
                             received=f"{len(arrays)} sequences, this one of shape {array.shape}")  # fmt: skip
    steps = target.min_steps if isinstance(target, SequenceSource) else int(counts.max(initial=1))  # type: ignore[union-attr]
    return SequenceSource(arrays, arrays[0].dtype if arrays else np.float64, steps)


def _weights(value: Any, where: str) -> Array:
    array = as_array(value, where).astype(np.float64)
    wrong = ~((array >= 0) & np.isfinite(array))
    if wrong.any():
        raise DataError("a weight is negative or not finite", where=where, expected="finite numbers of at least 0",
                        received=array[wrong][0], remedy="Use 0 to leave an example out.")  # fmt: skip
    return array


def _mask(value: Any, where: str) -> Array:
    array = as_array(value, where)
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise DtypeError("a mask must be boolean", where=where, expected="booleans, or 0 and 1", received=array.dtype)
    return array.astype(bool)


def leading(part: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Numbers for each example of a batch over the leading axes of its target: one axis becomes (step, example)."""
    return np.broadcast_to(part, shape[: axis + 1]) if part.ndim == 1 and axis else part


# ---------------------------------------------------------------------- classes
@dataclass(frozen=True)
class ClassWeights:
    """The weights of the classes of one output.

    Parameters
    ----------
    table : float array (classes,)
    task : str
        That of the loss: ``classes`` or ``labels``.
    rank : int
        The axes of the output.
    """

    table: Array
    task: str
    rank: int

    def of(self, target: Array) -> Array:
        """The weight of each target; of a row of probabilities the mean weight; of a number outside the classes 0."""
        if self.task == "labels":
            share = np.clip(target.astype(np.float64), 0.0, 1.0)
            return self.table[0] + (self.table[1] - self.table[0]) * share
        if target.ndim == self.rank and target.shape[-1] == len(self.table):
            return np.asarray(target @ self.table)
        index = target[..., 0] if target.ndim == self.rank else target
        number = np.nan_to_num(index.astype(np.float64), nan=-1.0)
        known = (number >= 0) & (number < len(self.table))
        return np.where(known, self.table[np.where(known, number, 0).astype(np.intp)], 0.0)

    def counts(self, target: Array, mask: Array | None) -> Array:
        """The valid targets of each class."""
        if self.task == "labels":
            valid = (target if mask is None else target[mask]) > 0
            return np.array([valid.size - valid.sum(), valid.sum()], np.float64)
        if target.ndim == self.rank and target.shape[-1] == len(self.table):
            target = target.argmax(axis=-1)
        elif target.ndim == self.rank:
            target = target[..., 0]
        index = (target if mask is None else target[mask]).reshape(-1)
        index = index[(index >= 0) & (index < len(self.table))].astype(np.intp)
        return np.bincount(index, minlength=len(self.table)).astype(np.float64)


def class_table(value: Any, size: int, names: tuple[Any, ...] | None, where: str) -> Array | None:
    """The weights of ``size`` classes: from a list, or a mapping of class to weight; None for ``'balanced'``.

    Classes that a mapping does not have weigh 1.

    Raises
    ------
    ConfigError
        For an unknown class, a list of another length, a weight that is negative or no number, or zeros alone.
    """
    if isinstance(value, str):
        if value != "balanced":
            raise unknown("class_weight", value, ["balanced"], where=where, error=ConfigError)
        return None
    table = np.ones(size)
    if isinstance(value, Mapping):
        keys = list(range(size)) if names is None else list(names)
        for key, weight in value.items():
            if key not in keys:
                raise unknown("class", str(key), [str(known) for known in keys], where=where, error=ConfigError)
            table[keys.index(key)] = _number(weight, where)
        return _some_above_zero(table, where)
    if np.ndim(value) != 1 or len(value) != size:
        raise ConfigError("class_weight does not have one number for each class", where=where,
                          expected=f"{size} numbers, a mapping from classes, or 'balanced'",
                          received=repr(value)[:80])  # fmt: skip
    return _some_above_zero(np.array([_number(weight, where) for weight in value]), where)


def _some_above_zero(table: Array, where: str) -> Array:
    if not table.any():
        raise ConfigError("no class counts", where=where, expected="a weight above 0", received="zeros")
    return table


def _number(value: Any, where: str) -> float:
    from graphnet.core.checks import number

    return number(where, "class_weight", value, 0.0)
