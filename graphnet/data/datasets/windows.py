"""Windows over one long series: what was seen, and what followed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphnet.core.checks import integer
from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import DataError, ShapeError


class Windows(NamedTuple):
    """Windows of a series, side by side.

    Attributes
    ----------
    inputs : array (steps, windows, feature)
        What each window saw. A view: neighbouring windows share their memory, so it is not to be written to.
    targets : array (windows, horizon), or (windows, horizon, feature)
        The steps that followed each window; without the last axis where the series has one feature. A view as well.
    origins : int array (windows,)
        For each window the position in the series of the first step that it did not see.
    """

    inputs: Array
    targets: Array
    origins: Array


def windows(series: Any, steps: int, *, horizon: int = 1, stride: int = 1) -> Windows:
    """Every window of ``steps`` steps of a series that is followed by ``horizon`` more; one begins every ``stride``.

    Window w sees ``series[w · stride : w · stride + steps]``, and its target is the ``horizon`` steps after that.

    Parameters
    ----------
    series : array_like, (time,) or (time, feature)
        Real numbers, without NaN.
    steps, horizon, stride : int, at least 1

    Raises
    ------
    ConfigError
        If one of them is not a positive integer.
    ShapeError
        If the series has no or more axes, or has fewer than ``steps + horizon`` steps.
    DataError
        If a value is NaN or infinite.

    Examples
    --------
    >>> found = windows([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 3, horizon=2)
    >>> found.inputs[:, :, 0].T.tolist()
    [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    >>> found.targets.tolist(), found.origins.tolist()
    ([[3.0, 4.0], [4.0, 5.0]], [3, 4])
    """
    for name, value in (("steps", steps), ("horizon", horizon), ("stride", stride)):
        integer("windows", name, value, 1)
    array = as_array(series, "windows, series")
    if array.ndim not in (1, 2):
        raise ShapeError("not one series", where="windows", expected="(time,) or (time, feature)", received=array.shape)
    if len(array) < steps + horizon:
        expected = f"at least {steps + horizon} steps: {steps} to see, {horizon} to follow"
        raise ShapeError("the series is too short", where="windows", expected=expected, received=f"{len(array)} steps")
    wrong = ~np.isfinite(array)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        received = f"{array[at]} at {at[0] if len(at) == 1 else at}"
        raise DataError("a value is not a finite number", where="windows", received=received, remedy="Fill the gaps.")
    whole = np.lib.stride_tricks.sliding_window_view(array.reshape(len(array), -1), steps + horizon, axis=0)[::stride]
    following = whole[:, :, steps:].swapaxes(1, 2)
    origins = steps + stride * np.arange(len(whole))
    return Windows(
        whole[:, :, :steps].transpose(2, 0, 1), following[:, :, 0] if array.ndim == 1 else following, origins
    )
