"""How much `import graphnet` adds to `import numpy`, in new processes.

Each round starts one process for each import, in turn, so that a change of the machine's speed affects all of them. The
seconds of a row are the median over the rounds of the time of one import statement; *added* is the median of the
differences from numpy in the same round. Exits with 1 if graphnet adds more than the limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from statistics import median

from environment import machine, variables

#: What is imported, after nothing else. networkx is imported with the first Graph.
PROGRAMS = {
    "numpy": "import numpy",
    "graphnet": "import graphnet",
    "graphnet, first Graph": "import graphnet; g = graphnet.Builder(); g.build(g.input('x') * 2.0)",
}
LIMIT = 0.10
MEASURE = "import time; start = time.perf_counter(); {program}; print(time.perf_counter() - start)"


def main() -> int:
    """Print the table; return 1 if the limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="processes for each row (15; with --quick 5)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds that graphnet may add ({LIMIT})")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rounds = options.rounds or (5 if options.quick else 15)
    seconds: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as bytecode:
        for program in PROGRAMS.values():
            measured(program, bytecode)  # fills the caches of bytecode and files
        for _ in range(rounds):
            for name, program in PROGRAMS.items():
                seconds[name].append(measured(program, bytecode))
    added = {
        name: median(t - n for t, n in zip(times, seconds["numpy"], strict=True)) for name, times in seconds.items()
    }
    print(f"{machine(('graphnet', 'numpy', 'networkx'))}, 1 thread; median of {rounds} processes\n")
    print("| import | seconds | added to numpy |\n|---|---|---|")
    for name, times in seconds.items():
        print(f"| {name} | {median(times):.3f} | {added[name]:.3f} |")
    exceeded = added["graphnet"] > options.limit
    print(f"\nimport graphnet adds {added['graphnet']:.3f} s; the limit is {options.limit:.2f} s")
    return int(exceeded)


def measured(program: str, bytecode: str) -> float:
    """Return the seconds of a program in a new process, without the start of Python; ``bytecode`` is a folder."""
    environment = os.environ | variables(1) | {"PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", MEASURE.format(program=program)]
    return float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
