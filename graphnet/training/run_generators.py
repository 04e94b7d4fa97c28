"""The random generators of a training run, and the sources of its streams."""

from __future__ import annotations

import random as python_random
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.describe.parameter import Array
from graphnet.training.epoch import EpochRunner
from graphnet.training.feeds import StreamPieces
from graphnet.training.object_reader import ObjectReader
from graphnet.training.object_writer import ObjectWriter
from graphnet.training.source_state import restore_source, source_state


class RunGenerators:
    """Reads and sets the generators that decide what a run draws and reads next.

    The order of the examples and the source of a stream are kept as they were when the epoch began: on resuming, the
    order is drawn again, and the source is read up to the position. Then the source, and the generators that it may
    share with the rest of the run, are set to what they were at the checkpoint.

    Parameters
    ----------
    epochs : EpochRunner
    """

    def __init__(self, epochs: EpochRunner) -> None:
        self._epochs = epochs
        self._globals: dict[str, Any] = {}
        #: The state of the stream's source at the position of a checkpoint, until it has been read up to there.
        self._position: tuple[dict[str, Any], dict[str, Array]] | None = None

    @property
    def _stream(self) -> object:
        return getattr(self._epochs.feed, "stream", None)

    def beginning(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What is kept when an epoch begins, as JSON and arrays."""
        source, arrays = source_state(self._stream, "stream")
        return {"order": ObjectWriter().value(self._epochs.rng, "order"), "source": source}, arrays

    def written(self, arrays: dict[str, Array]) -> dict[str, Any]:
        """All generators and sources as JSON; their arrays are added to ``arrays``."""
        current = self._epochs.current
        beginning, more = self.beginning() if current is None else current.beginning
        arrays.update(more)
        values = {**beginning, "run": ObjectWriter().value(random.generator(), "generator of the run")}
        for name, state in (("numpy", np.random.get_state(legacy=False)), ("python", python_random.getstate())):  # noqa: NPY002
            values[name], more = self._global(name, state)
            arrays.update(more)
        values["validation"], more = source_state(self._epochs.validation, "validation")
        arrays.update(more)
        values["position"], more = self._position or source_state(self._stream, "position")
        arrays.update(more)
        return values

    def _global(self, name: str, state: Any) -> tuple[Any, dict[str, Array]]:
        """The state of a global generator as JSON and arrays; it rarely changes, and is then not converted again."""
        before, written = self._globals.get(name, (None, ({}, {})))
        if before is None or not _equal(before, state):
            writer = ObjectWriter()
            written = writer.value(state, f"generator of {name}"), writer.arrays
            self._globals[name] = state, written
        return written

    def restore(self, written: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Put back what :meth:`written` returned; the present epoch has been restored before."""
        if self._epochs.rng is not None:
            ObjectReader(arrays).value(written["order"], self._epochs.rng, "order")
        restore_source(written["validation"], arrays, self._epochs.validation, "validation")
        restore_source(written["source"], arrays, self._stream, "stream")
        self._restore_shared(written, arrays)
        current = self._epochs.current
        if current is None:
            return
        kept = {name: array for name, array in arrays.items() if name.startswith("stream")}
        current.beginning = {name: written[name] for name in ("order", "source")}, kept

        def at_position() -> None:
            self._position = None
            restore_source(written["position"], arrays, self._stream, "position")
            self._restore_shared(written, arrays)

        if isinstance(self._epochs.feed, StreamPieces):
            kept = {name: array for name, array in arrays.items() if name.startswith("position")}
            self._position, self._epochs.feed.reached = (written["position"], kept), at_position

    @staticmethod
    def _restore_shared(written: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """The generator of the run, and the global ones of numpy and Python."""
        np.random.set_state(ObjectReader(arrays).value(written["numpy"], None, ""))  # noqa: NPY002
        python_random.setstate(ObjectReader(arrays).value(written["python"], None, ""))
        ObjectReader(arrays).value(written["run"], random.generator(), "generator of the run")


def _equal(one: Any, other: Any) -> bool:
    """Whether two states of a global generator are equal: tuples, or dictionaries with one array inside."""
    if not isinstance(one, dict):
        return bool(one == other)
    if any(one[name] != other[name] for name in one if name != "state"):
        return False
    states = one["state"], other["state"]
    return states[0].keys() == states[1].keys() and all(np.array_equal(states[0][n], states[1][n]) for n in states[0])
