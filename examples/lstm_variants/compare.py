"""Train the eight LSTM variants of "LSTM: A Search Space Odyssey" (Greff et al. 2017) and compare them with vanilla.

    python examples/lstm_variants/compare.py
    python examples/lstm_variants/compare.py --only nfg cifg --seeds 5

Every file of this folder is trained on two thirds of the training set of Japanese Vowels and evaluated on the remaining
third, once for each third and seed; the test set is not used. All variants have the same thirds and seeds, so the
difference to vanilla is a mean of paired differences. It is followed by its standard error, after ±, and in parentheses
by the standard error corrected for overlapping training sets; the first one treats every seed as new data.
"""

import argparse
import math
import statistics
import time
from pathlib import Path

import graphnet
from graphnet.data import datasets
from graphnet.data.folds import Fold

FOLDS = 3
FOLDER = Path(__file__).parent
VANILLA = "vanilla"
VARIANTS = ("nig", "nfg", "nog", "niaf", "noaf", "cifg", "np", "fgr")


def held_out(name: str, seeds: int, epochs: int | None) -> list[float]:
    """The accuracy on each fold for each seed, in the same order for all variants."""
    model = graphnet.load(FOLDER / f"{name}.yaml")
    data = datasets.load(str(model.config.data))
    settings = {} if epochs is None else {"epochs": epochs}
    accuracies = []
    for seed in range(seeds):
        for fold in range(FOLDS):
            part = Fold(fold=fold, folds=FOLDS, fold_seed=seed).of_dataset(data)
            model.fit(part.train.inputs, part.train.targets, seed=seed, verbose=0, **settings)
            accuracies.append(model.evaluate(part.test.inputs, part.test.targets)["accuracy"])
    return accuracies


def summary(name: str) -> tuple[int, str]:
    """The number of weights of the whole model, and whether its cell is compiled."""
    model = graphnet.load(FOLDER / f"{name}.yaml")
    scan = next(part for part in model.graph.explain().parts if part.kind == "Scan")
    weights = sum(p.value.size for p in model.runner.parameters.values())
    return weights, "yes" if scan.reason is None else f"no: {scan.reason}"


def difference(variant: list[float], vanilla: list[float]) -> tuple[float, float]:
    """The mean of the paired differences, and its standard error."""
    pairs = [a - b for a, b in zip(variant, vanilla, strict=True)]
    error = statistics.stdev(pairs) / math.sqrt(len(pairs)) if len(pairs) > 1 else 0.0
    return statistics.mean(pairs), error


def corrected(error: float, count: int) -> float:
    """The standard error of ``count`` differences whose training sets overlap.

    The variance ``s² / count`` becomes ``s² (1 / count + tested / trained)`` (Nadeau & Bengio 2003, "Inference for the
    generalization error"; for repeated cross-validation: Bouckaert & Frank 2004).
    """
    return error * math.sqrt(1 + count / (FOLDS - 1))


def at_least_one(text: str) -> int:
    """Parse a number of seeds or epochs."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, received {text}")
    return int(text)


def main(arguments: list[str] | None = None) -> dict[str, list[float]]:
    """Print a line for each variant, and return the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=at_least_one, default=10, help="each with three folds (10)")
    parser.add_argument("--epochs", type=at_least_one, help="replaces the epochs of the files")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, help="variants to compare with vanilla")
    options = parser.parse_args(arguments)
    accuracies: dict[str, list[float]] = {}
    heads = f"{'variant':8} {'weights':>8} {'compiled':>9} {'accuracy':>9} {'spread':>7}"
    print(f"{heads}   difference to vanilla", flush=True)
    for name in (VANILLA, *(v for v in VARIANTS if v in (options.only or VARIANTS))):
        start = time.perf_counter()
        weights, compiled = summary(name)
        accuracies[name] = held_out(name, options.seeds, options.epochs)
        mean, spread = statistics.mean(accuracies[name]), statistics.pstdev(accuracies[name])
        line = f"{name:8} {weights:8d} {compiled:>9} {mean:9.4f} {spread:7.4f}"
        if name != VANILLA:
            shift, error = difference(accuracies[name], accuracies[VANILLA])
            corrected_error = corrected(error, len(accuracies[name]))
            stars = "*" * ((abs(shift) > 2 * error) + (abs(shift) > 2 * corrected_error))
            line += f"   {shift:+.4f} ± {error:.4f} ({corrected_error:.4f}) {stars}"
        print(f"{line:72} {time.perf_counter() - start:4.0f} s", flush=True)
    print("* more than two standard errors, ** more than two corrected ones")
    return accuracies


if __name__ == "__main__":
    main()
