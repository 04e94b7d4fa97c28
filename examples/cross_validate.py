"""Cross-validate a model file on the training set of its data: how the examples' configurations were chosen.

    python examples/cross_validate.py examples/japanese_vowels/model.yaml

Two times three folds with equal shares of the classes; the test set is not looked at.
"""

import statistics
import sys

import numpy as np

import graphnet
from graphnet.data import datasets

FOLDS, REPEATS = 3, 2


def folds(targets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The number of a fold for each example, each class spread evenly."""
    found = np.zeros(len(targets), int)
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        found[members] = np.arange(len(members)) % FOLDS
    return found


def chosen(inputs: dict, which: np.ndarray) -> dict:
    """Some examples of every input."""
    return {n: [v[i] for i in which] if isinstance(v, list) else v[which] for n, v in inputs.items()}


def main(path: str) -> None:
    """Print the accuracy on each held-out fold, and the mean."""
    model = graphnet.load(path)
    train = datasets.load(str(model.config.data)).train
    found = []
    for repeat in range(REPEATS):
        number = folds(train.targets, np.random.default_rng(repeat))
        for fold in range(FOLDS):
            inside, outside = np.flatnonzero(number != fold), np.flatnonzero(number == fold)
            model.fit(chosen(train.inputs, inside), train.targets[inside], seed=repeat)
            found.append(model.evaluate(chosen(train.inputs, outside), train.targets[outside])["accuracy"])
            print(f"repeat {repeat}, fold {fold}: accuracy {found[-1]:.3f}", flush=True)
    print(f"mean accuracy on held-out folds: {statistics.mean(found):.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
