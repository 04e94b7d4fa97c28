"""The BLAS libraries of the process whose number of threads can be read and set."""

from __future__ import annotations

import ctypes
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from graphnet.core.records import record

#: What builds of OpenBLAS put before and after the names of its functions.
PREFIXES, SUFFIXES = ("", "scipy_"), ("", "64_", "_64")
#: By library: the functions that read and set the number, and whether each thread has a number of its own.
FUNCTIONS = {
    "openblas": ("openblas_get_num_threads", "openblas_set_num_threads", False),
    "openblas, openmp": ("omp_get_max_threads", "omp_set_num_threads", True),
    "mkl": ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads_Local", True),
    "blis": ("bli_thread_get_num_threads", "bli_thread_set_num_threads", False),
    "flexiblas": ("flexiblas_get_num_threads", "flexiblas_set_num_threads", False),
}


@record
class Library:
    """One library.

    Attributes
    ----------
    name : str
    get : callable
        Returns the number of threads; below 1 where nothing was set, which means one.
    set : callable
        Sets it. MKL's returns the thread's earlier setting, 0 for none; that of every other library returns None.
    own : bool
        Whether the number belongs to the calling thread; otherwise to the process.
    """

    name: str
    get: Callable[[], int]
    set: Callable[[int], int | None]
    own: bool = False


def find() -> tuple[Library, ...]:
    """Search the shared libraries that the process has loaded, which takes milliseconds.

    Returns
    -------
    tuple of Library
        Empty where there is none that can be controlled (Accelerate, a BLAS that threadpoolctl does not know).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threadpoolctl warns of two OpenMP runtimes, which is not of this package
        try:
            from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

            controllers = ThreadpoolController().select(user_api="blas").lib_controllers
            return tuple(library for controller in controllers for library in _library(controller))
        except Exception:  # limiting threads saves time and nothing else: no failure of it may stop a pass
            return ()


def _library(controller: Any) -> Iterator[Library]:
    """The library of one controller, or nothing if it has no such functions.

    The C functions are called directly: threadpoolctl looks their symbols up in each call, and from version 3.8 on
    ignores every thread but the first that set a number.
    """
    kind = controller.internal_api
    kinds = [kind]
    if kind == "openblas" and getattr(controller, "threading_layer", None) == "openmp":
        kinds.insert(0, "openblas, openmp")
    for name in kinds:
        if name not in FUNCTIONS:
            continue
        reads, sets, own = FUNCTIONS[name]
        get, put = _function(controller.dynlib, reads), _function(controller.dynlib, sets)
        if get is not None and put is not None:
            put.restype = get.restype if name == "mkl" else None
            yield Library(kind, get, put, own)
            return


def _function(library: Any, name: str) -> Any:
    """A C function under one of the names that it may have; None if the library has none of them.

    It keeps the interpreter's lock while it runs: releasing it for a call of nanoseconds hands it to another thread.
    """
    if isinstance(library, ctypes.CDLL):
        library = ctypes.PyDLL(library._name, handle=library._handle)
    for prefix, suffix in itertools.product(PREFIXES, SUFFIXES):
        try:
            # By subscript: the object is then not that of threadpoolctl, which keeps its own result type.
            return library[f"{prefix}{name}{suffix}"]
        except AttributeError:
            continue
    return None
