"""Conversion of array-likes to numpy arrays: the numbers are unchanged, or an error says what to do instead.

No optional library is imported: an object is recognized by the module of its class and by numpy's protocols.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import DataError, DtypeError, RaggedError

Array = NDArray[Any]

#: Elements of lists that numpy converts; None and text result in a dtype that is refused.
SCALARS = (bool, int, float, complex, np.generic, str, bytes, type(None))
#: Libraries whose arrays hold more than numbers: the problem, and how to extract the numbers.
REFUSED = {
    "xarray": (
        "has named dimensions, which would be ignored",
        "Transpose it to the order of the declared axes and pass its .values.",
    ),
    "polars": ("may hold nulls, which would become NaN", "Fill the nulls and pass its .to_numpy()."),
    "pyarrow": ("may hold nulls, which would become NaN", "Fill the nulls and pass its .to_numpy()."),
    "scipy": ("is a sparse matrix", "Pass its .toarray()."),
    "sparse": ("is a sparse array", "Pass its .todense()."),
    "pint": ("has a unit, which would be ignored", "Convert it to the unit of the model and pass its .magnitude."),
}
MASKED = (
    "Pass .filled(value) with the number that stands for a masked one; for steps of sequences, "
    "pass that and mask=~array.mask, reduced to (time, batch)."
)


def plain(value: Any, where: str) -> Array:
    """Return ``value`` as a plain ``numpy.ndarray`` with the same numbers, without a copy if possible.

    Accepted are arrays, numbers, nested lists and tuples, ``range``, buffers (``memoryview``, ``array.array``), pandas
    objects of plain numpy dtypes (by position, without their index), and objects that implement numpy's protocols or
    DLPack, such as tensors on the CPU. ``numpy.matrix``, ``numpy.memmap`` and other subclasses become plain arrays on
    the same memory.

    Raises
    ------
    RaggedError
        For nested lists whose lengths differ.
    DtypeError
        For masked arrays (also where nothing is masked), quantities with a unit, tensors that require a gradient,
        sparse matrices, xarray, pandas extension dtypes, text, mappings, sets and iterators.
    DataError
        If numpy would round an integer because the list also holds fractions.

    Examples
    --------
    >>> import numpy as np
    >>> plain(np.array([[1.0, 2.0]]).view(np.matrix), "x")
    array([[1., 2.]])
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ndarray):
        return _subclass(value, where)
    if isinstance(value, (list, tuple)):
        return _nested(value, where)
    if value is None or isinstance(value, (bool, int, float, complex, np.generic)):
        return np.asarray(value)
    return _foreign(value, where)


def _refuse(problem: str, value: Any, where: str, remedy: str) -> NoReturn:
    received = f"{type(value).__module__}.{type(value).__qualname__}"
    raise DtypeError(problem, where=where, expected="an array of numbers", received=received, remedy=remedy)


# ---------------------------------------------------------------------- numpy's own
def _subclass(value: Array, where: str) -> Array:
    """A subclass of ``numpy.ndarray`` as a plain array over the same memory."""
    if isinstance(value, np.ma.MaskedArray):
        _refuse("a masked array would lose its mask", value, where, MASKED)
    _refuse_unit(value, where)
    return value.view(np.ndarray)


def _refuse_unit(value: Any, where: str) -> None:
    for name in ("unit", "units"):
        if getattr(value, name, None) is not None:
            _refuse("has a unit, which would be ignored", value, where, "Pass its numbers, in the unit of the model.")


# ---------------------------------------------------------------------- lists
def _nested(value: Sequence[Any], where: str) -> Array:
    """Nested lists of numbers and arrays."""
    tree = _tree(value, where)
    try:
        array = np.asarray(tree)
    except (ValueError, OverflowError, TypeError) as error:
        raise RaggedError(
            "cannot be read as one array",
            where=where,
            expected="rows of equal length",
            received=str(error),
            remedy="Pad rows to one length and give their lengths.",
        ) from error
    if array.dtype.kind == "f":
        _refuse_rounded(tree, array.dtype, where)
    return array


def _tree(value: Sequence[Any], where: str) -> Any:
    """The same lists, with elements that are neither lists nor scalars as plain arrays."""
    if all(issubclass(kind, SCALARS) for kind in set(map(type, value))):
        return value
    return [_leaf(item, f"{where}, item {i}") for i, item in enumerate(value)]


def _leaf(value: Any, where: str) -> Any:
    if isinstance(value, SCALARS):
        return value
    return _tree(value, where) if isinstance(value, (list, tuple)) else plain(value, where)


def _refuse_rounded(tree: Any, dtype: np.dtype[Any], where: str) -> None:
    """Raise DataError for integers that were rounded because the list also holds fractions."""
    if isinstance(tree, (list, tuple)):
        kinds = set(map(type, tree))
        for item in tree if any(not issubclass(kind, (float, np.floating)) for kind in kinds) else ():
            _refuse_rounded(item, dtype, where)
    elif isinstance(tree, np.ndarray):
        exact(tree, dtype, where)
    elif isinstance(tree, (int, np.integer)):
        rounded = float(dtype.type(tree))
        if not np.isfinite(rounded) or int(rounded) != int(tree):
            raise _too_large(tree, dtype, where)


# ---------------------------------------------------------------------- other libraries
def _foreign(value: Any, where: str) -> Array:
    """Arrays of other libraries, and objects that are not arrays."""
    libraries = {kind.__module__.partition(".")[0] for kind in type(value).__mro__}
    for library in libraries & REFUSED.keys():
        _refuse(REFUSED[library][0], value, where, REFUSED[library][1])
    if "pandas" in libraries:
        return _pandas(value, where)
    if isinstance(value, (str, bytes, Mapping, AbstractSet, Iterator)):
        _refuse("is not an array", value, where, "Pass an array, or a list of numbers.")
    _refuse_unit(value, where)
    mask = getattr(value, "mask", None)
    if mask is not None and not callable(mask):
        _refuse("a masked array would lose its mask", value, where, MASKED)
    if getattr(value, "requires_grad", False) is True:
        _refuse(
            "requires a gradient, which would not be propagated", value, where, "Pass tensor.detach().cpu().numpy()."
        )
    if not _readable(value) and not hasattr(value, "__dlpack__"):
        if isinstance(value, Sequence):
            return _nested(list(value), where)
        _refuse("is not an array", value, where, "Pass an array, or a list of numbers.")
    try:
        array = np.asanyarray(value) if _readable(value) else np.from_dlpack(value)
    except Exception as error:
        remedy = "Convert it to a numpy array; a tensor: tensor.detach().cpu().numpy()."
        received = f"{type(value).__module__}.{type(value).__qualname__}: {error}"
        problem = "cannot be read as an array"
        raise DtypeError(
            problem, where=where, expected="an array of numbers", received=received, remedy=remedy
        ) from error
    return array if type(array) is np.ndarray else _subclass(array, where)


def _readable(value: Any) -> bool:
    """Whether numpy can convert an object, by its protocols or as a buffer; what only has DLPack is read by that."""
    if any(hasattr(value, name) for name in ("__array__", "__array_interface__", "__array_struct__")):
        return True
    try:
        memoryview(value).release()
    except TypeError:
        return False
    return True


def _pandas(value: Any, where: str) -> Array:
    """The values of a DataFrame, Series or Index whose dtypes are numpy's, by position."""
    table = hasattr(type(value), "columns")
    if not table and not hasattr(value, "dtype"):
        _refuse("is not an array", value, where, "Pass an array, or a list of numbers; a missing one is NaN.")
    kinds = list(value.dtypes) if table else [value.dtype]
    for kind in kinds:
        if not isinstance(kind, np.dtype) or kind.kind not in "biuf":
            remedy = "Select the columns of numbers and pass .to_numpy(dtype='float64', na_value=numpy.nan)."
            _refuse(f"holds values of dtype {kind}", value, where, remedy)
    if not table or len(set(kinds)) < 2:
        return np.asarray(value.to_numpy())
    common = np.result_type(*kinds)
    if common.kind == "f":
        for i in range(len(kinds)):
            exact(np.asarray(value.iloc[:, i].to_numpy()), common, where)
    return np.asarray(value.to_numpy(dtype=common))


# ---------------------------------------------------------------------- rounding
def exact(array: Array, dtype: Any, where: str) -> None:
    """Raise DataError for integers that a floating dtype cannot represent exactly.

    Raises
    ------
    DataError
        With the first such number and its index.
    """
    target = np.dtype(dtype)
    if array.dtype.kind not in "iu" or not array.size:
        return
    limit = 2 ** (np.finfo(target).nmant + 1)
    if int(array.max()) <= limit and int(array.min()) >= -limit:
        return
    # Compared as Python integers: numpy would round a 64-bit integer to compare it with a float64.
    large = np.flatnonzero((array > limit) | (array < -limit))
    for at in large:
        number = int(array.flat[at])
        if int(target.type(number)) != number:
            place = tuple(int(i) for i in np.unravel_index(at, array.shape))
            raise _too_large(number, target, f"{where}, at {place}")


def _too_large(number: Any, dtype: np.dtype[Any], where: str) -> DataError:
    return DataError(
        f"an integer that {dtype.name} cannot represent exactly",
        where=where,
        expected=f"integers up to {2 ** (np.finfo(dtype).nmant + 1)} in magnitude",
        received=int(number),
        remedy="Subtract an offset, or scale the numbers; convert with .astype(…) if rounding is acceptable.",
    )
