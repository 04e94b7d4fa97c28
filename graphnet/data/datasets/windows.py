"""Windows over one long series, with the steps that follow each window as its target."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphnet.core.checks import integer
from graphnet.core.describe.parameter import Array
from graphnet.core.dtypes import as_array
from graphnet.core.errors import DataError, ShapeError


class Windows(NamedTuple):
    """The windows of a series along a batch axis.

    Attributes
    ----------
    inputs : array (steps, windows, feature)
        The steps of each window. A read-only view: neighbouring windows share memory.
    targets : array (windows, horizon), or (windows, horizon, feature)
        The steps after each window; without the last axis if the series is one-dimensional. A read-only view.
    origins : int array (windows,)
        The position in the series of the first step after each window.
    """

    inputs: Array
    targets: Array
    origins: Array


def windows(series: Any, steps: int, *, horizon: int = 1, stride: int = 1) -> Windows:
    """Every window of ``steps`` steps that is followed by ``horizon`` more steps; windows start ``stride`` steps apart.

    Window w is ``series[w · stride : w · stride + steps]``, and its target is the ``horizon`` steps after that.

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
        If the series does not have one or two axes, or has fewer than ``steps + horizon`` steps.
    DataError
        If a value is NaN or infinite.

    Examples
    --------
    >>> result = windows([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 3, horizon=2)
    >>> result.inputs[:, :, 0].T.tolist()
    [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    >>> result.targets.tolist(), result.origins.tolist()
    ([[3.0, 4.0], [4.0, 5.0]], [3, 4])
    """
    for name, value in (("steps", steps), ("horizon", horizon), ("stride", stride)):
        integer("windows", name, value, 1)
    array = as_array(series, "windows, series")
    if array.ndim not in (1, 2):
        raise ShapeError(
            "a series must have one or two axes",
            where="windows",
            expected="(time,) or (time, feature)",
            received=array.shape,
        )
    if len(array) < steps + horizon:
        expected = f"at least {steps + horizon} steps: {steps} in a window, {horizon} after it"
        raise ShapeError("the series is too short", where="windows", expected=expected, received=f"{len(array)} steps")
    not_finite = ~np.isfinite(array)
    if not_finite.any():
        index = tuple(int(i) for i in np.argwhere(not_finite)[0])
        received = f"{array[index]} at {index[0] if len(index) == 1 else index}"
        raise DataError(
            "a value is not a finite number", where="windows", received=received, remedy="Fill in the missing values."
        )
    views = np.lib.stride_tricks.sliding_window_view(array.reshape(len(array), -1), steps + horizon, axis=0)[::stride]
    following = views[:, :, steps:].swapaxes(1, 2)
    origins = steps + stride * np.arange(len(views))
    return Windows(
        views[:, :, :steps].transpose(2, 0, 1), following[:, :, 0] if array.ndim == 1 else following, origins
    )
