"""An LSTM that learns from an endless stream in chunks of 100 steps, carrying the state from chunk to chunk.

The stream is the sum of two sines and noise; the LSTM predicts the next value. Each chunk is one forward pass, one
backward pass truncated at the start of the chunk, and one step of Adam: TBPTT(k, k) of Williams & Peng 1990. The error
falls to the variance of the noise. Memory must not grow: the last line reports the growth, and the exit code is 1 if it
exceeds a small limit.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

from environment import machine, variables

os.environ.update(variables(1))

import numpy as np

from graphnet import using
from graphnet.core.run.backend_choice import ChosenBackend
from graphnet.initializers import Constant, Xavier
from graphnet.optimizers import Adam
from graphnet_recurrent import LSTM

NOISE = 0.1
#: The allowed growth of the peak after the first tenth, in MB: noise of allocators and caches.
ALLOWED = 2.0


def main() -> None:
    """Print a row for each tenth of the stream."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="of the stream (200000; with --quick 20000)")
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    chunks = max(10, (options.steps or (20_000 if options.quick else 200_000)) // options.chunk)
    print(machine(("graphnet", "numpy")))
    print(f"LSTM, {options.units} units, batch 1, float32, chunks of {options.chunk}, backend {ChosenBackend().name}\n")
    print("| steps so far | steps/s | peak memory, MB | mean squared error |\n|---|---|---|---|")
    peaks = list(tenths(learner(options.units), stream(options.chunk), chunks, options.chunk))
    grown = peaks[-1] - peaks[0]
    print(f"\nvariance of the noise: {NOISE**2:.4f}. Peak memory grew by {grown:.1f} MB after the first tenth.")
    if grown > ALLOWED:
        raise SystemExit(f"memory is not constant: more than {ALLOWED} MB")


def learner(units: int) -> LSTM:
    """Return an LSTM with memory, and with an optimizer that backward applies."""
    with using(np.random.default_rng(0)):
        layer = LSTM(1, units, 1, dtype="float32", forget_bias=1.0)
        layer.initialize(Xavier(), Constant(0.0))
    layer.set_optimizer(Adam(2e-3, 0.9, 0.999))
    layer.toggle_memory()
    return layer


def stream(chunk: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield chunks of an endless series, each with the same chunk shifted by one step."""
    rng, start, last = np.random.default_rng(1), 0, np.float32(0.0)
    while True:
        t = np.arange(start + 1, start + chunk + 1)
        clean = 0.6 * np.sin(0.2 * t) + 0.4 * np.sin(0.031 * t)
        after = (clean + NOISE * rng.normal(size=chunk)).astype("float32")
        before = np.concatenate([[last], after[:-1]])
        yield before.reshape(chunk, 1, 1), after.reshape(chunk, 1, 1)
        start, last = start + chunk, after[-1]


def tenths(layer: LSTM, chunks: Iterator[tuple[np.ndarray, np.ndarray]], count: int, size: int) -> Iterator[float]:
    """Train on ``count`` chunks; for each tenth print a row and yield the peak in MB."""
    bounds = np.linspace(0, count, 11).astype(int)
    for first, end in pairwise(bounds):
        start, squares = time.perf_counter(), 0.0
        for _ in range(first, end):
            x, target = next(chunks)
            error = layer.forward(x) - target
            layer.backward(error / np.float32(size))
            squares += float(np.mean(error * error))
        speed, peak = (end - first) * size / (time.perf_counter() - start), peak_memory()
        print(f"| {end * size} | {speed:.0f} | {peak:.1f} | {squares / (end - first):.4f} |", flush=True)
        yield peak


def peak_memory() -> float:
    """Return the process's peak resident size, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


if __name__ == "__main__":
    main()
