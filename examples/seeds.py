"""Train a model file once for each seed, and print the accuracy on the test set and its median.

python examples/seeds.py examples/japanese_vowels/model.yaml
"""

import statistics
import sys

import graphnet
from graphnet.data import datasets


def main(path: str, seeds: int = 5) -> None:
    """Print the test accuracy for seeds 0 … ``seeds`` - 1."""
    model = graphnet.load(path)
    data = datasets.load(str(model.config.data))
    accuracies = []
    for seed in range(seeds):
        model.fit(data.train.inputs, data.train.targets, seed=seed)
        accuracies.append(model.evaluate(data.test.inputs, data.test.targets)["accuracy"])
        print(f"seed {seed}  test accuracy {accuracies[-1]:.3f}", flush=True)
    print(f"median test accuracy: {statistics.median(accuracies):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
