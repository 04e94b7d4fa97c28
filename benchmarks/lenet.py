"""LeNet (LeCun et al. 1998, Proc. IEEE, figure 2, with dense second convolution and maxima) against the same in torch.

A training step is forward, the loss's error, and backward to every weight gradient; a forward pass keeps nothing. Then
the same for each layer alone. Outputs and gradients are compared in float64 first, where no rounding picks another
maximum.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from agreement import agree
from environment import machine, variables
from timing import interleaved, shown

from graphnet import Builder, Flatten, FullyConnected, Graph, Layer, Phase, Runner
from graphnet.losses import CrossEntropy
from graphnet_activations import ReLU
from graphnet_conv import Conv, Pooling
from graphnet_recurrent import TanH

ACTIVATIONS: dict[str, type[Layer]] = {"tanh": TanH, "relu": ReLU}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--activation", default="tanh", choices=list(ACTIVATIONS))
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--threads", nargs="+", type=int, help="a process of its own for each (1 2; with --quick 1)")
    parser.add_argument("--seconds", type=float, help="for each row (3; with --quick 0.5)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.threads = given.threads or ([1] if given.quick else [1, 2])
    given.seconds = given.seconds or (0.5 if given.quick else 3.0)
    return given


def main() -> None:
    """Start a process for each number of threads, because libraries take it from the environment once."""
    given = arguments()
    if given.measure:
        measure(given)
        return
    print(machine(("graphnet", "numpy", "torch")), flush=True)
    for threads in given.threads:
        own = ["--measure", "--threads", str(threads), "--seconds", str(given.seconds)]
        same = ["--batch", str(given.batch), "--activation", given.activation, "--dtype", given.dtype]
        command = [sys.executable, __file__, *own, *same]
        subprocess.run(command, env=os.environ | variables(threads), check=True)


def measure(given: argparse.Namespace) -> None:
    """Agreement, then a row for each pass of the network, then two for each layer."""
    threads = given.threads[0]
    print(f"\nbatch {given.batch}, {given.activation}, {given.dtype}, threads: {threads}\n")
    try:
        import torch
    except ImportError as missing:
        print(f"skipped: torch ({missing})")
        return
    torch.set_num_threads(threads)
    layers = lenet(given.activation, given.dtype)
    exact = network(lenet(given.activation, "float64"), *data(given.batch, "float64"))
    agree({name: read(step()) for name, (step, _, read) in exact.items()}, "float64")
    both = network(layers, *data(given.batch, given.dtype))
    agree({name: {"y": forward()} for name, (_, forward, _) in both.items()}, given.dtype)
    print("| what | pass | graphnet, ms | torch, ms | graphnet's time over it |\n|---|---|---|---|---|")
    for title, which in (("training", 0), ("forward", 1)):
        row("LeNet", title, {name: each[which] for name, each in both.items()}, given.seconds, threads)
    x = data(given.batch, given.dtype)[0]
    for number, layer in enumerate(layers):
        passes = alone(layer, x, first=number == 0)
        for title in ("training", "forward"):
            row(f"{number} {layer!r}", title, passes[title], given.seconds / 4, threads)
        x = layer.forward(x)


def row(what: str, title: str, contenders: dict[str, Callable[[], object]], seconds: float, threads: int) -> None:
    """Time both and print a line of the table."""
    found = interleaved(contenders, seconds, threads)
    ours, torch = found["graphnet"], found["torch"]
    times = f"{shown(ours.quartiles)} | {shown(torch.quartiles)}"
    print(f"| {what} | {title} | {times} | {ours.ratio(torch):.2f} |", flush=True)


# ---------------------------------------------------------------------- the network
def lenet(activation: str, dtype: str) -> list[Layer]:
    """The layers for 28 by 28 pixels."""
    act = ACTIVATIONS[activation]
    return [
        *(Conv(1, (1, 5, 5), 6, padding=2, dtype=dtype), act(), Pooling(2, (2, 2))),
        *(Conv(1, (6, 5, 5), 16, padding="valid", dtype=dtype), act(), Pooling(2, (2, 2)), Flatten()),
        *(FullyConnected(400, 120, dtype=dtype), act(), FullyConnected(120, 84, dtype=dtype), act()),
        FullyConnected(84, 10, dtype=dtype),
    ]


def graph(layers: list[Layer]) -> Graph:
    """The layers as a chain."""
    g = Builder("lenet")
    value = g.input("x", "batch, channel=1, y=28, x=28")
    for layer in layers:
        value = layer(value)
    return g.build(value)


def data(batch: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Random images and their classes."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch, 1, 28, 28)).astype(dtype), rng.integers(10, size=batch)


def network(layers: list[Layer], x: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """For graphnet and torch: a training step, a forward pass, and what reads the gradients of a step."""
    runner, loss, rng = Runner(graph(layers)), CrossEntropy(), np.random.default_rng(2)
    for parameter in runner.parameters.values():
        parameter.value[...] = rng.normal(size=parameter.value.shape) * 0.1

    def step() -> dict[str, np.ndarray]:
        y = runner.forward({"x": x}, input_errors=False)["output"]
        runner.backward({"output": loss.error(y, labels)})
        return {path: parameter.gradient for path, parameter in runner.parameters.items()}

    def forward() -> np.ndarray:
        return runner.forward({"x": x}, phase=Phase.test, keep=False)["output"]

    return {"graphnet": (step, forward, dict), "torch": in_torch(layers, list(runner.parameters), x, labels)}


def in_torch(layers: list[Layer], paths: list[str], x: np.ndarray, labels: np.ndarray) -> tuple[Any, Any, Any]:
    """The same with torch's functions on copies of the same weights."""
    import torch

    made = [torch_layer(layer) for layer in layers]
    flat, given, target = [w for _, own in made for w in own], torch.tensor(x), torch.tensor(labels)

    def run() -> Any:
        y = given
        for function, own in made:
            y = function(y, *own)
        return y

    def step() -> Any:
        return torch.autograd.grad(torch.nn.functional.cross_entropy(run(), target), flat)

    def forward() -> np.ndarray:
        with torch.inference_mode():
            return run().numpy()

    def read(found: Any) -> dict[str, np.ndarray]:
        arrays = iter([gradient.numpy() for gradient in found])
        dense = [isinstance(layer, FullyConnected) for layer in layers if layer.trainable for _ in layer.params]
        joined = (np.vstack([next(arrays).T, next(arrays)]) if both else next(arrays) for both in dense)
        return dict(zip(paths, joined, strict=True))

    return step, forward, read


def torch_layer(layer: Layer) -> tuple[Callable[..., Any], list[Any]]:
    """torch's function for a layer, and copies of its weights; dense ones as torch keeps them, transposed."""
    import torch

    functions = torch.nn.functional
    leaf = lambda array: torch.tensor(np.ascontiguousarray(array), requires_grad=True)  # noqa: E731
    if isinstance(layer, Conv):
        padding = 0 if layer.padding == "valid" else layer.padding
        return lambda x, w, b: functions.conv2d(x, w, b, padding=padding), [leaf(layer.weights), leaf(layer.bias)]
    if isinstance(layer, FullyConnected):
        return functions.linear, [leaf(layer.weights[:-1].T), leaf(layer.weights[-1])]
    if isinstance(layer, Pooling):
        return lambda x: functions.max_pool2d(x, 2), []
    return {TanH: torch.tanh, ReLU: torch.relu, Flatten: lambda x: x.flatten(1)}[type(layer)], []


# ---------------------------------------------------------------------- one layer alone
def alone(layer: Layer, x: np.ndarray, first: bool) -> dict[str, dict[str, Callable[[], object]]]:
    """Forward and backward by both for one layer; the first has no error for its input."""
    import torch

    function, own = torch_layer(layer)
    given = torch.tensor(np.ascontiguousarray(x), requires_grad=not first)
    runner = Runner(graph_of(layer, x))
    y = runner.forward({"x": x})["output"]
    error = np.empty_like(y)  # in memory as a layer behind would leave it
    error[...] = np.random.default_rng(3).normal(size=y.shape)
    pulled, wanted = torch.tensor(np.ascontiguousarray(error)), [*own] if first else [given, *own]

    def step() -> object:
        runner.forward({"x": x}, input_errors=not first)
        return runner.backward({"output": error})

    def forward() -> object:
        return runner.forward({"x": x}, phase=Phase.test, keep=False)

    def in_inference() -> object:
        with torch.inference_mode():
            return function(given, *own)

    return {
        "training": {"graphnet": step, "torch": lambda: torch.autograd.grad(function(given, *own), wanted, pulled)},
        "forward": {"graphnet": forward, "torch": in_inference},
    }


def graph_of(layer: Layer, x: np.ndarray) -> Graph:
    """The layer as a graph of one node."""
    g = Builder("alone")
    sizes = ", ".join(f"{name}={size}" for name, size in zip(("channel", "y", "x"), x.shape[1:], strict=False))
    return g.build(layer(g.input("x", f"batch, {sizes}" if x.ndim == 4 else f"batch, feature={x.shape[1]}")))


if __name__ == "__main__":
    main()
