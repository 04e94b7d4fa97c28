"""Peak memory of an LSTM's training step by number of time steps, relative to the values that backward needs.

For each step and row backward needs x, four gates, c, h and tanh(c). The peak includes all memory allocated by the
benchmark (weights, x, buffers, results; not the output error), as measured by tracemalloc in the second step, when
everything is compiled. Ideally the ratio is constant and close to 1.
"""

from __future__ import annotations

import argparse
import os
import tracemalloc

from environment import machine, variables

os.environ.update(variables(1))

import numpy as np
from cells import scanned

from graphnet import Runner
from graphnet.initializers import Constant, Xavier


def main() -> None:
    """Print a row for each number of steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", nargs="+", type=int, default=[50, 100, 200, 400, 800])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--quick", action="store_true", help="no effect: it takes seconds anyway")
    options = parser.parse_args()
    print(machine(("graphnet", "numpy")))
    print(f"backend {Runner(scanned('LSTM', 1, 1, options.dtype)).backend}, ", end="")
    print(f"batch {options.batch}, {options.features} features, {options.units} units, {options.dtype}\n")
    print("| steps | peak, MB | needed, MB | ratio | forward only, MB | KB per additional step | needed |")
    print("|---|---|---|---|---|---|---|")
    numbers = options.features + 7 * options.units
    each = options.batch * numbers * np.dtype(options.dtype).itemsize
    before = None
    for steps in options.steps:
        peak, forward = peaks(steps, options.batch, options.features, options.units, options.dtype)
        further = f"{(peak - before[1]) / (steps - before[0]) / 1e3:.1f}" if before else "–"
        cells = (steps, f"{peak / 1e6:.2f}", f"{steps * each / 1e6:.2f}", f"{peak / (steps * each):.2f}")
        print(f"| {' | '.join(map(str, cells))} | {forward / 1e6:.2f} | {further} | {each / 1e3:.1f} |", flush=True)
        before = (steps, peak)


def peaks(steps: int, batch: int, features: int, units: int, dtype: str) -> tuple[int, int]:
    """Return the peak in bytes of a training step, and of a forward pass that saves nothing."""
    rng = np.random.default_rng(0)
    error = rng.normal(size=(steps, batch, units)).astype(dtype)
    tracemalloc.start()
    try:
        x = rng.normal(size=(steps, batch, features)).astype(dtype)
        return traced(x, error, units, training=True), traced(x, error, units, training=False)
    finally:
        tracemalloc.stop()


def traced(x: np.ndarray, error: np.ndarray, units: int, training: bool) -> int:
    """Return the peak of the second run of a new runner."""
    runner = Runner(scanned("LSTM", x.shape[2], units, x.dtype.name))
    runner.initialize(Xavier(), Constant(0.0))
    for _ in range(2):
        tracemalloc.reset_peak()
        runner.forward({"x": x}, keep=training)
        if training:
            runner.backward({"output": error})
    return tracemalloc.get_traced_memory()[1]


if __name__ == "__main__":
    main()
