"""Training of the demo's model on a busy machine: with the threads that the BLAS takes by default, and with one.

Processes that only compute keep the cores busy. Beside them the model of ``examples/japanese_vowels`` is trained for a
few epochs by turns with the default number of threads and with one (the environment variables of every BLAS), each time
in a process of its own. The configuration sets no number itself (``threads=None``), so that the default is what the
passes see. The figure is the ratio of both: 1 if graphnet never waits for a thread that the scheduler does not run.
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
#: The ratio that the training may have beside two busy processes.
ALLOWED = 1.5


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=2, help="busy processes (2)")
    parser.add_argument("--epochs", type=int, help="of each training (5; with --quick 2)")
    parser.add_argument("--rounds", type=int, help="trainings of each kind (5; with --quick 2)")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--train", type=int, metavar="EPOCHS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.epochs = given.epochs or (2 if given.quick else 5)
    given.rounds = given.rounds or (2 if given.quick else 5)
    return given


def main() -> None:
    """Train by turns beside busy processes, and print medians and their ratio."""
    given = arguments()
    if given.train:
        train(given.train)
        return
    print(machine(("graphnet", "numpy")))
    print(f"the demo's model, {given.epochs} epochs, {given.rounds} rounds, beside {given.busy} busy processes\n")
    found: dict[str, list[dict[str, Any]]] = {"default": [], "one": []}
    with busy(given.busy):
        for number in range(given.rounds):
            for kind in list(found)[:: -1 if number % 2 else 1]:
                found[kind].append(measured(kind, given.epochs))
    report(found)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that compute without end, while the block runs."""
    workers = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def measured(kind: str, epochs: int) -> dict[str, Any]:
    """What one training process reports."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    if kind == "one":
        environment |= dict.fromkeys(VARIABLES, "1")
    command = [sys.executable, __file__, "--train", str(epochs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    reported: dict[str, Any] = json.loads(done.stdout)
    return reported


def train(epochs: int) -> None:
    """The training process: print the seconds of the epochs after the first, and the number of BLAS threads."""
    from threadpoolctl import threadpool_info

    from graphnet import load
    from graphnet.datasets import load as dataset

    examples = dataset("japanese_vowels").train
    history = load(MODEL).fit(examples.inputs, examples.targets, epochs=epochs, threads=None)
    threads = max((info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"), default=1)
    seconds = [record.seconds for record in history.epochs[1:]] or [history.epochs[0].seconds]
    print(json.dumps({"seconds": seconds, "threads": threads}))


def report(found: dict[str, list[dict[str, Any]]]) -> None:
    """A line for each kind, and the ratio."""
    print("| BLAS threads | an epoch, ms |\n|---|---|")
    for kind, runs in found.items():
        low, middle, high = np.percentile([s for run in runs for s in run["seconds"]], [25, 50, 75])
        print(f"| {kind} ({runs[0]['threads']}) | {shown((low, middle, high))} |")
    medians = {kind: np.array([np.median(run["seconds"]) for run in runs]) for kind, runs in found.items()}
    ratio = float(np.median(medians["default"] / medians["one"]))
    print(f"\ndefault over one: {ratio:.2f} (at most {ALLOWED} is wanted beside two busy processes)")


if __name__ == "__main__":
    main()
