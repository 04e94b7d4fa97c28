"""One training with a plant, drawn from a generator, and what the error says."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet import Add, BatchNormalization, Builder, Cell, Dropout, FullyConnected, Last, NonFiniteError, Scan
from graphnet.data.datasets import Stream
from graphnet.losses import MeanSquaredError
from graphnet.optimizers import Sgd
from graphnet.training import Trainer, TrainingConfig
from graphnet_recurrent import GRU, LSTM
from plants.layers import BACKWARD, FORWARD, MARK, Deep, NanLoss, NanLossError, UncheckedTargets, plant

KINDS = ("feed-forward", "two outputs", "sequences", "ragged", "pieces", "stream", "last step")
LOSSES = {"loss": NanLoss, "loss error": NanLossError, "target": UncheckedTargets}
EXAMPLES, STEPS, BATCH = 22, 12, 8


@dataclass
class Plan:
    """What is planted where."""

    kind: str
    what: str
    how: str
    opaque: bool
    place: str
    backend: str
    dtype: str
    detect: bool
    tbptt: tuple[int, int] | None
    row: int
    step: int
    feature: int

    @property
    def timed(self) -> bool:
        return self.kind not in ("feed-forward", "two outputs")


def drawn(rng: np.random.Generator) -> Plan:
    kind = str(rng.choice(KINDS))
    what = str(rng.choice(["input", "forward", "backward", *LOSSES], p=[0.15, 0.35, 0.35, 0.05, 0.05, 0.05]))
    how = str(rng.choice(FORWARD if what == "forward" else BACKWARD if what == "backward" else ["none"]))
    place = str(rng.choice(["plain", "composite", "cell"]))
    if kind in ("feed-forward", "two outputs") and place == "cell":
        place = "composite"
    tbptt = (4, int(rng.choice([4, 6, 9]))) if kind in ("pieces", "stream") else None
    dtype = "float32" if how == "square" else str(rng.choice(["float32", "float64"]))
    backend, opaque, detect = str(rng.choice(["reference", "numpy", "native"])), bool(rng.random() < 0.5), rng.random()
    row, step, feature = (int(rng.integers(n)) for n in (EXAMPLES, STEPS, 3))
    return Plan(kind, what, how, opaque, place, backend, dtype, detect < 0.15, tbptt, row, step, feature)


def graph(plan: Plan, rng: np.random.Generator) -> tuple[Any, str]:
    """The graph, and the path of the plant in it."""
    g = Builder("g", dtype=plan.dtype)
    h = x = g.input("x", "time, batch, feature=3" if plan.timed else "batch, feature=3")
    if rng.random() < 0.5:
        h = Dropout(0.9)(h) * 0.0 + x
    if rng.random() < 0.3 and not plan.timed:
        h = BatchNormalization(3)(FullyConnected(3, 3)(x * 0.0)) * 0.0 + h
    if plan.what == "backward":
        h = FullyConnected(3, 3)(x) * 0.0 + h  # weights that an error of the plant reaches
    if plan.place == "plain":
        h, path = plant(plan.how, plan.opaque)(h, name="plant"), "plant"
    elif plan.place == "composite":
        h, path = Deep(plan.how, plan.opaque)(h, name="deep"), "deep/plant"
    else:
        cell = Cell("c", sequences={"x": 3}, states={"s": 3})
        planted = plant(plan.how, plan.opaque)(cell.x, name="plant")
        s = FullyConnected(3, 3)(cell.s, name="w") * 0.3 + planted * 0.01
        h, path = Scan(cell.build(output=Add()(s, planted * 0.05), s=s))(h, name="scan"), "scan/plant"
        h = h[0] if isinstance(h, tuple) else h
    if not plan.timed:
        outputs = {"y": FullyConnected(3, 2)(h)}
        if plan.kind == "two outputs":
            outputs["z"] = FullyConnected(3, 2)(g.input("x2", "batch, feature=3"))
        return g.build(**outputs), path
    h = (LSTM if rng.random() < 0.5 else GRU)(3, 4, None)(h)
    return g.build(y=FullyConnected(4, 2)(Last()(h) if plan.kind == "last step" else h)), path


def data(plan: Plan, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of ``fit``, with the mark."""
    leading = (STEPS, EXAMPLES) if plan.timed else (EXAMPLES,)
    x = np.clip(rng.normal(size=(*leading, 3)), -3, 3).astype(plan.dtype)
    y = rng.normal(size=(*(leading if plan.kind != "last step" else (EXAMPLES,)), 2)).astype(plan.dtype)
    if plan.what in LOSSES:
        y[(plan.step, plan.row) if y.ndim == 3 else plan.row] = np.nan if plan.what == "target" else MARK
    else:
        at = (plan.step, plan.row, plan.feature) if plan.timed else (plan.row, plan.feature)
        x[at] = np.nan if plan.what == "input" else MARK
    if plan.kind == "stream":
        return (Stream(x, y, batch=None),), {}
    if plan.kind == "two outputs":
        return ({"x": x, "x2": rng.normal(size=(EXAMPLES, 3)).astype(plan.dtype)}, {"y": y, "z": np.zeros_like(y)}), {}
    if plan.kind == "ragged" or (plan.kind in ("last step", "pieces") and rng.random() < 0.5):
        lengths = rng.integers(2, STEPS + 1, EXAMPLES)
        lengths[plan.row] = max(lengths[plan.row], plan.step + 1)
        if rng.random() < 0.5:
            return (x, y), {"lengths": lengths}
        targets = y if y.ndim == 2 else [y[:k, b] for b, k in enumerate(lengths)]
        return ([x[:k, b] for b, k in enumerate(lengths)], targets), {}
    return (x, y), {}


def run(rng: np.random.Generator) -> tuple[bool, str]:
    """Whether the error of one training names node, step and row; and a text about it."""
    plan = drawn(rng)
    built, path = graph(plan, rng)
    arguments, keywords = data(plan, rng)
    loss = LOSSES.get(plan.what, MeanSquaredError)()
    config = TrainingConfig(
        loss={"y": loss, "z": MeanSquaredError()} if plan.kind == "two outputs" else loss,
        optimizer=Sgd(1e-3), batch_size=BATCH, epochs=3, shuffle=bool(rng.random() < 0.5), backend=plan.backend,
        dtype=plan.dtype, seed=int(rng.integers(100)), tbptt=plan.tbptt, detect_anomaly=plan.detect,
    )  # fmt: skip
    subject = {"input": "x", "forward": path, "backward": path}.get(plan.what, "y")
    step = plan.step if plan.timed and not (plan.what in LOSSES and plan.kind == "last step") else None
    wanted = f"{plan}: {subject}, step {step}, row {plan.row}"
    try:
        Trainer(built, config).fit(*arguments, **keywords)
    except NonFiniteError as error:
        row = error.row if plan.kind == "stream" else error.example
        found = (error.subject, error.step, row, error.epoch)
        return found == (subject, step, plan.row, 1), f"{wanted}\n    {found} {error.kind}: {error}"
    except Exception as error:  # NaN in targets is refused before training where they can be read
        return plan.what == "target" and str(plan.row) in str(error), f"{wanted}\n    {type(error).__name__}: {error}"
    return False, f"{wanted}\n    no error"
