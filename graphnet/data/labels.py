"""Labels as people have them, text or booleans: the classes that they name, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import ConfigError, DataError, ShapeError
from graphnet.data.sources import is_list
from graphnet.losses import Loss

#: The classes of each output by name, in the order of their numbers.
Classes = Mapping[str, tuple[Any, ...]]


def with_classes(losses: Mapping[str, Loss], targets: Any, known: Classes | None) -> dict[str, tuple[Any, ...]] | None:
    """The classes of each output: those that are known, else those that text and booleans among the targets name.

    Text is sorted as by ``sorted``, and booleans are ``(False, True)``. The empty text is not a label. Numbers name no
    classes: they are class numbers themselves. None if no output has named classes.

    Raises
    ------
    DataError
        If a label is missing (None, NaN, or anything but text among texts).
    """
    found = dict(known or {})
    for name, value in _by_output(losses, targets).items():
        if name in found or losses[name].task == "numbers":
            continue
        arrays = _label_arrays(value, f"target of {name!r}", missing=losses[name].ignore_index is not None)
        if arrays is None:
            continue
        if any(array.dtype.kind == "O" for array in arrays):
            labels = {label for array in arrays for label in array.flat if isinstance(label, str)}
            found[name] = tuple(sorted(labels - {""}))
        elif arrays:
            found[name] = (False, True)
    return found or None


def encoded(losses: Mapping[str, Loss], targets: Any, classes: Classes | None) -> Any:
    """Targets with each label replaced by its number; those of outputs without named classes are unchanged.

    The empty text becomes the number that the loss ignores, or -1, which is refused unless it is masked; None and NaN
    among text do so where the loss ignores a number.

    Raises
    ------
    DataError
        If a label is none of the classes.
    """
    if not classes or targets is None:
        return targets
    values = _by_output(losses, targets)
    new = {
        name: _encoded_value(value, classes[name], losses[name], name) if name in classes else value
        for name, value in values.items()
    }
    return new if isinstance(targets, Mapping) else next(iter(new.values()), targets)


def check_class_counts(losses: Mapping[str, Loss], classes: Classes | None, sizes: Mapping[str, int | None]) -> None:
    """Check that each output with named classes has a score for each of them.

    Raises
    ------
    ShapeError
        With the classes.
    """
    for name, names in (classes or {}).items():
        task = losses[name].task if name in losses else "numbers"
        size = sizes.get(name) if task == "classes" else 2
        if task != "numbers" and size is not None and size != len(names):
            shown = ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
            raise ShapeError(
                "the output does not have one score for each class" if task == "classes" else "not two classes",
                where=f"target of {name!r}",
                expected=f"{size} classes",
                received=f"{len(names)} classes: {shown}",
                remedy="Give the last layer as many outputs as there are classes; or pass classes=[...], all of them "
                "in order, where the data lack some.",
            )


def decoded(numbers: Array, names: tuple[Any, ...] | None) -> Array:
    """The names of class numbers, as an array of the same shape; the numbers themselves without names.

    Examples
    --------
    >>> decoded(np.array([1, 0]), ("cat", "dog"))
    array(['dog', 'cat'], dtype='<U3')
    """
    if names is None:
        return numbers
    table = np.array(names) if len({type(name) for name in names}) == 1 else np.array(names, object)
    return np.asarray(table[numbers])


def checked_classes(value: Any) -> dict[str, tuple[Any, ...]] | tuple[Any, ...] | None:
    """The setting ``classes``: names in order, or a mapping from outputs to names; None stays None.

    Raises
    ------
    ConfigError
        If there are fewer than two, two are equal, or one is neither text nor a number.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {str(name): _names(names) for name, names in value.items()}
    return _names(value)


def by_output(losses: Mapping[str, Loss], classes: Any) -> dict[str, tuple[Any, ...]] | None:
    """The setting ``classes`` by output: names alone belong to the only output with a loss of classes.

    Raises
    ------
    ConfigError
        If there are several such outputs, or none.
    """
    if classes is None or isinstance(classes, Mapping):
        return None if not classes else dict(classes)
    names = [name for name, loss in losses.items() if loss.task != "numbers"]
    if len(names) != 1:
        raise ConfigError(
            "classes belong to one output with a loss of classes",
            where="TrainingConfig.classes",
            expected=f"a mapping with some of {', '.join(names)}" if names else "a loss such as CrossEntropy",
            received=repr(classes)[:100],
            key_path=("classes",),
        )
    return {names[0]: classes}


def _names(value: Any) -> tuple[Any, ...]:
    names = value.tolist() if isinstance(value, np.ndarray) else value
    plain = isinstance(names, (list, tuple)) and all(isinstance(name, (str, bool, int, float)) for name in names)
    if not plain or len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            "classes are not names",
            where="TrainingConfig.classes",
            expected="two different texts or numbers or more, in order",
            received=repr(value)[:100],
            key_path=("classes",),
        )
    return tuple(names)


def _by_output(losses: Mapping[str, Loss], targets: Any) -> dict[str, Any]:
    """Targets by output; those of outputs that do not exist are refused later."""
    if isinstance(targets, Mapping):
        return {name: value for name, value in targets.items() if name in losses}
    return {next(iter(losses)): targets} if len(losses) == 1 and targets is not None else {}


def _label_arrays(value: Any, where: str, *, missing: bool) -> list[Array] | None:
    """The labels of a target, or of each sequence of it, if they are text (as objects) or booleans; else None."""
    parts = list(value) if is_list(value) and value and _is_nested(value[0]) else [value]
    arrays = [_label_array(part, where, missing=missing) for part in parts]
    return None if any(array is None for array in arrays) else [array for array in arrays if array is not None]


def _is_nested(value: Any) -> bool:
    return not isinstance(value, (str, bytes)) and (is_list(value) or getattr(value, "ndim", 0) > 0)


def _label_array(value: Any, where: str, *, missing: bool) -> Array | None:
    array = _as_labels(value)
    if array is None or array.dtype.kind == "b" or missing:
        return array
    for place, label in np.ndenumerate(array):
        if not isinstance(label, str):
            raise DataError(
                "a label is missing",
                where=where,
                expected="text for each row",
                received=f"{label!r} at {place}",
                remedy="Drop those rows, or leave them out: set ignore_index of the loss, to -1 for example.",
            )
    return array


def _as_labels(value: Any) -> Array | None:
    """Text as an array of str objects and booleans as one of bool; None for numbers, and for anything but an array."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiuc":
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        return None
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if array.dtype.kind in "UT":
        return np.array([str(label) for label in array.flat], object).reshape(array.shape)
    if array.dtype.kind == "O":
        objects = np.array([str(x) if isinstance(x, str) else x for x in array.flat], object).reshape(array.shape)
        return objects if any(isinstance(label, str) for label in objects.flat) else None
    return array if array.dtype.kind == "b" and array.ndim else None


def _encoded_value(value: Any, names: tuple[Any, ...], loss: Loss, output: str) -> Any:
    if is_list(value) and value and _is_nested(value[0]):
        return [
            _encoded_array(part, names, loss, f"target of {output!r}, sequence {i}") for i, part in enumerate(value)
        ]
    return _encoded_array(value, names, loss, f"target of {output!r}")


def _encoded_array(value: Any, names: tuple[Any, ...], loss: Loss, where: str) -> Any:
    labels = _as_labels(value)
    if labels is None:
        if any(isinstance(name, str) for name in names):
            return value  # numbers for classes of text are class numbers, or rows of probabilities
        labels = np.asarray(value)
    if labels.dtype == bool and names == (False, True):
        return labels.astype(np.int64)
    table: dict[Any, int | None] = {name: number for number, name in enumerate(names)}
    table.setdefault("", -1 if loss.ignore_index is None else loss.ignore_index)
    flat = labels.reshape(-1).tolist()
    if loss.ignore_index is not None:
        table.update({loss.ignore_index: loss.ignore_index, None: loss.ignore_index})
        flat = [None if isinstance(label, float) and label != label else label for label in flat]
    numbers = [table.get(label) for label in flat]
    if None in numbers:
        at = numbers.index(None)
        raise DataError(
            "a label is none of the classes",
            where=f"{where}, at {tuple(int(i) for i in np.unravel_index(at, labels.shape))}",
            expected=", ".join(map(repr, names[:12])) + (", …" if len(names) > 12 else ""),
            received=repr(flat[at]),
            remedy="Correct the label; or pass classes=None to fit, to read the classes from the data again.",
        )
    return np.array(numbers, np.int64).reshape(labels.shape)
