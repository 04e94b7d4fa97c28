"""One optimizer step over many weight arrays: on one flat array, and on each array separately.

python benchmarks/optimizer_step.py [--arrays 100] [--size 64] [--dtype float64] [--seconds 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from timing import interleaved, shown

from graphnet import Builder, FullyConnected
from graphnet.core.run.runner import Runner
from graphnet.optimizers import Adam
from graphnet.training import TrainingConfig
from graphnet.training.updates import Updates


class Plain(Adam):
    """Adam without the declaration that it is elementwise: each weight array has its own optimizer."""


def network(arrays: int, size: int, dtype: str) -> Runner:
    """Return a runner over a chain of matrices with random weights and gradients."""
    builder = Builder("arrays")
    value = builder.input("x", f"batch, feature={size}")
    for _ in range(arrays):
        value = FullyConnected(size, size, bias=False, dtype=dtype)(value)
    runner = Runner(builder.build(value))
    rng = np.random.default_rng(0)
    for parameter in runner.parameters.values():
        parameter.gradient = rng.normal(size=parameter.value.shape).astype(dtype)
    return runner


def stepping(optimizer: Adam, arrays: int, size: int, dtype: str) -> Callable[[], float]:
    """Return the update step of a Trainer: it reads the gradients, computes the new weights and checks them."""
    return Updates(network(arrays, size, dtype), TrainingConfig(optimizer=optimizer)).step


def main() -> None:
    """Print the medians and quartiles of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arrays", type=int, default=100)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--seconds", type=float, help="total (3; with --quick 0.5)")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seconds = options.seconds or (0.5 if options.quick else 3.0)
    sizes = options.arrays, options.size, options.dtype
    times = interleaved({"flat": stepping(Adam(), *sizes), "each": stepping(Plain(), *sizes)}, seconds)
    print(
        f"Adam, {options.arrays} arrays of {options.size} x {options.size}, {options.dtype}; median (quartiles) in ms"
    )
    print(f"one flat array   {shown(times['flat'].quartiles)}")
    print(f"array by array   {shown(times['each'].quartiles)}")
    print(f"ratio            {times['each'].ratio(times['flat']):.2f}")


if __name__ == "__main__":
    main()
