"""Training steps of linear recurrences on very long sequences: time and peak memory by number of steps.

    python benchmarks/long_recurrences.py               # minGRU and GLA, 8,192 and 65,536 steps of 1 row, 64 features

Each row of the table is a process of its own. Time is the median of the training steps (forward, and backward to the
input and all weights; float32, one thread) after a first one. Memory is the largest resident size during all of them,
less that after a step of 64 time steps, which compiles; the input and the error of the output exist before it (Linux).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from environment import machine, variables

os.environ.update(variables(1))

import numpy as np

from graphnet import Builder, Runner, Scan
from graphnet_recurrent import cells

FEATURES, HEADS, ROUNDS = 64, 4, 5
#: Time steps of the first training step.
COMPILED = 64
CELLS = {
    "minGRU": lambda: cells.min_gru_cell(FEATURES, "float32"),
    "minLSTM": lambda: cells.min_lstm_cell(FEATURES, "float32"),
    "LRU": lambda: cells.lru_cell(FEATURES, FEATURES, "float32"),
    "Mamba": lambda: cells.mamba_cell(FEATURES, 16, None, "float32"),
    "GLA": lambda: cells.gated_linear_attention_cell(FEATURES, HEADS, None, "float32"),
    "DeltaNet": lambda: cells.delta_net_cell(FEATURES, HEADS, None, "float32"),
}


def resident(field: str) -> int:
    """A size of this process from the kernel, in bytes: VmRSS, or VmHWM for the peak."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def measured(kind: str, steps: int, backend: str | None) -> tuple[float, float]:
    """Return the seconds of a training step, and the bytes that it needs."""
    g = Builder("benchmark")
    graph = g.build(Scan(CELLS[kind]())(g.input("x", f"time, batch, feature={FEATURES}"), name="scan"))
    runner = Runner(graph, backend=backend)
    runner.materialize()
    rng = np.random.default_rng(1)
    x, error = (rng.normal(size=(steps, 1, FEATURES)).astype("float32") for _ in range(2))

    def step(steps: int) -> float:
        start = time.perf_counter()
        runner.forward({"x": x[:steps]})
        runner.backward({next(iter(graph.outputs)): error[:steps]})
        return time.perf_counter() - start

    step(COMPILED)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins at the present size
    before = resident("VmHWM")
    seconds = [step(steps) for _ in range(ROUNDS + 1)]
    return statistics.median(seconds[1:]), resident("VmHWM") - before


def main() -> None:
    """Print a table with a row for each cell and number of steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["minGRU", "GLA"], choices=CELLS, metavar="CELL")
    parser.add_argument("--steps", nargs="+", type=int, default=[8192, 65536])
    parser.add_argument("--backend", help="default: the one that a Runner takes")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        seconds, size = measured(options.cells[0], options.steps[0], options.backend)
        print(f"| {options.cells[0]} | {options.steps[0]:,} | {seconds:.4f} | {size / 1e6:.0f} |", flush=True)
        return
    print(f"{machine(('graphnet', 'numpy'))}\n\n| cell | steps | s | MB |\n|---|---|---|---|", flush=True)
    backend = ["--backend", options.backend] if options.backend else []
    for kind in options.cells:
        for steps in options.steps:
            row = ["--alone", "--cells", kind, "--steps", str(steps), *backend]
            subprocess.run([sys.executable, __file__, *row], check=True)


if __name__ == "__main__":
    main()
