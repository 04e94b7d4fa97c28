"""Recurrent layers and custom cells against torch, jax and onnxruntime, interleaved in one process.

A training step is a forward pass over the sequence and a backward pass to the input error and all weight gradients; a
forward pass saves nothing. Times are in ms: median (quartiles). A ratio is graphnet's time divided by the other's, the
median over rounds; below 1 graphnet is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from environment import variables
from report import PEERS, Table

SHAPES = ((20, 8, 16, 16), (100, 1, 32, 32), (100, 32, 64, 128), (50, 64, 256, 256), (200, 16, 512, 512))
KINDS = ("LSTM", "RNN", "GRU", "peephole-coupled", "minimal-gated")
PASSES = ("training", "forward")


def arguments() -> argparse.Namespace:
    """Parse the command line; --quick reduces the defaults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--shapes", nargs="+", type=shape, help="time,batch,input,hidden, or a number from 1 to 5")
    parser.add_argument("--dtypes", nargs="+", choices=["float32", "float64"])
    parser.add_argument("--threads", nargs="+", type=int)
    parser.add_argument("--passes", nargs="+", default=PASSES, choices=PASSES)
    parser.add_argument("--peers", nargs="+", default=PEERS, choices=PEERS, metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--seconds", type=float, help="for each row; at least three rounds are run")
    parser.add_argument("--quick", action="store_true", help="three shapes, float32, one thread, less than two minutes")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the ratios there (matplotlib)")
    options = parser.parse_args()
    options.shapes = options.shapes or SHAPES[: 3 if options.quick else None]
    options.dtypes = options.dtypes or (["float32"] if options.quick else ["float32", "float64"])
    options.threads = options.threads or ([1] if options.quick else [1, 2])
    options.seconds = options.seconds or (0.6 if options.quick else 2.0)
    return options


def shape(text: str) -> tuple[int, ...]:
    """Parse ``20,8,16,16``, or the number of one of the five shapes."""
    numbers = tuple(int(part) for part in text.split(","))
    if len(numbers) == 1 and 1 <= numbers[0] <= len(SHAPES):
        return SHAPES[numbers[0] - 1]
    if len(numbers) != 4 or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"expected time,batch,input,hidden or 1 to {len(SHAPES)}, received {text}")
    return numbers


def main() -> None:
    """Print the table row by row, then write the requested files."""
    options = arguments()
    if options.plot:
        from plot import available

        available()
    table = Table()
    for threads in options.threads:
        for record in measured(options, threads):
            for line in table.add(record):
                print(line, flush=True)
    if options.markdown:
        options.markdown.write_text(table.text(), encoding="utf-8")
    if options.plot:
        from plot import draw

        for file in draw(table, options.plot):
            print(f"wrote {file}")


def measured(options: argparse.Namespace, threads: int) -> Iterator[dict[str, Any]]:
    """Yield the records of one worker process; libraries read the number of threads from the environment once."""
    plan = {name: getattr(options, name) for name in ("kinds", "shapes", "dtypes", "passes", "peers", "seconds")}
    command = [sys.executable, str(Path(__file__).with_name("worker.py")), json.dumps(plan | {"threads": threads})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | variables(threads), text=True) as worker:
        assert worker.stdout is not None
        yield from map(json.loads, worker.stdout)
    if worker.returncode:
        raise SystemExit(worker.returncode)


if __name__ == "__main__":
    main()
