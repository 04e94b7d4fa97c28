"""Train a model file once for each seed, and print the accuracy on the test set and its median.

    python examples/seeds.py examples/japanese_vowels/model.yaml

Every run is kept, in a folder in runs/.
"""

import sys

import graphnet
from graphnet.sweeps import Sweep


def main(path: str, seeds: int = 5) -> None:
    """Print the test accuracy for seeds 0 … ``seeds`` - 1."""
    print(graphnet.sweep(Sweep(path, repeat={"seeds": seeds}, objective="test_accuracy"), shown=None))


if __name__ == "__main__":
    main(*sys.argv[1:2])
