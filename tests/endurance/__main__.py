"""python -m endurance -n 100000 [--seed N] [--backend B]: memory and descriptors of a long training."""

import argparse
import secrets
import sys

from endurance import trial

MEGABYTE = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--backend")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    watch = trial.run(arguments.n, arguments.seed, arguments.backend)
    for i, (size, descriptors, objects) in enumerate(watch.points, 1):
        print(f"step {i * watch.every}: {size / MEGABYTE:.1f} MB, {descriptors} descriptors, {objects} objects")
    settled, last = watch.points[len(watch.points) // 4], watch.points[-1]
    grown = (last[0] - settled[0]) / MEGABYTE
    print(f"{watch.seen} updates: {grown:+.1f} MB and {last[1] - settled[1]:+d} descriptors since a quarter of them")
    return int(grown > 8 or last[1] > settled[1])


if __name__ == "__main__":
    sys.exit(main())
