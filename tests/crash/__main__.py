"""Kill trainings at random moments: python -m crash -n 1000 [--seed N] [--mode python]."""

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .kills import search


def run():
    """Read the arguments, search, and report."""
    parser = argparse.ArgumentParser(prog="python -m crash", description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="number of kills")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--mode", action="append", choices=("python", "command", "process"))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    root, begin = Path(tempfile.mkdtemp(prefix="graphnet-crash-")), time.monotonic()
    modes = tuple(arguments.mode or ("python", "command", "process"))
    shown = lambda text: print(text, flush=True)  # noqa: E731
    faults, kills, runs = search(arguments.n, root, arguments.seed, modes=modes, shown=shown)
    print(f"{kills} kills of {runs} runs in {time.monotonic() - begin:.0f} s: {len(faults)} faults")
    if not faults:
        shutil.rmtree(root)
    print(
        f"runs with faults are in {root}" if faults else "every run ended equal to the bit to one that was not killed"
    )
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    run()
