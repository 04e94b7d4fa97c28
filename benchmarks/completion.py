"""The time from Tab to the completions: python benchmarks/completion.py."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

from graphnet.cli.completing.scripts import ASK

ROUNDS = 9
LINES = (["graphnet", "tr"], ["graphnet", "train", "--backend", ""], ["graphnet", "train", "--resume", ""])


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """How long a command takes."""
    begin = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Print medians in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "GRAPHNET_CACHE": folder}
        ask = [sys.executable, "-P", "-c", ASK, "graphnet", "bash"]
        first = seconds([*ask, "1", *LINES[0]], environment)
        print(f"the first time, which imports graphnet and its plugins: {first * 1e3:.0f} ms")
        for words in LINES:
            command = [*ask, str(len(words) - 1), *words]
            median = statistics.median(seconds(command, environment) for _ in range(ROUNDS))
            print(f"{' '.join(words):<32} {median * 1e3:.0f} ms")
        plain = statistics.median(seconds([sys.executable, "-c", "pass"], environment) for _ in range(ROUNDS))
        print(f"{'python -c pass':<32} {plain * 1e3:.0f} ms")
        whole = statistics.median(
            seconds([sys.executable, "-m", "graphnet", "--version"], environment) for _ in range(5)
        )
        print(f"{'graphnet --version':<32} {whole * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
