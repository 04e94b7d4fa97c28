"""Training on a busy machine, with the default number of threads and with one.

While other processes keep the cores busy, the model of ``examples/japanese_vowels`` is trained for a few epochs,
alternately with the default number of threads and with one (set by the environment variables of every BLAS), always in
a new process. The configuration does not set the number of threads (``threads=None``). The result is the ratio of the
two times: 1 if graphnet never waits for a thread that is not scheduled. With ``--hidden`` the model is an LSTM of that
many units on random sequences of 50 steps and 64 rows instead, which is large enough for several threads.
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
    parser.add_argument("--backend", help="numpy, native, … (the default of graphnet)")
    parser.add_argument("--hidden", type=int, help="train an LSTM of that many units instead of the demo's model")
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
        train(options.train, options.hidden)
        return
    print(machine(("graphnet", "numpy")))
    model = f"an LSTM of {options.hidden} units" if options.hidden else "the demo's model"
    if options.backend:
        os.environ["GRAPHNET_BACKEND"] = options.backend
        model += f" on the backend {options.backend}"
    print(f"{model}, {options.epochs} epochs, {options.rounds} rounds, with {options.busy} busy processes\n")
    runs: dict[str, list[dict[str, Any]]] = {"default": [], "one": []}
    with busy(options.busy):
        for number in range(options.rounds):
            for kind in list(runs)[:: -1 if number % 2 else 1]:
                runs[kind].append(measured(kind, options.epochs, options.hidden))
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


def measured(kind: str, epochs: int, hidden: int | None) -> dict[str, Any]:
    """Return the report of one training process."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    if kind == "one":
        environment |= dict.fromkeys(VARIABLES, "1")
    command = [sys.executable, __file__, "--train", str(epochs), *(["--hidden", str(hidden)] if hidden else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    reported: dict[str, Any] = json.loads(done.stdout)
    return reported


def train(epochs: int, hidden: int | None) -> None:
    """Train in this process; print the seconds of the epochs after the first and the number of BLAS threads."""
    from threadpoolctl import threadpool_info

    history = large(hidden, epochs) if hidden else demo(epochs)
    threads = max((info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"), default=1)
    seconds = [record.seconds for record in history.epochs[1:]] or [history.epochs[0].seconds]
    print(json.dumps({"seconds": seconds, "threads": threads}))


def demo(epochs: int) -> Any:
    """Train the demo's model."""
    from graphnet import load
    from graphnet.datasets import load as dataset

    examples = dataset("japanese_vowels").train
    return load(MODEL).fit(examples.inputs, examples.targets, epochs=epochs, threads=None)


def large(hidden: int, epochs: int) -> Any:
    """Train an LSTM on random sequences."""
    from graphnet import Builder, Model, Scan
    from graphnet.losses import MeanSquaredError
    from graphnet_recurrent.cells import lstm_cell

    rng = np.random.default_rng(0)
    builder = Builder("large", dtype="float32")
    x = builder.input("x", f"time, batch, feature={hidden}")
    model = Model(builder.build(Scan(lstm_cell(hidden))(x)))
    inputs = rng.normal(size=(50, 256, hidden)).astype("float32")
    return model.fit(
        inputs, np.tanh(inputs), loss=MeanSquaredError(), epochs=epochs, batch_size=64, seed=1, threads=None
    )


def report(results: dict[str, list[dict[str, Any]]]) -> None:
    """Print a line for each kind, and the ratio."""
    print("| threads | an epoch, ms |\n|---|---|")
    for kind, runs in results.items():
        low, middle, high = np.percentile([s for run in runs for s in run["seconds"]], [25, 50, 75])
        print(f"| {kind} ({runs[0]['threads']}) | {shown((low, middle, high))} |")
    medians = {kind: np.array([np.median(run["seconds"]) for run in runs]) for kind, runs in results.items()}
    ratio = float(np.median(medians["default"] / medians["one"]))
    print(f"\ndefault over one: {ratio:.2f} (target with two busy processes: at most {ALLOWED})")


if __name__ == "__main__":
    main()
