"""An LSTM that learns from a stream which does not end: chunks of 100 steps, the state carried from one to the next.

The stream is two sines and noise; the LSTM predicts the next value. Each chunk is one forward, one backward truncated
at the chunk's start, and one step of Adam: TBPTT(k, k) of Williams & Peng 1990. The error falls towards that of the
noise, and memory must not grow: the last line says by how much it did, and the process fails if that is not nothing.
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
from graphnet.initializers import Constant, Xavier
from graphnet.optimizers import Adam
from graphnet_recurrent import LSTM

NOISE = 0.1
#: Growth of the peak after the first tenth that still counts as none, in MB: what allocators and caches move about.
ALLOWED = 2.0


def main() -> None:
    """Print a row for each tenth of the stream."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="of the stream (200000; with --quick 20000)")
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    chunks = max(10, (given.steps or (20_000 if given.quick else 200_000)) // given.chunk)
    print(machine(("graphnet", "numpy")))
    print(f"LSTM, {given.units} units, batch 1, float32, chunks of {given.chunk}, 1 thread\n")
    print("| steps so far | steps/s | peak memory, MB | mean squared error |\n|---|---|---|---|")
    peaks = list(tenths(learner(given.units), stream(given.chunk), chunks, given.chunk))
    grown = peaks[-1] - peaks[0]
    print(f"\nnoise alone: {NOISE**2:.4f}. Peak memory grew by {grown:.1f} MB after the first tenth.")
    if grown > ALLOWED:
        raise SystemExit(f"memory is not constant: more than {ALLOWED} MB")


def learner(units: int) -> LSTM:
    """The network: state kept between calls, an optimizer, so that backward is a step of training."""
    with using(np.random.default_rng(0)):
        layer = LSTM(1, units, 1, dtype="float32", forget_bias=1.0)
        layer.initialize(Xavier(), Constant(0.0))
    layer.set_optimizer(Adam(2e-3, 0.9, 0.999))
    layer.toggle_memory()
    return layer


def stream(chunk: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of a series, each with the same shifted by one step, for ever; nothing of the past is held."""
    rng, start, last = np.random.default_rng(1), 0, np.float32(0.0)
    while True:
        t = np.arange(start + 1, start + chunk + 1)
        clean = 0.6 * np.sin(0.2 * t) + 0.4 * np.sin(0.031 * t)
        after = (clean + NOISE * rng.normal(size=chunk)).astype("float32")
        before = np.concatenate([[last], after[:-1]])
        yield before.reshape(chunk, 1, 1), after.reshape(chunk, 1, 1)
        start, last = start + chunk, after[-1]


def tenths(layer: LSTM, chunks: Iterator[tuple[np.ndarray, np.ndarray]], count: int, size: int) -> Iterator[float]:
    """Learn from so many chunks; a row and the peak in MB for each tenth of them."""
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
    """The process's largest resident size so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


if __name__ == "__main__":
    main()
