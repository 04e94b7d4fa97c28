"""``python -m fuzz``: run random cells and graphs; print each failure, shrunk, as a recipe."""

from __future__ import annotations

import argparse
import pprint
import secrets
import sys
import time

from fuzz.compare import NotCompared, Overflows, difference
from fuzz.generate import trial
from fuzz.recipe import Trial
from fuzz.shrink import shrink


def main() -> int:
    """Run the trials; return 1 if any failed."""
    options = _options()
    start = options.seed if options.seed is not None else secrets.randbelow(2**40)
    print(f"seed {start}, {options.n} trials, backend {options.backend}", flush=True)
    failed = overflowed = sensitive = 0
    began = time.monotonic()
    for number in range(options.n):
        whole_graph = number % 3 == 2 if options.kind is None else options.kind == "graph"
        drawn = trial(start + number, whole_graph, options.wide)
        try:
            failure = difference(drawn, options.backend)
        except NotCompared as reason:
            overflowed += isinstance(reason, Overflows)
            sensitive += not isinstance(reason, Overflows)
            continue
        if failure is not None:
            failed += 1
            report(drawn, failure.problem, options.backend, options.shrink)
            if failed >= options.most:
                break
        if (number + 1) % 1000 == 0:
            print(f"{number + 1} trials, {failed} failed, {time.monotonic() - began:.0f} s", flush=True)
    print(
        f"{failed} of {number + 1} trials failed, {overflowed + sensitive} were not compared "
        f"(overflow: {overflowed}; as sensitive to rounding of the inputs: {sensitive})"
    )
    return int(failed > 0)


def report(drawn: Trial, problem: str, backend: str, smaller: bool) -> None:
    """Print one failure."""
    print(f"\nseed {drawn.seed}: {problem}", flush=True)
    if smaller:
        drawn = shrink(drawn, lambda t: difference(t, backend) is not None)
        failure = difference(drawn, backend)
        print(failure.problem if failure else "the failure is not reproducible")
        pprint.pprint(drawn, width=120)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="number of trials")
    parser.add_argument("--seed", type=int, help="seed of the first trial (default: random)")
    parser.add_argument("--kind", choices=("cell", "graph"), help="only these (default: two cells per graph)")
    parser.add_argument("--wide", action="store_true", help="up to 70 units and 20 rows (default: up to 5)")
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--most", type=int, default=5, help="stop after this number of failures")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
