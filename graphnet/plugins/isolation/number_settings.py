"""Settings that change the results of calculations: of numpy, of graphnet, of the BLAS and of the processor."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.concurrency.blas_threads import PROCESS
from graphnet.plugins.isolation.setting import Setting

#: The module whose functions its stubs leave out.
_mtrand: Any = np.random


def _random() -> tuple[Any, dict[str, Any]]:
    """The bit generator of numpy's global functions, and its state."""
    return _mtrand.get_bit_generator(), np.random.get_state(legacy=False)  # type: ignore[return-value]  # noqa: NPY002


def _set_random(saved: tuple[Any, dict[str, Any]]) -> None:
    generator, state = saved
    if _mtrand.get_bit_generator() is not generator:
        _mtrand.set_bit_generator(generator)
    np.random.set_state(state)  # noqa: NPY002


def _same_random(a: tuple[Any, dict[str, Any]], b: tuple[Any, dict[str, Any]]) -> bool:
    return a[0] is b[0] and _flat(a[1]) == _flat(b[1])


def _same_own(a: Any, b: Any) -> bool:
    return a[0] is b[0] and a[1] == b[1] and a[2] is b[2] and _flat(a[3]) == _flat(b[3])


def _flat(state: Any) -> Any:
    """A state with its arrays as bytes, which compare as a whole."""
    if isinstance(state, dict):
        return {key: _flat(value) for key, value in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state


def _errors() -> dict[str, Any]:
    return {**np.geterr(), "call": np.geterrcall(), "bufsize": np.getbufsize()}


def _set_errors(saved: dict[str, Any]) -> None:
    values = dict(saved)
    np.seterrcall(values.pop("call"))
    np.setbufsize(values.pop("bufsize"))
    np.seterr(**values)


def _changed_keys(before: dict[str, Any], after: dict[str, Any]) -> str:
    return ", ".join(key for key in before if before[key] != after.get(key))


def _set_print_options(saved: dict[str, Any]) -> None:
    np.set_printoptions(**saved)


def _threads() -> list[int]:
    return [library.get() for library in PROCESS.libraries]


def _set_threads(saved: list[int]) -> None:
    for library, number in zip(PROCESS.libraries, saved, strict=True):
        if library.get() != number:
            library.set(max(1, number))


def _float_mode() -> tuple[bool, bool, bool] | None:
    """Whether subnormal numbers are kept, as an operand and as a result, and halves are rounded to even."""
    least, small, half = np.float64(5e-324), np.float64(2.3e-308), np.float64(2.0**-53)
    with np.errstate(all="ignore"):
        kept, made = bool(least * 1.0 > 0), bool(small * 0.5 > 0)
        nearest = bool(1.0 + half == 1.0 and 1.0 - half / 4 == 1.0 and -1.0 - half == -1.0 and half * 1.5 + 1 > 1.0)
    return kept, made, nearest


def _set_float_mode(saved: object) -> None:
    """Set the mode that C programs start with; the mode in between is never another one in practice."""
    if sys.platform != "linux":
        raise OSError("no function of this platform sets it")
    library = ctypes.CDLL("libm.so.6")
    library.fesetenv.argtypes = [ctypes.c_void_p]
    library.fesetenv(ctypes.c_void_p(-1))  # FE_DFL_ENV


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "numpy's global random state",
        "`numpy.random.get_state()`, and the bit generator behind it",
        _random,
        _set_random,
        _same_random,
    ),
    Setting("graphnet's random state", "`graphnet.generator()` and its state", random.saved, random.restore, _same_own),
    Setting("numpy's print options", "`numpy.get_printoptions()`", np.get_printoptions, _set_print_options),
    Setting(
        "numpy's error handling",
        "`numpy.geterr()`, `numpy.geterrcall()`, `numpy.getbufsize()`",
        _errors,
        _set_errors,
        detail=_changed_keys,
    ),
    Setting(
        "the number of BLAS threads",
        "of every BLAS library that is loaded (OpenBLAS, MKL, BLIS)",
        _threads,
        _set_threads,
    ),
    Setting(
        "the floating-point mode",
        "whether the processor keeps subnormal numbers, and how it rounds",
        _float_mode,
        _set_float_mode,
    ),
)
