"""Training step and forward pass of recurrent layers, against torch's own and a loop in torch.

A *training step* is forward over the sequence, then backward giving the input's error and every weight gradient.
"""

from __future__ import annotations

import argparse
import os

SHAPES = ((20, 8, 16, 16), (100, 1, 32, 32), (100, 32, 64, 128), (50, 64, 256, 256), (200, 16, 512, 512))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=["LSTM", "RNN"], choices=["LSTM", "RNN"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtypes", nargs="+", default=["float32"], choices=["float32", "float64"])
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row of the table")
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="only the first so many shapes")
    return parser.parse_args()


def main() -> None:
    """Print one row a kind, dtype, shape and pass."""
    given = arguments()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(given.threads)
    os.environ["OPENBLAS_THREAD_TIMEOUT"] = "20"  # idle workers of one library must not starve the other's

    from timing import machine

    print(machine(given.threads))
    print("| layer | dtype | time, batch, input, hidden | pass | graphnet | torch.nn | ratio | torch loop | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in given.kinds:
        for dtype in given.dtypes:
            for shape in SHAPES[: given.shapes]:
                row(kind, dtype, shape, given.seconds, given.threads)


def row(kind: str, dtype: str, shape: tuple[int, int, int, int], seconds: float, threads: int) -> None:
    """Check agreement, time, and print the two lines of one shape."""
    import numpy as np
    from contenders import CONTENDERS, GATES
    from timing import interleaved

    time, batch, features, units = shape
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(features + units + 1, GATES[kind] * units)) / np.sqrt(units)).astype(dtype)
    x, error = (rng.normal(size=(time, batch, n)).astype(dtype) for n in (features, units))
    made = {}
    for name, make in CONTENDERS.items():
        try:
            made[name] = make(kind, weights, x, error)
        except ImportError as missing:
            print(f"skipped: {name} ({missing})")
    if "torch.nn" in made:
        import torch

        torch.set_num_threads(threads)
    agree({name: step() for name, (step, _) in made.items()}, 1e-9 if dtype == "float64" else 5e-3)
    for title, which in (("training", 0), ("forward", 1)):
        found = interleaved({name: steps[which] for name, steps in made.items()}, seconds / 2)
        cells = [str(found["graphnet"])]
        for name in ("torch.nn", "torch loop"):
            there = name in found
            cells += [str(found[name]), f"{found['graphnet'].ratio(found[name]):.2f}"] if there else ["–", "–"]
        print(f"| {kind} | {dtype} | {', '.join(map(str, shape))} | {title} | {' | '.join(cells)} |", flush=True)


def agree(results: dict, tolerance: float) -> None:
    """Refuse to time contenders that compute different numbers."""
    import numpy as np

    expected = results["graphnet"]
    for name, found in results.items():
        for a, b in zip(found, expected, strict=True):
            worst = np.abs(a - b).max() / np.abs(b).max()
            if worst > tolerance:
                raise SystemExit(f"{name} computes other numbers than graphnet: relative difference {worst:.1e}")


if __name__ == "__main__":
    main()
