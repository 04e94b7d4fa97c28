"""Comparing a student's numbers with those of the right oracle and of faulty ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Relative to the largest expected number: what rounding explains in float64, and where float32 is involved.
TOLERANCE, SINGLE = 1e-6, 3e-4


class Variant(NamedTuple):
    """What a faulty implementation would return, and the words for its fault; ``value`` may be computed when needed."""

    code: str
    message: str
    value: Any

    def result(self) -> Any:
        """The value; None if it cannot be computed for these shapes."""
        try:
            with np.errstate(all="ignore"):
                return self.value() if callable(self.value) else self.value
        except (ValueError, IndexError):
            return None


class Diagnosis(NamedTuple):
    """A fault: its short name, and its description."""

    code: str
    message: str


def as_numbers(value: Any) -> Array | None:
    """The value as an array of floats; None if it is none."""
    try:
        array = np.asarray(value)
    except Exception:  # whatever a student's object does
        return None
    return array.astype(np.float64) if array.dtype.kind in "biuf" else None


def near(actual: Any, expected: Any) -> bool:
    """Whether two values have one shape and differ by rounding only."""
    a, b = as_numbers(actual), as_numbers(expected)
    if a is None or b is None or a.shape != b.shape:
        return False
    tolerance = SINGLE if getattr(actual, "dtype", None) in (np.float32, np.float16) else TOLERANCE
    scale = float(np.max(np.abs(b), initial=0.0))
    return bool(np.isfinite(a).all() and np.max(np.abs(a - b), initial=0.0) <= tolerance * max(scale, 1e-3))


def diagnose(
    actual: Any, right: Any, variants: Iterable[Variant] = (), sizes: Mapping[str, int] | None = None,
    terms: Mapping[str, Array] | None = None,
) -> Diagnosis | None:  # fmt: skip
    """Say how ``actual`` differs from ``right``; None if it does not.

    The faulty variants are tried first, then what may go wrong anywhere: the sign, a factor, a transposition, a part.

    Parameters
    ----------
    variants : iterable of Variant
    sizes : mapping of str to int
        The sizes that may have become a factor, by what they count ("batch").
    terms : mapping of str to array, optional
        What a wrong formula may be a sum of, by its words.
    """
    if near(actual, right):
        return None
    for variant in variants:
        if near(actual, variant.result()):
            return Diagnosis(variant.code, variant.message)
    array, expected = as_numbers(actual), np.asarray(right, dtype=np.float64)
    if array is None:
        if actual is None:
            return Diagnosis("returns-nothing", "returns None: a return statement is missing")
        return Diagnosis("wrong-type", f"returns {type(actual).__name__} where an array of numbers is expected")
    if array.shape != expected.shape:
        return _shape(array, expected)
    if not np.isfinite(array).all():
        return Diagnosis("not-finite", "contains NaN or infinity")
    named = _factor(array, expected, sizes or {}) or _arrangement(array, expected)
    found = formula(array, terms) if terms and named is None else None
    if found is not None:
        whole = formula(expected, terms or {})
        return Diagnosis("wrong-formula", f"computes {found}" + (f"; right is {whole}" if whole else ""))
    return named or _part(array, expected)


def formula(actual: Array, terms: Mapping[str, Array]) -> str | None:
    """The numbers as a short sum of terms whose factors are multiples of one half; None if they are not such a sum."""
    names = list(terms)
    if not names:
        return None
    columns = np.stack([np.broadcast_to(terms[name], actual.shape).ravel() for name in names], axis=1)
    if columns.shape[0] < 2 * columns.shape[1]:
        return None
    solution = np.linalg.lstsq(columns, actual.ravel(), rcond=None)[0]
    factors = np.round(2 * solution) / 2
    used = np.flatnonzero(factors)
    if not 0 < len(used) <= 4 or not near(columns @ factors, actual.ravel()):
        return None
    parts = [f"{'-' if factors[k] < 0 else '+'} {_times(abs(factors[k]), names[k])}" for k in used]
    text = " ".join(parts)
    return text[2:] if text.startswith("+") else text.replace("- ", "-", 1)


def wrong_errors(error: Array, function: Callable[[Array], Array]) -> Iterator[Variant]:
    """What a backward returns if something is done to its error first; ``function`` is the right backward."""
    cases: dict[str, tuple[str, Callable[[], Array]]] = {
        "is summed over the batch": ("summed-axis", lambda: error.sum(0, keepdims=True) + 0 * error),
        "is summed over the features of each row": ("summed-axis", lambda: error.sum(1, keepdims=True) + 0 * error),
        "is averaged over the batch": ("mean", lambda: error.mean(0, keepdims=True) + 0 * error),
        "is averaged over the features of each row": ("mean", lambda: error.mean(1, keepdims=True) + 0 * error),
        "is summed to one number": ("summed-axis", lambda: error.sum() + 0 * error),
        "of the first row is used for all rows": ("wrong-row", lambda: error[:1] + 0 * error),
        "of the last row is used for all rows": ("wrong-row", lambda: error[-1:] + 0 * error),
        "is reversed along the batch": ("reversed", lambda: error[::-1]),
        "is squared": ("error-wrong", lambda: error**2),
        "loses its sign": ("error-wrong", lambda: np.abs(error)),
        "is replaced by ones": ("error-missing", lambda: np.ones_like(error)),
    }
    for words, (code, changed) in cases.items():
        yield Variant(code, f"the error_tensor {words} in backward", lambda changed=changed: function(changed()))


def _times(factor: float, name: str) -> str:
    return name if factor == 1 else f"{factor:g}" if name == "1" else f"{factor:g} · {name}"


def _shape(array: Array, expected: Array) -> Diagnosis:
    for axes in itertools.permutations(range(array.ndim)) if array.ndim <= 4 else ():
        if near(array.transpose(axes), expected):
            return Diagnosis("transposed", f"is transposed: shape {array.shape}, expected {expected.shape}")
    if array.size == expected.size and near(array.reshape(expected.shape), expected):
        words = f"has the right numbers in shape {array.shape}, expected {expected.shape}"
        return Diagnosis("wrong-shape", words)
    for axis in range(expected.ndim):
        for keepdims in (False, True):
            if near(array, expected.sum(axis, keepdims=keepdims)):
                return Diagnosis(
                    "summed-axis", f"is summed over axis {axis}: shape {array.shape}, expected {expected.shape}"
                )
    return Diagnosis("wrong-shape", f"has shape {array.shape}, expected {expected.shape}")


def _factor(array: Array, expected: Array, sizes: Mapping[str, int]) -> Diagnosis | None:
    square = float(np.sum(expected * expected))
    if not np.any(array):
        return Diagnosis("zero", "is zero everywhere")
    if square == 0.0:
        return None
    factor = float(np.sum(array * expected)) / square
    if abs(factor) < 1e-9 or not near(array / factor, expected):
        return None
    sign = "the wrong sign" if factor < 0 else ""
    size = abs(factor)
    if abs(size - 1) < 1e-5:
        return Diagnosis("sign", "has the wrong sign")
    for name, count in sizes.items():
        if count > 1 and abs(size * count - 1) < 1e-5:
            words = f"is the mean over the {name}, where the sum is asked for"
            return Diagnosis("mean", words + (f", and has {sign}" if sign else ""))
        if count > 1 and abs(size - count) < 1e-4:
            return Diagnosis("multiplied", f"is multiplied by the size of the {name} ({count})")
    simple = any(abs(size * k - round(size * k)) < 1e-6 and round(size * k) <= 12 for k in (1, 2, 3, 4))
    if array.size == 1 and not simple:
        return None  # every number is some multiple of another
    return Diagnosis("factor", f"is {factor:.6g} times the right result")


def _arrangement(array: Array, expected: Array) -> Diagnosis | None:
    for axis in range(array.ndim):
        if near(np.flip(array, axis), expected):
            return Diagnosis("reversed", f"is reversed along axis {axis}")
    if array.ndim > 1:
        for axes in itertools.permutations(range(array.ndim)):
            if array.transpose(axes).shape == expected.shape and near(array.transpose(axes), expected):
                return Diagnosis("transposed", "is transposed")
    difference = array - expected
    if array.size == 1:
        return _number(float(array.flat[0]), float(expected.flat[0]))
    if near(difference, np.full_like(difference, difference.flat[0])):
        return Diagnosis("constant", f"differs from the right result by the constant {difference.flat[0]:.6g}")
    return None


def _number(value: float, right: float) -> Diagnosis | None:
    """A number by another function of the right one."""
    with np.errstate(all="ignore"):
        cases = {"the square root of the right result": np.sqrt(right), "the square of the right result": right**2,
                 "the logarithm of the right result": np.log(right), "the exponential of the right result": np.exp(right),
                 "the right result plus 1": right + 1, "the right result minus 1": right - 1}  # fmt: skip
    for words, other in cases.items():
        if near(value, other):
            return Diagnosis("wrong-function", f"is {words}: {value:.6g}, expected {right:.6g}")
    return None


def _part(array: Array, expected: Array) -> Diagnosis:
    """Which part differs: rows, columns, or everything."""
    scale = float(np.max(np.abs(expected), initial=1e-3))
    wrong = np.abs(array - expected) > TOLERANCE * scale
    if array.ndim >= 1 and not wrong.all():
        rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(1))
        if len(rows) < len(wrong):
            which = f"row {rows[0]}" if len(rows) == 1 else f"rows {rows[0]} to {rows[-1]}"
            which = which + " (the last one)" if rows[0] == len(wrong) - 1 else which
            return Diagnosis("differs", f"differs from the right result in {which} of {len(wrong)} only")
        if array.ndim >= 2:
            columns = np.flatnonzero(wrong.any(tuple(i for i in range(array.ndim) if i != 1)))
            if len(columns) < array.shape[1]:
                names = ", ".join(map(str, columns))
                return Diagnosis("differs", f"differs from the right result in column {names} of {array.shape[1]} only")
    return Diagnosis("differs", f"differs from the right result: {_first(array, expected, wrong)}")


def _first(array: Array, expected: Array, wrong: Array) -> str:
    at = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else (0,) * array.ndim
    place = f"at {list(at)} " if at else ""
    return f"{place}{array[at]:.6g}, expected {expected[at]:.6g}"
