"""Cross-validate a model file on the training set of its data; the configurations of the examples were chosen so.

    python examples/cross_validate.py examples/japanese_vowels/model.yaml

Two repetitions of three folds with equal shares of the classes; the test set is not used.
"""

import statistics
import sys

import numpy as np

import graphnet
from graphnet.data import datasets

FOLDS, REPEATS = 3, 2


def folds(targets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold number of each example, with equal shares of the classes."""
    numbers = np.zeros(len(targets), int)
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        numbers[members] = np.arange(len(members)) % FOLDS
    return numbers


def subset(inputs: dict, rows: np.ndarray) -> dict:
    """Some examples of every input."""
    return {n: [v[i] for i in rows] if isinstance(v, list) else v[rows] for n, v in inputs.items()}


def main(path: str) -> None:
    """Print the accuracy on each held-out fold, and the mean."""
    model = graphnet.load(path)
    train = datasets.load(str(model.config.data)).train
    accuracies = []
    for repeat in range(REPEATS):
        number = folds(train.targets, np.random.default_rng(repeat))
        for fold in range(FOLDS):
            training, held_out = np.flatnonzero(number != fold), np.flatnonzero(number == fold)
            model.fit(subset(train.inputs, training), train.targets[training], seed=repeat)
            accuracies.append(model.evaluate(subset(train.inputs, held_out), train.targets[held_out])["accuracy"])
            print(f"repeat {repeat}, fold {fold}: accuracy {accuracies[-1]:.3f}", flush=True)
    print(f"mean accuracy on held-out folds: {statistics.mean(accuracies):.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
