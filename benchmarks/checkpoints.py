"""How long checkpoints stop a training: the demo (examples/japanese_vowels) with one after every epoch.

Prints the time that the training thread spends in the run folder, by occasion, and its share of the whole training; and
the time of the training with and without a folder, interleaved. ``python benchmarks/checkpoints.py`` takes 30 s.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from graphnet.core.errors import GraphnetWarning
from graphnet.io.checkpoint_store import CheckpointStore
from graphnet.io.run_folder import RunFolder
from graphnet.models.train_file import prepare

MODEL = Path(__file__).resolve().parents[1] / "examples" / "japanese_vowels" / "model.yaml"


class Timed(RunFolder):
    """A run folder that measures how long the training waits for it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seconds: Counter[str] = Counter()


def _timed(name: str):
    method = getattr(RunFolder, name)

    def measured(self, *arguments):
        begin = time.perf_counter()
        try:
            return method(self, *arguments)
        finally:
            self.seconds[name] += time.perf_counter() - begin

    return measured


for _name in ("start", "after_batch", "after_epoch", "on_epoch_end", "end", "on_end"):
    setattr(Timed, _name, _timed(_name))


def train(folder: Path, epochs: int, written: bool) -> tuple[float, Timed, int]:
    """Train the demo; returns the seconds, the folder, and the number of checkpoints."""
    job = prepare(MODEL, epochs=epochs, output=folder / "unused", checkpoint_epochs=1)
    timed = Timed(folder / "run")
    job.trainer.callbacks = (timed,) if written else ()
    job.trainer.checkpoints = timed if written else None
    count, commit = [], CheckpointStore.commit

    def counted(self, snapshot, **options):
        count.append(snapshot.epoch)
        return commit(self, snapshot, **options)

    CheckpointStore.commit = counted
    begin = time.perf_counter()
    try:
        job.train()
    finally:
        CheckpointStore.commit = commit
    return time.perf_counter() - begin, timed, len(count)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds, epochs = (2, 40) if parser.parse_args().quick else (4, 80)
    warnings.simplefilter("ignore", GraphnetWarning)
    without, with_folder, shares = [], [], []
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as name:
            plain, _, _ = train(Path(name) / "a", epochs, False)
            seconds, timed, count = train(Path(name) / "b", epochs, True)
        if number:  # the first round compiles
            without.append(plain)
            with_folder.append(seconds)
            during = sum(timed.seconds[name] for name in ("start", "after_batch", "after_epoch", "on_epoch_end", "end"))
            shares.append(during / seconds)
            spent = ", ".join(f"{name} {1e3 * value:.0f}" for name, value in timed.seconds.items())
            print(f"round {number}: {seconds:.2f} s, {count} checkpoints of {epochs} epochs; ms in {spent}")
    print(f"without a folder: {statistics.median(without):.2f} s; with: {statistics.median(with_folder):.2f} s")
    print(f"stopped for checkpoints and metrics: {100 * statistics.median(shares):.2f} % of the training")


if __name__ == "__main__":
    main()
