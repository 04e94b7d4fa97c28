"""A feed-forward graph of 1,000 small elementwise and dense nodes (width 8 to 16) against eager torch.

It measures the overhead per node rather than arithmetic, with one thread, interleaved, after comparing the results.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from environment import machine, variables

os.environ.update(variables(1))

import numpy as np
import random_graph
from agreement import agree
from timing import interleaved, shown

from graphnet import Phase, Runner


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--seconds", type=float, help="for each row (8; with --quick 1)")
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Print a row for each pass and contender."""
    options = arguments()
    nodes = random_graph.drawn(options.nodes)
    x = np.random.default_rng(1).normal(size=(options.batch, random_graph.FEATURES)).astype(options.dtype)
    width = sum(nodes[k - 1].width for k in random_graph.leaves(nodes))
    error = np.random.default_rng(2).normal(size=(options.batch, width)).astype(options.dtype)
    runner = Runner(random_graph.graph(nodes, options.dtype))
    weights = random_graph.filled(runner)
    contenders = {"graphnet": ours(runner, x, error)}
    if runner.backend != "numpy":
        other = Runner(random_graph.graph(nodes, options.dtype), backend="numpy")
        random_graph.filled(other)
        contenders["graphnet on numpy"] = ours(other, x, error)
    print(machine(("graphnet", "numpy", "torch")))
    try:
        contenders["torch eager"] = torch_eager(nodes, weights, x, error)
    except ImportError as missing:
        print(f"skipped: torch eager ({missing})")
    dense = sum(node.kind == "dense" for node in nodes)
    print(f"{len(nodes)} nodes, {dense} of them dense, batch {options.batch}, {options.dtype}, 1 thread\n")
    print("| pass | contender | ms | µs per node | graphnet's time over it |\n|---|---|---|---|---|")
    seconds = options.seconds or (1.0 if options.quick else 8.0)
    agree({name: read(step()) for name, (step, _, read) in contenders.items()}, options.dtype)
    agree({name: {"y": forward()} for name, (_, forward, _) in contenders.items()}, options.dtype)
    for title, which in (("training", 0), ("forward", 1)):
        timings = interleaved({name: c[which] for name, c in contenders.items()}, seconds)
        for name, timing in timings.items():
            each, ratio = timing.quartiles[1] / len(nodes) * 1e6, timings["graphnet"].ratio(timing)
            print(f"| {title} | {name} | {shown(timing.quartiles)} | {each:.2f} | {ratio:.2f} |", flush=True)


def ours(runner: Runner, x: np.ndarray, error: np.ndarray) -> tuple[Any, Any, Any]:
    """Return graphnet's training step and forward pass, and a function that reads the gradients."""

    def step() -> Any:
        runner.forward({"x": x})
        return runner.backward({"output": error})["x"]

    def forward() -> Any:
        return runner.forward({"x": x}, phase=Phase.test, keep=False)["output"]

    def read(results: Any) -> dict[str, np.ndarray]:
        named = {path.removesuffix("/weights"): p.gradient for path, p in runner.parameters.items()}
        return {"x": results} | {name: np.asarray(gradient) for name, gradient in named.items()}

    return step, forward, read


def torch_eager(nodes: Any, weights: dict[str, np.ndarray], x: np.ndarray, error: np.ndarray) -> tuple[Any, Any, Any]:
    """Return the same for torch."""
    import torch

    torch.set_num_threads(1)
    parameters, run = random_graph.in_torch(nodes, weights)
    tensor, pulled = torch.tensor(x, requires_grad=True), torch.tensor(error)
    flat = [tensor, *(array for pair in parameters.values() for array in pair)]

    def step() -> Any:
        return torch.autograd.grad(run(tensor), flat, pulled)

    def forward() -> Any:
        with torch.inference_mode():
            return run(tensor).numpy()

    def read(results: Any) -> dict[str, np.ndarray]:
        pairs = zip(parameters, results[1::2], results[2::2], strict=True)
        return {"x": results[0].numpy()} | {name: np.concatenate([w.numpy(), b.numpy()[None]]) for name, w, b in pairs}

    return step, forward, read


if __name__ == "__main__":
    main()
