"""python -m plants -n 200 [--seed N]: counts the trainings whose error names node, step and row."""

import argparse
import secrets
import sys
import warnings

import numpy as np

from plants import trial


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    warnings.simplefilter("ignore")
    named = 0
    for i in range(arguments.n):
        right, text = trial.run(np.random.default_rng([arguments.seed, i]))
        named += right
        if not right:
            print(f"{i}: {text}")
    print(f"{named} of {arguments.n} plants named: node, step and row")
    return named < 0.95 * arguments.n


if __name__ == "__main__":
    sys.exit(main())
