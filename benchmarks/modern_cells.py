"""The cells of linear recurrences, matrix states and exponential gates: compared with torch loops, and timed.

    python benchmarks/modern_cells.py                       # all cells, every backend, both shapes
    python benchmarks/modern_cells.py --cells mamba mlstm --shapes A --backends native
    python benchmarks/modern_cells.py --check               # no times

Each cell is first compared with a loop in torch in float64 on small random sequences, with ragged rows: outputs, final
states, and the gradients by the input, the initial states and every weight, relative to the largest element of each
array. A difference above 1e-10 stops the run. Then training steps (forward, and backward to the input and all weights)
are timed in float32 with one thread, interleaved; shape A is 256 steps of 8 rows with 64 features, B 1,024 of 4 with
128.
Times are in ms: the median over rounds, and the ratio of torch's to graphnet's.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from environment import machine, variables

os.environ.update(variables(1))

import numpy as np
import torch
from modern_cells_torch import LOOPS, scanned
from timing import interleaved

from graphnet import Builder, CellGraph, Runner, Scan
from graphnet_recurrent import cells

#: Steps, rows, features.
SHAPES = {"A": (256, 8, 64), "B": (1024, 4, 128)}
CHECKED = (9, 4, 8)
LENGTHS = [9, 0, 4, 1]
HEADS = 4
TOLERANCE = 1e-10

#: A cell of each kind of a width, in a dtype.
CELLS: dict[str, Callable[[int, str], CellGraph]] = {
    "minGRU": lambda n, d: cells.min_gru_cell(n, d),
    "minLSTM": lambda n, d: cells.min_lstm_cell(n, d),
    "RG-LRU": lambda n, d: cells.rg_lru_cell(n, d),
    "QRNN": lambda n, d: cells.qrnn_cell(n, d),
    "LRU": lambda n, d: cells.lru_cell(n, n, d),
    "S5": lambda n, d: cells.s5_cell(n, n, d),
    "SRU": lambda n, d: cells.sru_cell(n, d),
    "CfC": lambda n, d: cells.cfc_cell(n, None, d),
    "sLSTM": lambda n, d: cells.slstm_cell(n, 1, d),
    "Mamba": lambda n, d: cells.mamba_cell(n, 16, None, d),
    "RetNet": lambda n, d: cells.retention_cell(n, HEADS, None, d),
    "GLA": lambda n, d: cells.gated_linear_attention_cell(n, HEADS, None, d),
    "HGRN2": lambda n, d: cells.hgrn2_cell(n, HEADS, None, d),
    "RWKV-6": lambda n, d: cells.rwkv6_cell(n, HEADS, d),
    "mLSTM": lambda n, d: cells.mlstm_cell(n, HEADS, None, d),
    "DeltaNet": lambda n, d: cells.delta_net_cell(n, HEADS, None, d),
    "Gated DeltaNet": lambda n, d: cells.gated_delta_net_cell(n, HEADS, None, d),
}


def runner_of(kind: str, features: int, dtype: str, backend: str | None) -> Runner:
    """A Runner over the cell in a Scan, whose outputs are those of each step and the final states."""
    cell = CELLS[kind](features, dtype)
    g = Builder("benchmark")
    x = g.input("x", f"time, batch, feature={features}")
    states = [g.input(name, cell.inputs[name].shape, optional=True) for name in cell.states]
    y = Scan(cell)(x, *states, name="scan")
    runner = Runner(g.build(y=y, **{name: y[name] for name in cell.states}), backend=backend)
    runner.materialize()
    return runner


def tensors(runner: Runner) -> dict[str, Any]:
    """The weights by node, as leaves of torch."""
    arrays = {path.split("/")[-2]: np.array(p.value) for path, p in runner.parameters.items()}
    return {node: torch.tensor(array, requires_grad=True) for node, array in arrays.items()}


def check(kind: str, backend: str) -> float:
    """The largest relative difference to the torch loop on ragged rows, in float64.

    Raises
    ------
    SystemExit
        If it is above 1e-10.
    """
    steps, rows, features = CHECKED
    rng = np.random.default_rng(5)
    runner = runner_of(kind, features, "float64", backend)
    for path in sorted(runner.parameters):
        p = runner.parameters[path]
        p.value = p.value + rng.normal(size=p.value.shape) * 0.2
    cell: Any = runner.graph.nodes["scan"].layer.cell  # type: ignore[attr-defined]
    arrays = {"x": rng.normal(size=(steps, rows, features))}
    for name in cell.states:
        sizes = [features if size is None else size for size in cell.inputs[name].shape.sizes[1:]]
        arrays[name] = rng.uniform(0.2, 1.0, size=(rows, *sizes))
    found = {n: a.copy() for n, a in runner.forward(arrays, lengths=LENGTHS).items()}
    errors = {n: rng.normal(size=a.shape) for n, a in found.items()}
    pulled = runner.backward(errors)

    w = tensors(runner)
    given = {n: torch.tensor(a, requires_grad=True) for n, a in arrays.items()}
    y, states = scanned(LOOPS[kind], given["x"], {n: given[n] for n in cell.states}, w, LENGTHS)
    outputs = {"y": y, **states}
    loss = sum((outputs[n] * torch.tensor(e)).sum() for n, e in errors.items())
    gradients = torch.autograd.grad(loss, [*given.values(), *w.values()], allow_unused=True)
    expected = {f"output {n}": (found[n], value) for n, value in outputs.items()}
    expected |= {f"error of {n}": (pulled[n], g) for n, g in zip(given, gradients, strict=False)}
    own = {path.split("/")[-2]: p.gradient for path, p in runner.parameters.items()}
    expected |= {f"gradient of {n}": (own[n], g) for n, g in zip(w, gradients[len(given) :], strict=True)}
    worst = 0.0
    for name, (array, value) in expected.items():
        right = np.zeros_like(array) if value is None else value.detach().numpy()
        difference = float(np.abs(array - right).max() / max(np.abs(right).max(), 1e-3))
        if not difference <= TOLERANCE:
            raise SystemExit(f"{kind} on {backend}: {name} differs from torch by {difference:.1e}")
        worst = max(worst, difference)
    return worst


def times(kind: str, shape: tuple[int, int, int], backends: list[str], seconds: float, loop: bool) -> dict[str, float]:
    """The median milliseconds of a training step of each backend, and of torch unless ``loop`` is False."""
    steps, rows, features = shape
    rng = np.random.default_rng(1)
    x, error = (rng.normal(size=(steps, rows, features)).astype("float32") for _ in range(2))
    contenders: dict[str, Callable[[], object]] = {}
    for backend in backends:
        runner = runner_of(kind, features, "float32", backend)

        def step(runner: Runner = runner) -> None:
            runner.forward({"x": x})
            runner.backward({"y": error})

        contenders[backend] = step
    if loop:
        w, cell = tensors(runner), runner.graph.nodes["scan"].layer.cell  # type: ignore[attr-defined]
        tx, te = torch.tensor(x, requires_grad=True), torch.tensor(error)
        states = {
            n: torch.zeros(rows, *[features if size is None else size for size in cell.inputs[n].shape.sizes[1:]])
            for n in cell.states
        }

        def torch_step() -> None:
            y, _ = scanned(LOOPS[kind], tx, states, w)
            torch.autograd.grad(y, [tx, *w.values()], te, allow_unused=True)

        contenders["torch loop"] = torch_step
    return {name: 1e3 * timing.quartiles[1] for name, timing in interleaved(contenders, seconds).items()}


def main() -> None:
    """Check every cell, then print a table for each shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS, metavar="CELL", help=", ".join(CELLS))
    parser.add_argument("--backends", nargs="+", default=["numpy", "native"], metavar="BACKEND")
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row; at least three rounds are run")
    parser.add_argument("--check", action="store_true", help="compare with torch only")
    parser.add_argument("--no-torch", action="store_true", help="do not time torch")
    parser.add_argument("--quick", action="store_true", help="shape A and 0.5 seconds for each row")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    for kind in options.cells:
        found = ", ".join(f"{backend} {check(kind, backend):.0e}" for backend in options.backends)
        print(f"{kind}: largest relative difference to torch: {found}", flush=True)
    if options.check:
        return
    for name in ["A"] if options.quick else options.shapes:
        print(f"\n{name}: {' × '.join(map(str, SHAPES[name]))} (steps, rows, features)\n")
        titles = [*options.backends, *([] if options.no_torch else ["torch loop"])]
        print(f"| cell | {' | '.join(titles)} | torch / {options.backends[-1]} |\n|{'---|' * (len(titles) + 2)}")
        for kind in options.cells:
            seconds = 0.5 if options.quick else options.seconds
            row = times(kind, SHAPES[name], options.backends, seconds, not options.no_torch)
            ratio = "" if options.no_torch else f"{row['torch loop'] / row[options.backends[-1]]:.1f}"
            print(f"| {kind} | {' | '.join(f'{row[t]:.1f}' for t in titles)} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
