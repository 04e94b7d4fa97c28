"""The model of scaling.py: how long a step takes with any number of workers, on this machine's cores and a network.

A step of ``rows`` rows with ``n`` workers, of which each has a machine of its own, takes

``step = row · rows / n + once + wait(n)``

where ``row`` is the computation for a row, and ``once`` what is done once a step: the update, batches, kernels that
start. With one worker nothing is sent. With more, rank 0 sends the weights to ``n - 1`` others and adds up
as many gradients of ``bytes``:

``wait(n) = handling + 2 (latency + delay) + (n - 1) · bytes · (copies + 2 / bandwidth)``

``handling`` is what steps with two workers wait here beyond a sum and a broadcast alone: flat arrays, checks, batches
of the other rank. ``latency`` (of a message of the communicator) and ``copies`` (seconds a byte: to and from the object
store, additions) are fitted here, between processes of one machine; ``delay`` and ``bandwidth`` are those of the
network.

For comparison, sums in a ring (Patarasuk and Yuan 2009), which graphnet does not have: every worker sends and receives
``2 (n - 1) / n · bytes``, in ``2 (n - 1)`` messages one after the other, and all of them update:

``wait(n) = handling + 2 latency + 2 (n - 1) · delay + bytes · copies + 2 (n - 1) / n · bytes / bandwidth``
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scaling_measure import MODELS, Model, Step

COUNTS = (1, 2, 4, 8, 16, 32, 64)
#: Of a frame of 1538 bytes on the wire, 1448 are data of TCP (MTU 1500, IPv4, time stamps).
PAYLOAD = 1448 / 1538
#: Bytes a second, and seconds of a message one way. The delays are assumptions: machines at one switch, through the
#: network stack of the kernel.
NETWORKS = {
    "10 Gbit/s Ethernet": (10e9 / 8 * PAYLOAD, 50e-6),
    "1 Gbit/s Ethernet": (1e9 / 8 * PAYLOAD, 100e-6),
}
#: Seconds for which a step with a number of workers waits for a number of bytes.
Wait = Callable[[int, int], float]
#: The mark of predictions for sums that are not built.
RING = ", ring sums (not built)"
#: What more workers must bring: a worker less than this share of its own speed does not help.
HELP = 0.05


@dataclass(frozen=True)
class Line:
    """``latency + bytes · per_byte``, in seconds; ``error``: the largest deviation of a measurement, relative to it."""

    latency: float
    per_byte: float
    error: float

    def at(self, size: float) -> float:
        return self.latency + size * self.per_byte


@dataclass(frozen=True)
class Prediction:
    """A number of workers, the seconds of a step, and the rows a second in those of one worker."""

    workers: int
    seconds: float
    speed: float


def fitted(sizes: Any, seconds: Any) -> Line:
    """The line with the least sum of squared relative deviations, whose ends are not negative."""
    x, y = np.asarray(sizes, float), np.asarray(seconds, float)
    matrix = np.stack([1 / y, x / y], axis=1)
    latency, per_byte = np.linalg.lstsq(matrix, np.ones(len(y)), rcond=None)[0]
    if latency < 0:
        latency, per_byte = 0.0, float((x / y).sum() / (x**2 / y**2).sum())
    error = np.abs((latency + x * per_byte) / y - 1).max()
    return Line(float(latency), float(max(per_byte, 0.0)), float(error))


def line(transfers: list[dict[str, Any]], kind: str) -> Line:
    """The line through the sums or broadcasts of some transfers."""
    return fitted([t["bytes"] for t in transfers], [t[kind] for t in transfers])


def compute_fit(name: str, steps: list[Step]) -> dict[str, float]:
    """Computation a row, and what a step takes besides: a line through steps of one worker with several rows."""
    alone = [step for step in steps if step.workers == 1]
    rows = sorted({step.rows for step in alone})
    seconds = [float(np.median([step.seconds for step in alone if step.rows == count])) for count in rows]
    found = fitted(rows, seconds)
    waited = float(np.median([step.waited for step in steps if step.workers == 2]))
    return {"row": found.per_byte, "once": found.latency, "error": found.error, "waited": waited}


def predict(found: dict[str, Any], weak: bool = False) -> dict[str, dict[str, list[Prediction]]]:
    """The steps of each model on each network, for the same batch with all counts; ``weak``: as many rows a worker."""
    two = [t for t in found["collectives"] if t["workers"] == 2]
    there, back = line(two, "broadcast"), line(two, "sum")
    both = Line(there.latency + back.latency, there.per_byte + back.per_byte, 0.0)
    return {
        name: {
            f"{network}{kind}": curve(MODELS[name], compute, waiting(both, *figures), weak, both)
            for kind, waiting in (("", root_wait), (RING, ring_wait))
            for network, figures in NETWORKS.items()
        }
        for name, compute in found["compute"].items()
    }


def curve(model: Model, compute: dict[str, float], wait: Wait, weak: bool, both: Line) -> list[Prediction]:
    """The steps with each number of workers."""
    predictions: list[Prediction] = []
    one, handling = 0.0, max(compute["waited"] - both.at(model.bytes), 0.0)
    for count in COUNTS:
        rows = model.rows * (count if weak else 1)
        seconds = compute["row"] * rows / count + compute["once"]
        seconds += wait(count, model.bytes) + handling if count > 1 else 0.0
        one = one or rows / seconds
        predictions.append(Prediction(count, seconds, rows / seconds / one))
    return predictions


def root_wait(both: Line, bandwidth: float, delay: float) -> Wait:
    """Rank 0 sends all weights and adds all gradients."""
    return lambda n, size: both.latency + 2 * delay + (n - 1) * size * (both.per_byte + 2 / bandwidth)


def ring_wait(both: Line, bandwidth: float, delay: float) -> Wait:
    """Sums in a ring."""
    return lambda n, size: (
        both.latency + 2 * (n - 1) * delay + size * both.per_byte + 2 * (n - 1) / n * size / bandwidth
    )


def shown_prediction(found: dict[str, Any]) -> str:
    """The fitted figures, and the predicted speed as a table."""
    lines = ["", "| model | ms a row | ms a step besides | largest deviation |", "|---|---|---|---|"]
    for name, fit in found["compute"].items():
        lines.append(f"| {name} | {1e3 * fit['row']:.3g} | {1e3 * fit['once']:.3g} | {fit['error']:.0%} |")
    for weak in (False, True):
        what = "as many rows for each worker" if weak else "the same batch with all counts"
        lines += ["", f"predicted speed in those of one worker, {what}", ""]
        lines += ["| model | network | " + " | ".join(map(str, COUNTS)) + " | more stop helping beyond |"]
        lines += ["|---|---|" + "---|" * (len(COUNTS) + 1)]
        for name, by_network in predict(found, weak).items():
            for network, curve in by_network.items():
                speeds = " | ".join(f"{each.speed:.2g}" for each in curve)
                lines.append(f"| {name} | {network} | {speeds} | {useful(curve)} |")
    return "\n".join(lines)


def useful(curve: list[Prediction]) -> int:
    """The largest count up to which each doubling brings at least HELP of what it could bring."""
    best = 1
    for before, after in itertools.pairwise(curve):
        if after.speed < before.speed * (1 + HELP * (after.workers / before.workers - 1)):
            break
        best = after.workers
    return best
