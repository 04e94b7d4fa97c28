"""Everything that decides the future of a training run, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from graphnet.core.describe.parameter import Array
from graphnet.core.errors import GraphnetError, StateError

#: The key of the rows that restart, in the part ``state``, as in a state file.
FRESH = "*fresh"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything that decides the future of a training run, at one point between two updates.

    A run that is restored from it, on the same data, goes on as the run that was never stopped. It is a copy: later
    training does not change it. What stores it need not know what is in the parts.

    Attributes
    ----------
    epoch : int
        Completed epochs.
    step : int
        Completed updates since the beginning of the run, in all epochs.
    arrays : mapping of part to mapping of name to array
        ``weights``: current weights and buffers, by ``node path/name``. ``best``: those of the best epoch, with the
        same names; absent before the first complete epoch. ``state``: the recurrent state at the end of the stream in
        the best epoch, with the names of a state file; absent without a Stream. ``training``: all other arrays, such as
        moments of optimizers, states carried between pieces, arrays of callbacks and metrics.
    values : mapping of str to JSON value
        Everything else: strings, booleans, None, integers of any size, finite floats, lists, and mappings by strings.
        NaN and infinities are mappings ``{"float": "nan"}``. ``json.dumps(values, allow_nan=False)`` never fails, and
        ``json.loads`` of it is equal.

    Notes
    -----
    Keys of ``values`` that a store may read: ``fingerprint`` (what must be equal on resuming: ``model``, ``data``,
    ``seed``, ``dtype``, ``backend``, ``versions``), ``epochs`` (those that the run is to have), ``stopped`` (None
    while the run goes on; else ``finished``, ``patience`` or ``callback``), and ``best_epoch`` (0: none). For the
    records of the epochs use ``trainer.history``, which is restored on resuming before ``on_start`` of the callbacks is
    called.
    """

    epoch: int
    step: int
    arrays: Mapping[str, Mapping[str, Array]]
    values: Mapping[str, Any]


@contextmanager
def reading() -> Iterator[None]:
    """Turn the exceptions of reading damaged values into a StateError.

    Raises
    ------
    StateError
    """
    try:
        yield
    except GraphnetError:
        raise
    except Exception as error:  # what damaged values do has no complete list
        raise StateError(
            f"the checkpoint cannot be read: {type(error).__name__}: {error}",
            where="resume",
            expected="a checkpoint of this run",
            remedy="Resume from an earlier checkpoint.",
        ) from (
            None if isinstance(error, StopIteration) else error
        )  # contextlib takes it for the end of this generator
