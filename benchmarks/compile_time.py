"""Time to the first result: import, graph construction, compilation and binding, without the run itself.

Each row is measured in new processes, on one backend. *numpy*, *networkx*, *graphnet* and *plugin*
(graphnet-recurrent) are the import times, each without the ones before; *drawn*: building the cell and its graph;
*compiled*: Runner(graph), the first forward and backward, minus a later forward and backward (median of five);
*first result*: from the import of graphnet on, with numpy and networkx imported, to the first gradients; *again*:
compiled, for a new graph object of the same cell in the same process. The second table is for graphs of many small
nodes, as in tiny_nodes.py.

Backends that keep compiled code have two rows: *new*, with what other cells have left in the cache, and *seen*, where
another process has compiled the same before.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

SHAPE = (20, 8, 16, 16)
KINDS = ("LSTM", "RNN", "GRU", "peephole-coupled", "minimal-gated")


def main() -> None:
    """Print both tables, or measure one case in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, help="new processes per row (5; with --quick 2)")
    parser.add_argument("--cells", nargs="*", choices=KINDS, default=KINDS, help="cells of the first table (all)")
    parser.add_argument("--nodes", nargs="+", type=int, help="sizes of the graphs (1000 10000; with --quick 1000)")
    parser.add_argument("--backends", nargs="+", help="default: numpy, and the fastest installed one")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", metavar="CASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(cell(options.measure) if options.measure in KINDS else whole(int(options.measure))))
        return
    from environment import machine  # imports numpy and graphnet, which the measuring processes must not

    options.backends = options.backends or installed()
    times = options.processes or (2 if options.quick else 5)
    print(f"{machine(('graphnet', 'numpy'))}; ms, median of {times} processes\n")
    rows(options.cells, times, f"cell at {SHAPE}, float32", options.backends)
    nodes = [str(n) for n in options.nodes or ([1000] if options.quick else [1000, 10000])]
    rows(nodes, times, "nodes", options.backends)


def rows(cases: Any, times: int, title: str, backends: list[str]) -> None:
    """Print one table with a row for each case and backend; the processes name the columns."""
    head = False
    for case, backend in product(cases, backends):
        for label, measured in measurements(case, backend, times):
            if not head:
                head = True
                print(f"| {title} | backend | {' | '.join(measured[0])} |\n|---|---|{'---|' * len(measured[0])}")
            medians = [median(each[name] for each in measured) * 1e3 for name in measured[0]]
            print(f"| {case} | {label} | {' | '.join(f'{m:.3g}' for m in medians)} |", flush=True)
    print()


def measurements(case: str, backend: str, times: int) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Yield the rows of one case: their labels, and what each process has measured."""
    if backend == "numpy":  # keeps nothing
        yield backend, [fresh(case, backend) for _ in range(times)]
        return
    new, seen = [], []
    with tempfile.TemporaryDirectory() as folder:
        others = Path(folder, "others")
        fresh("GRU" if case == "LSTM" else "LSTM", backend, others)
        for number in range(times):
            own = shutil.copytree(others, Path(folder, str(number)))
            new.append(fresh(case, backend, own))
            seen.append(fresh(case, backend, own))
    yield f"{backend}, new", new
    yield f"{backend}, seen", seen


def installed() -> list[str]:
    """Return numpy and the backend that runs where none is named, if it is another."""
    from graphnet.core.run.backend_choice import FALLBACK, ChosenBackend

    return list(dict.fromkeys([FALLBACK, ChosenBackend().name]))


def fresh(case: str, backend: str, cache: Path | None = None) -> dict[str, float]:
    """Return the measurements of one new process, which keeps compiled code in a folder."""
    from environment import variables

    command = [sys.executable, str(Path(__file__)), "--measure", case]
    environment = os.environ | variables(1) | {"GRAPHNET_BACKEND": backend}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # Python's own compiler would take most of an import
    if cache is not None:
        environment["GRAPHNET_CACHE"] = str(cache)
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(answer.stdout)
    return measured


def cell(kind: str) -> dict[str, float]:
    """Return the seconds of each part for a cell."""
    numpy = lap(lambda: __import__("numpy"))
    networkx = lap(lambda: __import__("networkx"))
    imported = lap(lambda: __import__("graphnet"))
    plugin = lap(lambda: __import__("graphnet_recurrent"))
    from cells import scanned
    from problems import random_problem

    problem = random_problem(kind, SHAPE, "float32", 1)
    drawn = lap(lambda: scanned(kind, SHAPE[2], SHAPE[3], "float32"))
    first = compiled(scanned(kind, SHAPE[2], SHAPE[3], "float32"), problem.x, problem.error)
    again = compiled(scanned(kind, SHAPE[2], SHAPE[3], "float32"), problem.x, problem.error)
    parts = {"graphnet": imported, "plugin": plugin, "drawn": drawn, "compiled": first[0]}
    result = sum(parts.values()) + first[1]
    rest = {"first result": result, "again": again[0], "later step": first[1]}
    return {"numpy": numpy, "networkx": networkx} | parts | rest


def whole(count: int) -> dict[str, float]:
    """Return the seconds of each part for a graph of ``count`` nodes."""
    import numpy as np
    import random_graph

    nodes = random_graph.drawn(count)
    built: list[Any] = []
    drawn = lap(lambda: built.append(random_graph.graph(nodes)))
    x = np.ones((8, random_graph.FEATURES), "float32")
    error = np.ones((8, sum(nodes[k - 1].width for k in random_graph.leaves(nodes))), "float32")
    first, later = compiled(built[0], x, error)
    again, _ = compiled(random_graph.graph(nodes), x, error)
    return {"drawn": drawn, "compiled": first, "again": again, "later step": later}


def compiled(graph: Any, x: Any, error: Any) -> tuple[float, float]:
    """Return the seconds to the end of the first backward minus a later step, and those of a later step."""
    from graphnet import Runner
    from graphnet.initializers import Constant, Xavier

    runners: list[Any] = []

    def compile_and_step() -> None:
        runners.append(Runner(graph))
        runners[0].initialize(Xavier(), Constant(0.0))
        step()

    def step() -> None:
        runners[0].forward({"x": x})
        runners[0].backward({"output": error})

    first = lap(compile_and_step)
    later = median(lap(step) for _ in range(5))
    return max(first - later, 0.0), later


def lap(run: Any) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
