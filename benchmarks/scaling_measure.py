"""The measurements of scaling.py: the parts of training steps, and sums and broadcasts alone."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from graphnet import Builder, Layer, Runner, Scan, Trainer, TrainingConfig, register
from graphnet.callbacks import Callback
from graphnet.distributed import Communicator, DataParallel, Message
from graphnet.losses import MeanSquaredError
from graphnet.training.distributed.weights import SentWeights

WORKERS = (1, 2, 4)
#: Bytes of the sums and broadcasts that are measured alone.
BYTES = (1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
#: Steps at the beginning of a training that do not count: compilation, the first weights.
WARM = 3


@dataclass(frozen=True)
class Model:
    """An LSTM over random sequences.

    Attributes
    ----------
    units, time, rows : int
        Of the layer, of a sequence, of a step.
    steps : int
        Of a training.
    """

    units: int
    time: int
    rows: int
    steps: int

    @property
    def bytes(self) -> int:
        """Of the weights, in single precision."""
        return 4 * 4 * self.units * (2 * self.units + 1)

    @property
    def text(self) -> str:
        return f"LSTM {self.units}, {self.time} time steps"


MODELS = {"small": Model(64, 25, 32, 40), "medium": Model(256, 50, 64, 12), "large": Model(512, 100, 128, 4)}


@dataclass
class Step:
    """The seconds of a training step on rank 0, by what they were spent on.

    Attributes
    ----------
    waited : float
        Communication that rank 0 waits for: to send weights, and for sums after its own backward pass.
    skew : float
        What rank 0 waits besides, because another rank computes longer.
    rest : float
        The update, batches, bookkeeping.
    """

    workers: int
    rows: int
    seconds: float = 0.0
    compute: float = 0.0
    waited: float = 0.0
    skew: float = 0.0
    rest: float = 0.0


@register
class Recorder(Callback):
    """Collects the steps of a training from what other objects note during it."""

    def __init__(self, workers: int, rows: int) -> None:
        self.workers, self.rows = workers, rows
        self.steps: list[Step] = []
        self._step, self._start = Step(workers, rows), time.perf_counter()
        self._computed: float | None = None

    def spend(self, part: str, seconds: float) -> None:
        setattr(self._step, part, getattr(self._step, part) + seconds)

    def computed(self) -> None:
        """Rank 0 has computed its rows."""
        self._computed = time.perf_counter()

    def received(self) -> None:
        """Rank 0 has waited for a sum."""
        if self._computed is not None:
            now = time.perf_counter()
            self.spend("waited", now - self._computed)
            self._computed = now

    def on_batch_end(self, trainer: Any, epoch: int, batch: int, loss: float) -> None:
        step, now = self._step, time.perf_counter()
        step.seconds, self._computed = now - self._start, None
        step.rest = step.seconds - step.compute - step.waited
        self.steps.append(step)
        self._step, self._start = Step(self.workers, self.rows), now


def measure(name: str, rounds: int, quick: bool) -> list[Step]:
    """Train a model with each number of workers in turn; also with fewer rows in one process."""
    model, found = MODELS[name], []
    kinds = [(1, model.rows // 4), (1, model.rows // 2), *((count, model.rows) for count in WORKERS)]
    for number in range(rounds):
        for workers, rows in kinds[:: -1 if number % 2 else 1]:
            found += train(model, workers, rows, WARM + 1 if quick else WARM + model.steps)[WARM:]
    return found


def train(model: Model, workers: int, rows: int, steps: int) -> list[Step]:
    """Train, and return the steps."""
    rng, units = np.random.default_rng(0), model.units
    builder = Builder("scaling", dtype="float32")
    x = builder.input("x", f"time, batch, feature={units}")
    graph = builder.build(lstm(units)(x))
    inputs = rng.normal(size=(model.time, rows * steps, units)).astype("float32")
    recorder = Recorder(workers, rows)
    config = TrainingConfig(
        loss=MeanSquaredError(), epochs=1, batch_size=rows, seed=1, threads=1, callbacks=(recorder,)
    )
    with tempfile.TemporaryDirectory() as folder, observed(recorder):
        path = Path(folder) / "others.txt"
        engine = None if workers == 1 else DataParallel(timed(recorder, path), workers=workers, verify=False, cpus=1)
        Trainer(graph, config, engine=engine).fit(inputs, np.tanh(inputs))
        return recorder.steps if workers == 1 else skewed(recorder.steps, path)


def skewed(steps: list[Step], path: Path) -> list[Step]:
    """Take the time for which another rank computes longer out of what rank 0 waits for."""
    others: dict[str, list[float]] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        rank, seconds = line.split()
        others.setdefault(rank, []).append(float(seconds))
    for step, *seconds in zip(steps, *others.values(), strict=False):
        step.skew = min(max(0.0, max(seconds) - step.compute), step.waited)
        step.waited -= step.skew
    return steps


def noting(path: str, communicator: Communicator) -> None:
    """What the other ranks do: they follow, and append the seconds of each forward and backward pass to a file."""
    from graphnet.distributed import follow as ordinary

    passes: list[float] = []

    def wrapped(method: Callable[..., Any], last: bool) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*arguments, **options)
            finally:
                passes.append(time.perf_counter() - start)
                if last:
                    with open(path, "a", encoding="ascii") as file:
                        file.write(f"{communicator.rank} {sum(passes)}\n")
                    passes.clear()

        return call

    Runner.forward = wrapped(Runner.forward, last=False)  # type: ignore[method-assign]
    Runner.backward = wrapped(Runner.backward, last=True)  # type: ignore[method-assign]
    ordinary(communicator)


def lstm(units: int) -> Layer:
    from graphnet_recurrent.cells import lstm_cell

    return Scan(lstm_cell(units))


@contextmanager
def observed(recorder: Recorder) -> Iterator[None]:
    """Note when rank 0 computes and packs weights; only methods of this process are replaced."""
    methods = {(Runner, "forward"): "compute", (Runner, "backward"): "compute", (SentWeights, "changed"): "waited"}
    before = {key: getattr(*key) for key in methods}
    for (owner, name), part in methods.items():
        setattr(owner, name, _timed(before[owner, name], part, recorder, last=name == "backward"))
    try:
        yield
    finally:
        for (owner, name), method in before.items():
            setattr(owner, name, method)


def _timed(method: Callable[..., Any], part: str, recorder: Recorder, last: bool) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments, **options)
        finally:
            recorder.spend(part, time.perf_counter() - start)
            if last:
                recorder.computed()

    return call


def timed(recorder: Recorder, path: Path) -> type[Communicator]:
    """The communicator of Ray, which notes what rank 0 waits for."""
    from graphnet_ray import RayCommunicator

    class Noted:
        """A sum, whose arrival is noted."""

        def __init__(self, pending: Any) -> None:
            self._pending = pending

        def result(self) -> Any:
            try:
                return self._pending.result()
            finally:
                recorder.received()

    class Timed(RayCommunicator):
        """Notes the time of broadcasts and the arrival of sums."""

        @classmethod
        def launch(cls, workers: int, follow: Any, **options: Any) -> Self:
            return super().launch(workers, functools.partial(noting, str(path)), **options)

        def broadcast(self, message: Message | None = None) -> Message:
            start = time.perf_counter()
            try:
                return super().broadcast(message)
            finally:
                recorder.spend("waited", time.perf_counter() - start)

        def begin_sum(self, buffer: Any, *, everywhere: bool = True) -> Any:
            return Noted(super().begin_sum(buffer, everywhere=everywhere))

    return Timed


# ------------------------------------------------------------------ sums and broadcasts alone
def follow(communicator: Communicator) -> None:
    """What the other ranks do: contribute to as many sums as rank 0 says, or confirm that they have an array."""
    while True:
        header = communicator.broadcast().header
        buffer = np.ones(header["size"], np.float32)
        communicator.barrier()
        if header["kind"] == "sum":
            communicator.sum(buffer, everywhere=False)
        else:
            communicator.broadcast()
            communicator.sum(buffer[:1], everywhere=False)


def collectives(quick: bool) -> list[dict[str, Any]]:
    """The seconds of a broadcast, until all have it, and of a sum, until rank 0 has it: medians by size and workers."""
    from graphnet_ray import RayCommunicator

    found: list[dict[str, Any]] = []
    for workers in WORKERS[1:]:
        group, medians = RayCommunicator.launch(workers, follow, cpus=1), {}
        try:
            for kind in ("sum", "broadcast") * 3:  # the first use of memory costs page faults; training uses it again
                _once(group, kind, BYTES[-1] // 4)
            for size in BYTES[:: -3 if quick else -1]:
                times: dict[str, list[float]] = {"sum": [], "broadcast": []}
                for _ in range(3 if quick else 9 if size < 1 << 24 else 5):
                    for kind, seconds in times.items():
                        seconds.append(_once(group, kind, size // 4))
                medians[size] = {kind: float(np.median(seconds[1:])) for kind, seconds in times.items()}
        finally:
            group.close()
        confirmation = medians[min(medians)]["sum"]
        for size, each in sorted(medians.items()):
            broadcast = max(each["broadcast"] - confirmation, 1e-5)
            found.append({"workers": workers, "bytes": size, "sum": each["sum"], "broadcast": broadcast})
    return found


def _once(group: Communicator, kind: str, size: int) -> float:
    """One sum; or one broadcast, which ends with a sum of one number that tells rank 0 that all have it."""
    buffer = np.ones(size, np.float32)
    group.broadcast(Message({"kind": kind, "size": size}))
    group.barrier()
    start = time.perf_counter()
    if kind == "sum":
        group.sum(buffer, everywhere=False)
    else:
        group.broadcast(Message({}, [buffer]))
        group.sum(buffer[:1], everywhere=False)
    return time.perf_counter() - start
