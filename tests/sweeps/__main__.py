"""Kill sweeps at random moments: python -m sweeps [-n TRIALS] [--kills K] [--jobs J] [--search tpe] [--executor ray]
[--seed S]."""

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .lab import search


def run():
    """Read the arguments, search, and report."""
    parser = argparse.ArgumentParser(prog="python -m sweeps", description=__doc__)
    parser.add_argument("-n", type=int, default=30, help="trials of a sweep")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--search", choices=("random", "grid", "tpe"), default="random")
    parser.add_argument("--pruning", choices=("median", "hyperband", "successive_halving"))
    parser.add_argument("--executor", help="what trains the sweep that is killed, such as ray; default: processes")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    root, begin = Path(tempfile.mkdtemp(prefix="graphnet-sweep-")), time.monotonic()
    settings = {"executor": arguments.executor, "threads": 1}
    settings |= {} if arguments.pruning is None else {"pruning": arguments.pruning}
    faults = search(root, arguments.n, arguments.kills, arguments.jobs, arguments.seed, arguments.search, **settings)
    print(f"{arguments.n} trials, {arguments.kills} kills, {arguments.jobs} jobs, in {time.monotonic() - begin:.0f} s")
    for fault in faults:
        print(f"FAULT: {fault}")
    if not faults:
        shutil.rmtree(root)
    print(f"files are in {root}" if faults else
          f"{arguments.n} results, none twice; every run equal to the bit to that of the sweep that was not killed")  # fmt: skip
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    run()
