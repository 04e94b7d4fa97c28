"""The error for a number that is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.errors import NonFiniteError
from graphnet.core.run.observed.origin import Origin
from graphnet.data.batches import Batch

#: How a sentence ends that begins with the number, by kind of origin; ``{}`` is the path.
SENTENCES = {
    "forward": "{} arose first in the forward pass of node {}",
    "backward": "{} arose first in the backward pass of node {}",
    "input": "{} is in the input {!r}",
    "target": "{} is in the target of output {!r}",
    "state": "{} is in the state {!r}, which was carried over from an earlier piece",
    "weight": "{} was in the weights {!r} before this batch",
    "loss": "{} arose in the loss of output {}, whose prediction is finite",
    "loss error": "{} is in the gradient that the loss of output {!r} returns",
    "regularizer": "{} arose in the regularizer, for the weights {!r}",
    "gradient": "the sum of the gradients for {!r} overflows, and none of its terms does",
}
REMEDIES = {
    "input": "Remove or replace such numbers in the data.",
    "target": "Remove such rows, or mask them.",
    "weight": "Load other weights.",
    "backward": "Look at the derivative at these inputs, clip the errors, or set dtype='float64'.",
}
REMEDY = "Lower the learning rate, clip the gradients (clip_norm), or look for outliers in the data."
NOT_AGAIN = (
    "it did not arise again when the batch was run node by node, so a layer depends on more than its inputs, or "
    "rounding decides; known is only: {}"
)
DETECT = "Train with detect_anomaly=True, which checks every node while it runs."


def report(
    problem: str, received: Any, origin: Origin | None, batch: Batch, *, epoch: int, number: int, start: int, known: str
) -> NonFiniteError:
    """The error that names where it began.

    Parameters
    ----------
    problem : str
        What is not finite.
    received : object
    origin : Origin or None
    batch : Batch
    epoch, number : int
        Of the batch.
    start : int
        The first step of the batch, for a piece of longer sequences.
    known : str
        What is known where the batch did not give it again.
    """
    kind, step, row = "unknown", None, None
    if origin is None:
        text = NOT_AGAIN.format(known)
    else:
        kind, row = origin.kind, origin.row
        step = None if origin.step is None else origin.step + start
        what = origin.received or "a number that is not finite"
        text = SENTENCES[kind].format(*([origin.path] if kind == "gradient" else [what, origin.path]))
        text += place(origin, step, row, example(batch, row), start)
    error = NonFiniteError(
        f"{problem}: {text}",
        where=f"epoch {epoch}, batch {number}",
        expected="finite numbers",
        received=received,
        remedy=DETECT if origin is None else REMEDIES.get(kind, REMEDY),
        subject=None if origin is None else origin.path.partition(", ")[0] if kind == "loss" else origin.path,
    )
    error.kind, error.step, error.row, error.epoch, error.batch = kind, step, row, epoch, number
    error.example = example(batch, row)
    return error


def place(origin: Origin, step: int | None, row: int | None, number: int | None, start: int) -> str:
    """The step and the row in words."""
    parts = []
    if step is not None:
        inner = "".join(f", step {t} of {path}" for path, t in origin.scope[1:])
        parts.append(f"step {step}{inner}" + (f" (step {step - start} of this piece)" if start else ""))
    if row is not None:
        parts.append(f"row {row}" + ("" if number is None else f" (example {number})"))
    return "".join(f", {part}" for part in parts)


def example(batch: Batch, row: int | None) -> int | None:
    """The position among all examples of a row of a batch."""
    if row is None or batch.positions is None:
        return None
    if isinstance(batch.positions, slice):
        return int(batch.positions.start or 0) + row
    positions = np.asarray(batch.positions)
    return int(positions[row]) if row < len(positions) else None
