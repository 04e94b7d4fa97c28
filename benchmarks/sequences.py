"""The cost of lengths, masks, reversal and the options of recurrent layers, and the training speed of every cell.

    python benchmarks/sequences.py            # both tables, about two minutes
    python benchmarks/sequences.py --quick

First table: forward and backward of one layer on sequences of equal length, and the same with one option; the ratio is
to the first in the same round. The rows of the ragged batch have half to all of the steps, which saves no time: ended
rows are still computed. The mask hides a fifth of the steps.

Second table: forward and backward of each cell, and its time per multiply-add of its weights relative to the LSTM's.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from environment import machine, variables

os.environ.update(variables(1))

import numpy as np
from timing import interleaved, shown

from graphnet import Builder, CellGraph, Runner, Scan
from graphnet.core.run.backend_choice import ChosenBackend
from graphnet_recurrent import (
    LSTM,
    Bidirectional,
    RecurrentLayer,
    attention_cell,
    clockwork_cell,
    coupled_lstm_cell,
    elman_cell,
    gru_cell,
    layer_norm_lstm_cell,
    lstm_cell,
    minimal_gated_cell,
    peephole_lstm_cell,
    projected_lstm_cell,
)

#: (steps, batch, features, units)
SHAPES = [(20, 8, 16, 16), (50, 32, 64, 64), (100, 32, 64, 128), (100, 64, 128, 256)]

CELLS: dict[str, Callable[[int], CellGraph]] = {
    "LSTM": lambda n: lstm_cell(n, "float32"),
    "Elman": lambda n: elman_cell(n, "float32"),
    "GRU": lambda n: gru_cell(n, "float32"),
    "GRU, reset after": lambda n: gru_cell(n, "float32", reset_after=True),
    "LSTM, peepholes": lambda n: peephole_lstm_cell(n, "float32"),
    "LSTM, coupled gates": lambda n: coupled_lstm_cell(n, "float32"),
    "LSTM, layer normalization": lambda n: layer_norm_lstm_cell(n, "float32"),
    "LSTM, projected to half": lambda n: projected_lstm_cell(n, n // 2, "float32"),
    "minimal gated unit": lambda n: minimal_gated_cell(n, "float32"),
    "clockwork, 4 modules": lambda n: clockwork_cell(n, [1, 2, 4, 8], "float32"),
    "attention, 4 slots": lambda n: attention_cell(n, 4, "float32"),
}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="for each row (12; with --quick 1)")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seconds = options.seconds or (1.0 if options.quick else 12.0)
    shapes = SHAPES[:2] if options.quick else SHAPES
    print(machine(("graphnet", "numpy")))
    print(f"forward and backward, float32, backend {ChosenBackend().name}; milliseconds: median (quartiles)\n")
    print("| steps, batch, features, units | LSTM | " + " | ".join(OPTIONS) + " |")
    print("|---|---|" + "---|" * len(OPTIONS))
    for shape in shapes:
        print(options_line(shape, seconds), flush=True)
    print("\n| steps, batch, features, units | " + " | ".join(CELLS) + " |\n|---|" + "---|" * len(CELLS))
    for shape in shapes:
        print(cells_line(shape, seconds), flush=True)


OPTIONS = ("lengths", "mask", "reverse", "one mask for the state", "clipped errors", "learned initial state",
           "bidirectional, half the units")  # fmt: skip


def passes(layer: RecurrentLayer, x: np.ndarray, **options: np.ndarray) -> Callable[[], object]:
    """Return a function that runs one forward and one backward pass."""
    error = np.random.default_rng(1).standard_normal(layer.forward(x, **options).shape).astype(np.float32)

    def run() -> object:
        layer.forward(x, **options)
        return layer.backward(error)

    return run


def options_line(shape: tuple[int, int, int, int], seconds: float) -> str:
    """Return one row of the first table."""
    steps, batch, features, units = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((steps, batch, features)).astype(np.float32)
    lengths = np.append(rng.integers(steps // 2, steps + 1, batch - 1), steps)
    mask = rng.random((steps, batch)) < 0.8

    def lstm(**options: object) -> LSTM:
        return LSTM(features, units, None, dtype="float32", **options)  # type: ignore[arg-type]

    timings = interleaved(
        {
            "whole": passes(lstm(), x),
            "lengths": passes(lstm(), x, lengths=lengths),
            "mask": passes(lstm(), x, mask=mask),
            "reverse": passes(lstm(reverse=True), x),
            "one mask for the state": passes(lstm(keep_state=0.8), x),
            "clipped errors": passes(lstm(clip_error=1.0), x),
            "learned initial state": passes(lstm(learn_initial=True), x),
            "bidirectional, half the units": passes(Bidirectional(lstm_cell(units // 2, "float32")), x),
        },
        seconds,
    )
    ratios = " | ".join(f"{timings[name].ratio(timings['whole']):.2f}" for name in OPTIONS)
    return f"| {', '.join(map(str, shape))} | {shown(timings['whole'].quartiles)} | {ratios} |"


def cells_line(shape: tuple[int, int, int, int], seconds: float) -> str:
    """Return one row of the second table."""
    steps, batch, features, units = shape
    x = np.random.default_rng(0).standard_normal((steps, batch, features)).astype(np.float32)
    runs, sizes = {}, {}
    for name, make in CELLS.items():
        builder = Builder("benchmark")
        sequence = builder.input("x", f"time, batch, feature={features}")
        runner = Runner(builder.build(Scan(make(units))(sequence, name="scan")))
        runs[name] = training(runner, x)
        sizes[name] = sum(p.value.size for p in runner.parameters.values())
    timings = interleaved(runs, seconds)
    reference = timings["LSTM"]
    cells = [
        f"{1e3 * timing.quartiles[1]:.3g} ({timing.ratio(reference) * sizes['LSTM'] / sizes[name]:.2f})"
        for name, timing in timings.items()
    ]
    return f"| {', '.join(map(str, shape))} | {' | '.join(cells)} |"


def training(runner: Runner, x: np.ndarray) -> Callable[[], object]:
    """Return a function that runs one forward and one backward pass of a graph."""
    error = np.random.default_rng(1).standard_normal(runner.forward({"x": x})["output"].shape).astype(np.float32)

    def run() -> object:
        runner.forward({"x": x})
        return runner.backward({"output": error})

    return run


if __name__ == "__main__":
    main()
