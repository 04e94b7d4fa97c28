"""The latency of one step of a stateful LSTM at batch 1, with percentiles: graphnet's stepper and torch.nn.LSTM.

Steps of all contenders alternate in blocks, after their outputs were compared, so that what disturbs the machine meets
all of them. Each step is timed alone. The tail is the 99th percentile over the median.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

from environment import machine, variables

os.environ.update(variables(1))

import numpy as np

from graphnet import Builder, Runner, using
from graphnet.core.errors import UnknownNameError
from graphnet_recurrent import LSTM

#: Steps of a contender before the next one's turn, and those of a turn that are not counted.
BLOCK, WARM = 250, 20
PERCENTILES = (50, 90, 99, 99.9)
#: Takes one step's input, returns its output.
Step = Callable[[np.ndarray], Any]


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--steps", type=int, help="of each contender (40000; with --quick 4000)")
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Print a row for each contender."""
    options = arguments()
    steps = options.steps or (4_000 if options.quick else 40_000)
    x = np.random.default_rng(0).normal(size=(BLOCK, 1, options.features)).astype("float32")
    print(machine(("graphnet", "numpy", "torch")))
    print(f"LSTM, {options.features} features, {options.units} units, stateful, batch 1, float32, 1 thread\n")
    contenders = {}
    layer = made(options.features, options.units)
    for backend in ("numpy", "native"):
        try:
            contenders[f"graphnet, {backend}"] = ours(layer, backend)
        except UnknownNameError as missing:
            print(f"skipped: graphnet, {backend} ({missing})")
    try:
        contenders["torch.nn.LSTM"] = in_torch(layer)
    except ImportError as missing:
        print(f"skipped: torch ({missing})")
    compare(contenders, x)
    timings = interleaved(contenders, x, max(1, steps // BLOCK))
    print("| contender | median, µs | 90 % | 99 % | 99.9 % | tail |\n|---|---|---|---|---|---|")
    for name, seconds in timings.items():
        values = np.percentile(seconds, PERCENTILES) * 1e6
        numbers = " | ".join(f"{value:.1f}" for value in values)
        print(f"| {name} | {numbers} | {values[2] / values[0]:.2f} |", flush=True)


def made(features: int, units: int) -> LSTM:
    """Return the layer, with weights of the usual size."""
    with using(np.random.default_rng(1)):
        layer = LSTM(features, units, None, dtype="float32")
    bound = units**-0.5
    rng = np.random.default_rng(2)
    layer.set_weights(rng.uniform(-bound, bound, layer.get_weights().shape).astype("float32"))
    return layer


def ours(layer: LSTM, backend: str) -> Step:
    """Return a step of graphnet."""
    builder = Builder("latency")
    graph = builder.build(y=layer(builder.input("x", f"time, batch, feature={layer.input_size}")))
    stepper = Runner(graph, backend=backend).stepper(batch=1)
    return lambda x: stepper.step(x)["y"]


def in_torch(layer: LSTM) -> Step:
    """Return a step of torch with the same weights."""
    import torch

    torch.set_num_threads(1)
    size, units = layer.input_size or 0, layer.hidden_size
    module = torch.nn.LSTM(size, units)
    weights = torch.tensor(layer.get_weights())
    columns = {gate: weights[:, i * units : (i + 1) * units] for i, gate in enumerate(layer.gates)}
    names = ("input_gate", "forget_gate", "candidate", "output_gate")  # torch's order
    stacked = torch.cat([columns[name] for name in names], dim=1)
    with torch.no_grad():
        module.weight_ih_l0.copy_(stacked[:size].T)
        module.weight_hh_l0.copy_(stacked[size:-1].T)
        module.bias_ih_l0.copy_(stacked[-1])
        module.bias_hh_l0.zero_()
    state: Any = None

    def step(x: np.ndarray) -> Any:
        nonlocal state
        with torch.inference_mode():
            y, state = module(torch.from_numpy(x[None]), state)
            return y[0].numpy()

    return step


def compare(contenders: dict[str, Step], x: np.ndarray) -> None:
    """Compare the outputs of the first steps.

    Raises
    ------
    SystemExit
        If they differ.
    """
    outputs = {name: np.stack([np.array(step(one)) for one in x]) for name, step in contenders.items()}
    first, expected = next(iter(outputs.items()))
    for name, found in outputs.items():
        if not np.allclose(found, expected, rtol=1e-4, atol=1e-5):
            raise SystemExit(f"{name} and {first} differ by {np.abs(found - expected).max():.1e}")


def interleaved(contenders: dict[str, Step], x: np.ndarray, blocks: int) -> dict[str, np.ndarray]:
    """Return the seconds of each step of each contender, in turns of blocks; the first contender rotates."""
    clock = time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for block in range(blocks):
        for i in range(len(names)):
            name = names[(i + block) % len(names)]
            step = contenders[name]
            for one in x[:WARM]:
                step(one)
            found = seconds[name]
            for one in x:
                start = clock()
                step(one)
                found.append(clock() - start)
    return {name: np.array(values) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
