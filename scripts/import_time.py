"""Print what ``import graphnet`` adds to ``import numpy``, in seconds of processor time.

    python scripts/import_time.py [--limit SECONDS]

The exit code is 1 if it adds more than the limit (default 0.10 s), or loads a library that it should load later.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

#: Libraries that are imported at first use.
LATER = ("click", "matplotlib", "networkx", "pluggy", "rich", "safetensors", "scipy", "sklearn", "yaml")
REPEATS = 15


def measure(module: str) -> float:
    """Return the processor time of an import in a new process: the least of several runs."""
    code = f"import time; start = time.process_time(); import {module}; print(time.process_time() - start)"
    runs = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(REPEATS)
    )
    return min(float(done.stdout) for done in runs)


def loaded_early() -> list[str]:
    """Return the libraries of LATER that ``import graphnet`` loads."""
    code = f"import json, sys, graphnet; print(json.dumps([name for name in {LATER!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(done.stdout)
    return names


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--limit", type=float, default=0.10, metavar="SECONDS")
    limit = parser.parse_args(arguments).limit
    numpy, graphnet = measure("numpy"), measure("graphnet")
    added, early = graphnet - numpy, loaded_early()
    print(f"import numpy {numpy:.3f} s, import graphnet {graphnet:.3f} s: adds {added:.3f} s (limit {limit:.2f} s)")
    if early:
        print(f"import graphnet loads {', '.join(early)}, which should be imported at first use")
    return 1 if early or added > limit else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
