"""LeNet (LeCun et al. 1998, Proc. IEEE, figure 2, with dense second convolution and max pooling) against torch.

A training step is a forward pass, the error of the loss, and a backward pass to all weight gradients; a forward pass
saves nothing. The same is measured for each layer. Outputs and gradients are first compared in float64, where rounding
does not change the maximum of a pooling window.
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
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--activation", default="tanh", choices=list(ACTIVATIONS))
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--threads", nargs="+", type=int, help="a new process for each (1 2; with --quick 1)")
    parser.add_argument("--seconds", type=float, help="for each row (3; with --quick 0.5)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.threads = options.threads or ([1] if options.quick else [1, 2])
    options.seconds = options.seconds or (0.5 if options.quick else 3.0)
    return options


def main() -> None:
    """Start a process for each number of threads, because libraries read it from the environment once."""
    options = arguments()
    if options.measure:
        measure(options)
        return
    print(machine(("graphnet", "numpy", "torch")), flush=True)
    for threads in options.threads:
        own = ["--measure", "--threads", str(threads), "--seconds", str(options.seconds)]
        same = ["--batch", str(options.batch), "--activation", options.activation, "--dtype", options.dtype]
        command = [sys.executable, __file__, *own, *same]
        subprocess.run(command, env=os.environ | variables(threads), check=True)


def measure(options: argparse.Namespace) -> None:
    """Compare the results, then print a row for each pass of the network and two for each layer."""
    threads = options.threads[0]
    print(f"\nbatch {options.batch}, {options.activation}, {options.dtype}, threads: {threads}\n")
    try:
        import torch
    except ImportError as missing:
        print(f"skipped: torch ({missing})")
        return
    torch.set_num_threads(threads)
    layers = lenet(options.activation, options.dtype)
    exact = network(lenet(options.activation, "float64"), *data(options.batch, "float64"))
    agree({name: read(step()) for name, (step, _, read) in exact.items()}, "float64")
    both = network(layers, *data(options.batch, options.dtype))
    agree({name: {"y": forward()} for name, (_, forward, _) in both.items()}, options.dtype)
    print("| what | pass | graphnet, ms | torch, ms | graphnet's time over it |\n|---|---|---|---|---|")
    for title, which in (("training", 0), ("forward", 1)):
        row("LeNet", title, {name: each[which] for name, each in both.items()}, options.seconds, threads)
    x = data(options.batch, options.dtype)[0]
    for number, layer in enumerate(layers):
        passes = alone(layer, x, first=number == 0)
        for title in ("training", "forward"):
            row(f"{number} {layer!r}", title, passes[title], options.seconds / 4, threads)
        x = layer.forward(x)


def row(what: str, title: str, contenders: dict[str, Callable[[], object]], seconds: float, threads: int) -> None:
    """Time both and print one row."""
    timings = interleaved(contenders, seconds, threads)
    ours, torch = timings["graphnet"], timings["torch"]
    times = f"{shown(ours.quartiles)} | {shown(torch.quartiles)}"
    print(f"| {what} | {title} | {times} | {ours.ratio(torch):.2f} |", flush=True)


# ---------------------------------------------------------------------- the network
def lenet(activation: str, dtype: str) -> list[Layer]:
    """Return the layers for 28 by 28 pixels."""
    act = ACTIVATIONS[activation]
    return [
        *(Conv(1, (1, 5, 5), 6, padding=2, dtype=dtype), act(), Pooling(2, (2, 2))),
        *(Conv(1, (6, 5, 5), 16, padding="valid", dtype=dtype), act(), Pooling(2, (2, 2)), Flatten()),
        *(FullyConnected(400, 120, dtype=dtype), act(), FullyConnected(120, 84, dtype=dtype), act()),
        FullyConnected(84, 10, dtype=dtype),
    ]


def graph(layers: list[Layer]) -> Graph:
    """Return the layers as a chain."""
    g = Builder("lenet")
    value = g.input("x", "batch, channel=1, y=28, x=28")
    for layer in layers:
        value = layer(value)
    return g.build(value)


def data(batch: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return random images and classes."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch, 1, 28, 28)).astype(dtype), rng.integers(10, size=batch)


def network(layers: list[Layer], x: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return a training step, a forward pass, and a function that reads the gradients, for graphnet and torch."""
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
    """Return the same for torch, on copies of the weights."""
    import torch

    functions_and_weights = [torch_layer(layer) for layer in layers]
    flat, tensor, target = [w for _, own in functions_and_weights for w in own], torch.tensor(x), torch.tensor(labels)

    def run() -> Any:
        y = tensor
        for function, own in functions_and_weights:
            y = function(y, *own)
        return y

    def step() -> Any:
        return torch.autograd.grad(torch.nn.functional.cross_entropy(run(), target), flat)

    def forward() -> np.ndarray:
        with torch.inference_mode():
            return run().numpy()

    def read(gradients: Any) -> dict[str, np.ndarray]:
        arrays = iter([gradient.numpy() for gradient in gradients])
        dense = [isinstance(layer, FullyConnected) for layer in layers if layer.trainable for _ in layer.params]
        joined = (np.vstack([next(arrays).T, next(arrays)]) if both else next(arrays) for both in dense)
        return dict(zip(paths, joined, strict=True))

    return step, forward, read


def torch_layer(layer: Layer) -> tuple[Callable[..., Any], list[Any]]:
    """Return torch's function for a layer and copies of its weights; dense weights are transposed as in torch."""
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


# ---------------------------------------------------------------------- one layer
def alone(layer: Layer, x: np.ndarray, first: bool) -> dict[str, dict[str, Callable[[], object]]]:
    """Return both passes of one layer for both libraries; the first layer computes no input error."""
    import torch

    function, own = torch_layer(layer)
    tensor = torch.tensor(np.ascontiguousarray(x), requires_grad=not first)
    runner = Runner(graph_of(layer, x))
    y = runner.forward({"x": x})["output"]
    error = np.empty_like(y)  # the memory layout that the next layer would produce
    error[...] = np.random.default_rng(3).normal(size=y.shape)
    pulled, wanted = torch.tensor(np.ascontiguousarray(error)), [*own] if first else [tensor, *own]

    def step() -> object:
        runner.forward({"x": x}, input_errors=not first)
        return runner.backward({"output": error})

    def forward() -> object:
        return runner.forward({"x": x}, phase=Phase.test, keep=False)

    def in_inference() -> object:
        with torch.inference_mode():
            return function(tensor, *own)

    return {
        "training": {"graphnet": step, "torch": lambda: torch.autograd.grad(function(tensor, *own), wanted, pulled)},
        "forward": {"graphnet": forward, "torch": in_inference},
    }


def graph_of(layer: Layer, x: np.ndarray) -> Graph:
    """Return a graph of one node."""
    g = Builder("alone")
    sizes = ", ".join(f"{name}={size}" for name, size in zip(("channel", "y", "x"), x.shape[1:], strict=False))
    return g.build(layer(g.input("x", f"batch, {sizes}" if x.ndim == 4 else f"batch, feature={x.shape[1]}")))


if __name__ == "__main__":
    main()
