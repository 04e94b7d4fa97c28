"""What costs time: the parts of the page that need a run of the model, computed by a thread of low priority."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet.core.concurrency.blas_threads import threads
from graphnet.core.errors import GraphnetError
from graphnet.models.loading import load
from graphnet.models.pages.facts import cleaned, compiler_data, confusion_data, cost_data
from graphnet.models.pages.recorded import record_data
from graphnet.models.pages.worst import worst_data
from graphnet.models.train_file import confusion_of_run, tested

#: The parts that depend on the weights take at most this share of the time.
SHARE = 0.1
#: Seconds after which a checkpoint that could not be read is tried again.
RETRY = 2.0
#: Seconds that the end waits for the part that is being computed.
PATIENCE = 2.0


@dataclass(frozen=True)
class Parts:
    """The parts of the page, as the arguments of :func:`graphnet.report` of these names."""

    measure: bool = True
    example: Any = None
    confusion: bool = False
    worst: int = 0
    batch: int = 8
    steps: int = 20

    def of_graph(self, path: Path) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """The parts that do not depend on the weights: their key, their name in words, and what computes them."""
        if self.measure:
            graph = load(path).graph
            yield "costs", "times", lambda: cost_data(graph, self.batch, self.steps)
            yield "compiler", "notes of the compiler", lambda: compiler_data(graph, self.batch, self.steps)

    def of_weights(self, path: Path) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """The parts that differ from checkpoint to checkpoint."""
        if self.example is not None:
            yield "recorded", "values of the example", lambda: record_data(load(path).graph, self.example)
        if self.confusion:
            yield "confusion", "confusion matrix", lambda: confusion_data(confusion_of_run(path))
        if self.worst:
            yield "worst", "worst examples", lambda: _worst(path, self.worst)


class Measurements:
    """The parts of the newest checkpoint that was offered; one thread computes them, the server takes what is there.

    The times and the compiler's notes are computed once for each graph, the others once for each checkpoint, and not
    all the time: after a computation the thread sleeps, so that at most a tenth of its time is used.
    The thread has the lowest priority (on other systems than Linux the process has a low one), and one BLAS thread.

    Parameters
    ----------
    path : Path
        The folder of the run.
    parts : Parts
    """

    def __init__(self, path: Path, parts: Parts) -> None:
        self.path, self.parts = path, parts
        self._wanted = threading.Condition()
        self._keys: tuple[Any, Any] | None = None
        self._closed = False
        self._data: dict[str, Any] = {}
        self._thread: threading.Thread | None = None

    def offer(self, graph: Any, weights: Any) -> None:
        """Say that there is a checkpoint: what its graph and its weights can be recognized by."""
        with self._wanted:
            self._keys = graph, weights
            self._wanted.notify_all()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, daemon=True, name="graphnet watch, measurements")
                self._thread.start()

    def data(self) -> dict[str, Any]:
        """The parts that have been computed; ``pending`` names those that are being computed, ``missing`` why not."""
        with self._wanted:
            return dict(self._data)

    def close(self) -> None:
        """End the thread after the part that it computes, or leave it to the end of the process."""
        with self._wanted:
            self._closed = True
            self._wanted.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(PATIENCE)

    def _work(self) -> None:
        _lower_priority()
        with threads(1):
            done: tuple[Any, Any] = (object(), None)
            while (keys := self._next(done)) is not None:
                graph, weights = keys
                readable = graph == done[0] or self._compute(self.parts.of_graph)
                start = time.monotonic()
                if readable:
                    done = graph, weights if self._compute(self.parts.of_weights) else done[1]
                rest = (time.monotonic() - start) / SHARE
                with self._wanted:
                    self._wanted.wait_for(lambda: self._closed, rest if done == keys else max(rest, RETRY))

    def _next(self, done: tuple[Any, Any]) -> tuple[Any, Any] | None:
        """Wait for another checkpoint than this one; None at the end."""
        with self._wanted:
            self._wanted.wait_for(lambda: self._closed or self._keys != done)
            return None if self._closed else self._keys

    def _compute(self, parts: Callable[[Path], Iterator[tuple[str, str, Callable[[], Any]]]]) -> bool:
        """Compute these parts one by one; what cannot be computed keeps its last value and says why.

        Returns whether the checkpoint could be read.
        """
        try:
            for key, words, computed in parts(self.path):
                if self._closed:
                    return False
                self._publish(pending=words)
                try:
                    self._publish(key, computed(), words)
                except Exception as error:  # a layer of a plugin may fail with any; the page goes on without the part
                    self._publish(key, None, words, _why(error))
        except (GraphnetError, OSError) as error:  # the files are being replaced
            self._publish("costs", None, "times", _why(error))
            return False
        self._publish()
        return True

    def _publish(
        self, key: str = "", value: Any = None, words: str = "", problem: str = "", *, pending: str = ""
    ) -> None:
        with self._wanted:
            if value is not None:
                self._data[key] = value
            missing = {name: text for name, text in self._data.get("missing", []) if name != words}
            if problem:
                missing[words] = problem
            for name, given in (("missing", [list(pair) for pair in missing.items()]), ("pending", pending)):
                if given:
                    self._data[name] = given
                else:
                    self._data.pop(name, None)


def _worst(path: Path, count: int) -> dict[str, Any]:
    model, dataset = tested(path, None)
    return worst_data(model, dataset.test.inputs, dataset.test.targets, count)


def _why(error: BaseException) -> str:
    text = cleaned(str(error))[:500] or type(error).__name__
    return text if isinstance(error, GraphnetError) else f"{type(error).__name__}: {text}"


def _lower_priority() -> None:
    """Let everything else go first. Linux has a priority for each thread, others only one for the process."""
    with contextlib.suppress(AttributeError, OSError):
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        else:
            os.nice(10)
