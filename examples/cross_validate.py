"""Cross-validate a model file on the training set of its data; the configurations of the examples were chosen so.

    python examples/cross_validate.py examples/japanese_vowels/model.yaml

Two repetitions of three folds with equal shares of the classes; the test set is not used. Every run is kept, in a
folder in runs/.
"""

import sys

import graphnet
from graphnet.sweeps import Sweep


def main(path: str) -> None:
    """Print the accuracy on each held-out fold, and the mean."""
    print(graphnet.sweep(Sweep(path, repeat={"seeds": 2, "folds": 3}, objective="held_out_accuracy"), shown=None))


if __name__ == "__main__":
    main(*sys.argv[1:2])
