"""Training of the demo's model on a busy machine, with the default number of BLAS threads and with one.

While other processes keep the cores busy, the model of ``examples/japanese_vowels`` is trained for a few epochs,
alternately with the default number of threads and with one (set by the environment variables of every BLAS), always in
a new process. The configuration does not set the number of threads (``threads=None``). The result is the ratio of the
two times: 1 if graphnet never waits for a thread that is not scheduled.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from environment import machine
from timing import shown

MODEL = Path(__file__).resolve().parent.parent / "examples" / "japanese_vowels" / "model.yaml"
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
#: The highest acceptable ratio with two busy processes.
ALLOWED = 1.5


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=2, help="busy processes (2)")
    parser.add_argument("--epochs", type=int, help="of each training (5; with --quick 2)")
    parser.add_argument("--rounds", type=int, help="trainings of each kind (5; with --quick 2)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--train", type=int, metavar="EPOCHS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.epochs = options.epochs or (2 if options.quick else 5)
    options.rounds = options.rounds or (2 if options.quick else 5)
    return options


def main() -> None:
    """Train alternately while other processes are busy; print medians and their ratio."""
    options = arguments()
    if options.train:
        train(options.train)
        return
    print(machine(("graphnet", "numpy")))
    print(f"the demo's model, {options.epochs} epochs, {options.rounds} rounds, with {options.busy} busy processes\n")
    runs: dict[str, list[dict[str, Any]]] = {"default": [], "one": []}
    with busy(options.busy):
        for number in range(options.rounds):
            for kind in list(runs)[:: -1 if number % 2 else 1]:
                runs[kind].append(measured(kind, options.epochs))
    report(runs)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Run busy processes while the block runs."""
    workers = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def measured(kind: str, epochs: int) -> dict[str, Any]:
    """Return the report of one training process."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    if kind == "one":
        environment |= dict.fromkeys(VARIABLES, "1")
    command = [sys.executable, __file__, "--train", str(epochs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    reported: dict[str, Any] = json.loads(done.stdout)
    return reported


def train(epochs: int) -> None:
    """Train in this process; print the seconds of the epochs after the first and the number of BLAS threads."""
    from threadpoolctl import threadpool_info

    from graphnet import load
    from graphnet.datasets import load as dataset

    examples = dataset("japanese_vowels").train
    history = load(MODEL).fit(examples.inputs, examples.targets, epochs=epochs, threads=None)
    threads = max((info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"), default=1)
    seconds = [record.seconds for record in history.epochs[1:]] or [history.epochs[0].seconds]
    print(json.dumps({"seconds": seconds, "threads": threads}))


def report(results: dict[str, list[dict[str, Any]]]) -> None:
    """Print a line for each kind, and the ratio."""
    print("| BLAS threads | an epoch, ms |\n|---|---|")
    for kind, runs in results.items():
        low, middle, high = np.percentile([s for run in runs for s in run["seconds"]], [25, 50, 75])
        print(f"| {kind} ({runs[0]['threads']}) | {shown((low, middle, high))} |")
    medians = {kind: np.array([np.median(run["seconds"]) for run in runs]) for kind, runs in results.items()}
    ratio = float(np.median(medians["default"] / medians["one"]))
    print(f"\ndefault over one: {ratio:.2f} (target with two busy processes: at most {ALLOWED})")


if __name__ == "__main__":
    main()
