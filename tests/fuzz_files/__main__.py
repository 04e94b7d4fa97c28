"""``python -m fuzz_files``: read damaged files; print and keep each one that is not read as it should be."""

from __future__ import annotations

import argparse
import collections
import faulthandler
import secrets
import sys
import tempfile
import time
from pathlib import Path

from fuzz_files.damage import DAMAGE, damaged
from fuzz_files.trial import read

CORPUS = Path(__file__).parent / "corpus"


def main() -> int:
    """Read the files; return 1 if any was not read as it should be."""
    parser = argparse.ArgumentParser(prog="python -m fuzz_files", description=__doc__)
    parser.add_argument("-n", type=int, default=2000, help="number of files")
    parser.add_argument("--seed", type=int, help="seed of the first file (default: random)")
    parser.add_argument("--only", choices=sorted(DAMAGE), help="a kind of files (default: all)")
    parser.add_argument("--keep", action="store_true", help="put failures into the corpus")
    options = parser.parse_args()
    start = options.seed if options.seed is not None else secrets.randbelow(2**40)
    print(f"seed {start}, {options.n} files", flush=True)
    failed, slowest, kinds, began = 0, 0.0, collections.Counter(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.n):
            faulthandler.dump_traceback_later(120, exit=True)
            kind, data = damaged(start + number, options.only)
            kinds[kind] += 1
            before = time.process_time()
            finding = read(kind, data, Path(folder) / "file")
            slowest = max(slowest, time.process_time() - before)
            if finding is not None:
                failed += 1
                print(f"seed {start + number}: {finding.name}: {finding.problem}", flush=True)
                if options.keep:
                    (CORPUS / finding.name).write_bytes(data)
    seconds = time.monotonic() - began
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(
        f"{failed} of {options.n} files ({listed}) were not read as they should be; slowest {slowest:.2f} s; {seconds:.0f} s"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
