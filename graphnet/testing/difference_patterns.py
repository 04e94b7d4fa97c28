"""Recognizable relations between a wrong array and the expected one: permutations, shifts, signs, regions, factors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

#: Axes longer than this are not searched for permutations.
LONGEST = 256
#: Indices listed in a message.
LISTED = 8


def pattern(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    """Describe how two arrays of one shape are related; empty if no relation is recognized.

    Parameters
    ----------
    actual, desired : array
    wrong : array of bool
        Where they differ.
    small : float
        Differences up to this count as none.
    """
    relations: tuple[Callable[..., str], ...] = (
        _swapped,
        _permuted,
        _reversed,
        _shifted,
        _signs,
        _offset,
        _reduced,
        _region,
        _scaled,
        _by_value,
    )
    for relation in relations:
        description = relation(actual, desired, wrong, small)
        if description:
            return description
    return ""


def ratio(actual: np.ndarray, desired: np.ndarray) -> float | None:
    """Return the constant factor between two arrays, unless it is 1 to three digits; None if there is none."""
    large = np.abs(desired) > 0.05 * np.abs(desired).max(initial=0.0)
    if not large.any():
        return None
    ratios = actual[large] / desired[large]
    factor = float(np.median(ratios))
    if abs(factor - 1) < 1e-3:
        return None
    rest = np.abs(actual - factor * desired).max() <= 1e-3 * np.abs(desired).max() * max(1.0, abs(factor))
    return factor if rest and np.allclose(ratios, factor, rtol=1e-2) else None


def _close(a: np.ndarray, b: np.ndarray, small: float) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0.0) <= small)


def _varied(desired: np.ndarray, small: float) -> bool:
    """Return whether an array has elements that differ; a relation between constant arrays says nothing."""
    return desired.size > 1 and float(np.ptp(desired)) > 10 * small


def _swapped(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    for a, b in combinations(range(actual.ndim), 2):
        if actual.shape[a] == actual.shape[b] > 1 and _close(np.swapaxes(actual, a, b), desired, small):
            return "it is the transpose of the expected array" if actual.ndim == 2 else f"axes {a} and {b} are swapped"
    flat = actual.reshape(-1)
    for order in ("F",) if actual.ndim > 1 else ():
        if _close(flat, desired.reshape(-1, order=order), small) and _varied(desired, small):  # type: ignore[call-overload]
            return "its elements are those of the expected array in the order of the transpose"
    return ""


def _permuted(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    if not _varied(desired, small):
        return ""
    for axis, length in enumerate(actual.shape):
        if not 1 < length <= LONGEST:
            continue
        rows, wanted = (np.moveaxis(a, axis, 0).reshape(length, -1) for a in (actual, desired))
        matches = (np.abs(rows[:, None] - wanted[None]) <= small).all(-1)
        sources = matches.argmax(1)
        if not matches.any(1).all() or matches.diagonal().all():
            continue
        if len(set(sources.tolist())) == length:
            return _named_permutation(sources, axis)
        if (matches.sum(1) == 1).all():
            return f"along axis {axis}, the expected indices are repeated: {_listed(sources)}"
    return ""


def _reversed(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    for axes in combinations(range(actual.ndim), 2):
        if _varied(desired, small) and _close(np.flip(actual, axes), desired, small):
            return f"it is reversed along axes {axes[0]} and {axes[1]}"
    return ""


def _named_permutation(sources: np.ndarray, axis: int) -> str:
    length = len(sources)
    if np.array_equal(sources, np.arange(length)[::-1]):
        return f"it is reversed along axis {axis}" if length > 2 else f"the two indices of axis {axis} are exchanged"
    for shift in range(1, length):
        if np.array_equal(sources, (np.arange(length) - shift) % length):
            by = shift if shift <= length // 2 else shift - length
            return f"it is shifted by {by} along axis {axis}, cyclically"
    moved = np.flatnonzero(sources != np.arange(length))
    if len(moved) == 2:
        return f"indices {moved[0]} and {moved[1]} of axis {axis} are exchanged"
    return f"the indices of axis {axis} are permuted: {_listed(sources)}"


def _shifted(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    for axis, length in enumerate(actual.shape):
        for shift in (1, 2, -1, -2):
            if length < abs(shift) + 2:
                continue
            a, d = np.moveaxis(actual, axis, 0), np.moveaxis(desired, axis, 0)
            moved, kept = (a[shift:], d[:-shift]) if shift > 0 else (a[:shift], d[-shift:])
            if _varied(kept, small) and _close(moved, kept, small):
                return f"it is shifted by {shift} along axis {axis}"
    return ""


def _signs(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    if not _close(np.abs(actual), np.abs(desired), small):
        return ""
    if _close(actual, np.abs(desired), small):
        return "it is the absolute value of the expected array"
    where = region(wrong)
    return f"the sign is wrong {where or f'in {wrong.sum()} of {wrong.size} elements'}"


def _offset(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    apart = actual - desired
    if wrong.all() and wrong.size > 2 and float(np.ptp(apart)) <= 2 * small:
        return f"every element is too {'large' if apart.mean() > 0 else 'small'} by {abs(apart.mean()):.4g}"
    return ""


def _reduced(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    for axis, length in enumerate(desired.shape):
        if length < 2 or not _varied(desired, small):
            continue
        for index in range(min(length, LONGEST)):
            one = np.take(desired, [index], axis)
            if length > 2 and _close(actual, np.broadcast_to(one, actual.shape), small):
                return f"every index of axis {axis} holds what is expected at index {index}"
        for name, reduced in (("mean", desired.mean(axis, keepdims=True)), ("sum", desired.sum(axis, keepdims=True))):
            if _close(actual, np.broadcast_to(reduced, actual.shape), small * (length if name == "sum" else 1)):
                return f"every element is the {name} of the expected ones over axis {axis}"
        if _close(actual, desired - desired.mean(axis, keepdims=True), small):
            return f"the mean over axis {axis} is subtracted"
    return ""


def _region(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    where = region(wrong)
    if not where:
        return ""
    there_actual, there_desired = actual[wrong], desired[wrong]
    if np.abs(there_actual).max(initial=0.0) <= small:
        return f"it is zero {where}"
    factor = ratio(there_actual, there_desired)
    what = "wrong" if factor is None else f"{factor:.4g} times the expected value"
    return f"it is {what} {where}, and right elsewhere"


def region(wrong: np.ndarray) -> str:
    """Describe where a mask holds, if that is some indices of one or two axes; else return an empty string."""
    chosen = []
    for axis in range(wrong.ndim):
        others = tuple(i for i in range(wrong.ndim) if i != axis)
        chosen.append(np.flatnonzero(wrong.any(axis=others)))
    filled = int(np.prod([len(indices) for indices in chosen])) if chosen else 0
    restricted = [axis for axis, indices in enumerate(chosen) if len(indices) < wrong.shape[axis]]
    if not restricted or len(restricted) > 2 or wrong.sum() < 0.7 * filled:
        return ""
    parts = [_indices(chosen[axis], wrong.shape[axis], axis) for axis in restricted]
    return "" if "" in parts else "at " + " and ".join(parts)


def _indices(indices: np.ndarray, length: int, axis: int) -> str:
    """Describe some indices of an axis."""
    first, last = int(indices[0]), int(indices[-1])
    if len(indices) == 1:
        position = " (the last)" if last == length - 1 and length > 1 else ""
        return f"index {first}{position} of axis {axis}"
    if len(indices) == last - first + 1:
        if last == length - 1:
            return f"indices from {first} on of axis {axis}"
        return f"indices {first} to {last} of axis {axis}"
    steps = np.diff(indices)
    if len(indices) > 2 and (steps == steps[0]).all():
        return f"every index {first} + {steps[0]} k of axis {axis}"
    return f"indices {_listed(indices)} of axis {axis}" if len(indices) <= LISTED else ""


def _scaled(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    """Describe a factor that depends on the index of one axis."""
    for axis, length in enumerate(actual.shape):
        if length < 2 or actual.size == length:
            continue
        rows, wanted = (np.moveaxis(a, axis, 0).reshape(length, -1) for a in (actual, desired))
        squares = (wanted * wanted).sum(1)
        if (squares == 0).any():
            continue
        factors = (rows * wanted).sum(1) / squares
        if np.abs(rows - factors[:, None] * wanted).max() <= 5 * small and float(np.ptp(factors)) > 1e-3:
            shown = ", ".join(f"{factor:.4g}" for factor in factors[:LISTED])
            return f"it is scaled along axis {axis}, by {shown}{', …' if length > LISTED else ''}"
    return ""


def _by_value(actual: np.ndarray, desired: np.ndarray, wrong: np.ndarray, small: float) -> str:
    """Describe a region by the sign or the size of the expected values."""
    if wrong.all() or wrong.sum() < 2 or (~wrong).sum() < 2:
        return ""
    for what, values in _measures(desired):
        inside, outside = values[wrong], values[~wrong]
        if inside.min() > outside.max():
            return f"only elements whose {what} is above {_between(outside.max(), inside.min())} are wrong"
        if inside.max() < outside.min():
            return f"only elements whose {what} is below {_between(inside.max(), outside.min())} are wrong"
    return ""


def _measures(desired: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "expected value", desired
    yield "expected size", np.abs(desired)


def _between(low: float, high: float) -> str:
    return "0" if low <= 0 <= high else f"{(low + high) / 2:.3g}"


def _listed(indices: np.ndarray) -> str:
    return ", ".join(map(str, indices[:LISTED].tolist())) + (", …" if len(indices) > LISTED else "")
