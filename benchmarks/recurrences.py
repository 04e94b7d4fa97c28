"""The time of linear recurrences alone, forward and backward, by numpy and with the operations of the native backend.

    python benchmarks/recurrences.py          # about two minutes
    python benchmarks/recurrences.py --quick

Each row is a recurrence with all of its arguments computed before: what a layer costs besides its projections. Matrix
states have as many keys and values as there are units; Mamba has 16 keys.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from environment import machine, variables

os.environ.update(variables(1))

import numpy as np
from timing import interleaved, shown

from graphnet.core.operations import Operations
from graphnet.core.recurrences import Decay, Order, Read, delta, diagonal, max_plus, outer, rotation
from graphnet.core.run import backend_choice, backends

#: (steps, batch, units)
SHAPES = [(256, 8, 64), (1024, 4, 128), (8192, 1, 64), (65536, 1, 64)]
#: The keys of Mamba.
KEYS = 16

Run = Callable[[], object]


def main() -> None:
    """Print a table for each shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="for each row (3; with --quick 0.5)")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seconds = options.seconds or (0.5 if options.quick else 3.0)
    native = operations()
    print(machine(("graphnet", "numpy")))
    print("forward and backward, float32; milliseconds: median (quartiles)")
    for steps, batch, units in SHAPES[:2] if options.quick else SHAPES:
        print(f"\n{steps} steps, batch {batch}, {units} units\n\n| recurrence | numpy | native |\n|---|---|---|")
        for name, make in cases(steps, batch, units).items():
            runs = {"numpy": make(None)}
            if native is not None:
                runs["native"] = make(native)
            timings = interleaved(runs, seconds)
            print(f"| {name} | {' | '.join(shown(timing.quartiles) for timing in timings.values())} |", flush=True)


def operations() -> Operations | None:
    """The operations of the backend that runs where none is named; None if it offers none."""
    found: Operations | None = getattr(backends.find(backend_choice.ChosenBackend().name), "operations", None)
    return found


def cases(steps: int, batch: int, units: int) -> dict[str, Callable[[Operations | None], Run]]:
    """For each recurrence, a function that makes a run for some operations; arrays are time-major."""
    rng = np.random.default_rng(0)

    def array(*inner: int) -> np.ndarray:
        made: np.ndarray = rng.standard_normal((steps, batch, *inner)).astype(np.float32)
        return made.swapaxes(0, 1)

    def gate(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = 1 / (1 + np.exp(-x))
        return found

    a, b, c, error = gate(array(units)), array(units), array(units), array(units)
    query, key, value = array(units), array(units), array(units)
    key /= np.linalg.norm(key, axis=-1, keepdims=True)
    one, rate, order = gate(array(1) + 2), gate(array(1)), Order()
    constant = np.full((1, 1, units), 0.9, np.float32), np.full((1, 1, units), 0.1, np.float32)
    queries = [Read(query)]
    small = array(KEYS), [Read(array(KEYS))]
    mamba = Decay(logs=np.log1p(np.exp(b))[:, :, None], scale=-gate(rng.standard_normal((KEYS, units)).astype("f")))
    by_key = Decay(logs=np.log(a)[..., None] / 16)

    def matrix(*arguments: object, function: Callable[..., object] = outer) -> Callable[[Operations | None], Run]:
        return lambda given: lambda: function(*arguments, None, order, given).pull([error])  # type: ignore[attr-defined]

    return {
        "diagonal": lambda given: lambda: diagonal(a, b, None, order, given).pull(error),
        "diagonal, constant": lambda given: lambda: diagonal(constant[0], b, None, order, given).pull(error),
        "complex, constant": lambda given: lambda: rotation(*constant, (b, c), None, order, given).pull((error, error)),
        "max-plus": lambda given: lambda: max_plus(a, b, None, order, given).pull(error),
        "matrix, constant decay (RetNet)": matrix(key, value, queries, Decay(np.full((1, 1, 1, 1), 0.97, np.float32))),
        "matrix, scalar decay (mLSTM)": matrix(key, value, queries, Decay(one[..., None])),
        "matrix, decay by key (GLA)": matrix(key, value, queries, by_key),
        "matrix, steep decay by key (HGRN2)": matrix(1 - a, value, queries, Decay(a[..., None])),
        "matrix, full decay (Mamba)": matrix(small[0], value, small[1], mamba),
        "delta rule (DeltaNet)": matrix(rate * key, key, value, queries, None, function=delta),
        "delta rule, scalar decay": matrix(
            rate * key, one * key, value, queries, Decay(one[..., None]), function=delta
        ),
    }


if __name__ == "__main__":
    main()
