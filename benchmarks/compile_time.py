"""How long the first result takes: importing, compiling and binding, without the run itself.

Each row is a fresh process. *numpy*, *graphnet* and *plugin* (graphnet-recurrent) are imports, each without those
before it; *drawn*: the cell and its graph; *compiled*: Runner(graph), first forward and first backward, less a later
forward and backward (the median of five); *in all*: all of these and one step, so from the first import to the first
gradients; *again*: compiled, for a new graph object of the same cell in the same process. The second table has graphs
of many small nodes, as in tiny_nodes.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from environment import machine, variables

SHAPE = (20, 8, 16, 16)
KINDS = ("LSTM", "RNN", "GRU", "peephole-coupled", "minimal-gated")


def main() -> None:
    """Print both tables, or measure one case where a fresh process was asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, help="fresh processes a row (5; with --quick 2)")
    parser.add_argument("--nodes", nargs="+", type=int, help="sizes of the graphs (1000 10000; with --quick 1000)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", metavar="CASE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(cell(given.measure) if given.measure in KINDS else whole(int(given.measure))))
        return
    times = given.processes or (2 if given.quick else 5)
    print(f"{machine(('graphnet', 'numpy'))}, 1 thread; ms, median of {times} processes\n")
    rows(KINDS, times, f"cell at {SHAPE}, float32")
    rows([str(n) for n in given.nodes or ([1000] if given.quick else [1000, 10000])], times, "nodes")


def rows(cases: Any, times: int, title: str) -> None:
    """One table: a row a case, its columns what the processes name."""
    for i, case in enumerate(cases):
        found = [fresh(case) for _ in range(times)]
        if i == 0:
            print(f"| {title} | {' | '.join(found[0])} |\n|---|{'---|' * len(found[0])}")
        medians = [median(each[name] for each in found) * 1e3 for name in found[0]]
        print(f"| {case} | {' | '.join(f'{m:.3g}' for m in medians)} |", flush=True)
    print()


def fresh(case: str) -> dict[str, float]:
    """What one fresh process measures."""
    command = [sys.executable, str(Path(__file__)), "--measure", case]
    answer = subprocess.run(command, env=os.environ | variables(1), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def cell(kind: str) -> dict[str, float]:
    """Seconds of each part for a cell."""
    numpy = lap(lambda: __import__("numpy"))
    imported = lap(lambda: __import__("graphnet"))
    plugin = lap(lambda: __import__("graphnet_recurrent"))
    from cells import scanned
    from problems import random_problem

    problem = random_problem(kind, SHAPE, "float32", 1)
    drawn = lap(lambda: scanned(kind, SHAPE[2], SHAPE[3], "float32"))
    first = compiled(scanned(kind, SHAPE[2], SHAPE[3], "float32"), problem.x, problem.error)
    again = compiled(scanned(kind, SHAPE[2], SHAPE[3], "float32"), problem.x, problem.error)
    parts = {"numpy": numpy, "graphnet": imported, "plugin": plugin, "drawn": drawn, "compiled": first[0]}
    in_all = sum(parts.values()) + first[1]
    return parts | {"in all": in_all, "again": again[0], "later step": first[1]}


def whole(count: int) -> dict[str, float]:
    """Seconds of each part for a graph of so many nodes."""
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
    """Seconds until the first backward is done, without a later step; and those of a later step."""
    from graphnet import Runner
    from graphnet.initializers import Constant, Xavier

    runners: list[Any] = []

    def made() -> None:
        runners.append(Runner(graph))
        runners[0].initialize(Xavier(), Constant(0.0))
        step()

    def step() -> None:
        runners[0].forward({"x": x})
        runners[0].backward({"output": error})

    first = lap(made)
    later = median(lap(step) for _ in range(5))
    return max(first - later, 0.0), later


def lap(run: Any) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
