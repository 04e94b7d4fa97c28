"""The demo's training against the same model in torch: same data, optimizer, clipping and schedule, epoch by epoch.

After each epoch of graphnet's Trainer, in a callback, torch trains one, so that a change of the machine's speed affects
both. torch's model is written as its users would: padded batches, batch normalization of the valid frames, an LSTM, the
last valid output of each row. With ``--packed`` torch gets packed sequences instead, with ``--fused`` its fused
optimizer. The loss of the last epoch is printed for both; random numbers differ.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from environment import machine, variables
from timing import Timing, shown

MODEL = Path(__file__).resolve().parent.parent / "examples" / "japanese_vowels" / "model.yaml"
#: The first epochs, in which both libraries compile or allocate, do not count.
WARM = 3


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, help="epochs of a training (80; with --quick 12)")
    parser.add_argument("--threads", nargs="+", type=int, help="a new process for each (1 2; with --quick 1)")
    parser.add_argument("--backends", nargs="+", default=["numpy"], help="graphnet's backends (numpy)")
    parser.add_argument("--packed", action="store_true", help="packed sequences in torch")
    parser.add_argument("--fused", action="store_true", help="torch's fused optimizer")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.threads = options.threads or ([1] if options.quick else [1, 2])
    options.epochs = options.epochs or (12 if options.quick else 80)
    return options


def main() -> None:
    """Start a process for each number of threads, because libraries read it from the environment once."""
    options = arguments()
    if options.measure:
        for backend in options.backends:
            measure(options, backend)
        return
    print(machine(("graphnet", "numpy", "torch")))
    print("| threads | backend | graphnet, ms an epoch | torch, ms an epoch | ratio | loss | torch's loss |")
    print("|---|---|---|---|---|---|---|", flush=True)
    flags = [flag for flag in ("packed", "fused") if getattr(options, flag)]
    for threads in options.threads:
        command = [sys.executable, __file__, "--measure", "--threads", str(threads), "--epochs", str(options.epochs)]
        command += ["--backends", *options.backends, *(f"--{flag}" for flag in flags)]
        subprocess.run(command, env=os.environ | variables(threads), check=True)


def measure(options: argparse.Namespace, backend: str) -> None:
    """Train both and print a row."""
    import torch

    from graphnet import load
    from graphnet.datasets import load as dataset
    from graphnet.training.callbacks import Callback

    threads = options.threads[0]
    torch.set_num_threads(threads)
    data = dataset("japanese_vowels").train
    (sequences,) = data.inputs.values()
    epoch = in_torch(sequences, data.targets, options)
    seconds: list[float] = []
    losses: list[float] = []

    class Interleaved(Callback):
        """Trains an epoch of the other model after each of ours."""

        def on_epoch_end(self, trainer: Any, record: Any) -> None:
            start = time.perf_counter()
            losses.append(epoch())
            seconds.append(time.perf_counter() - start)
            time.sleep(0.0 if threads == 1 else 0.03)

    options_of_fit = {"epochs": options.epochs, "threads": threads, "backend": backend, "verbose": 0}
    history = load(MODEL).fit(data.inputs, data.targets, callbacks=(Interleaved(),), **options_of_fit)
    ours = Timing(np.array([record.seconds for record in history.epochs[WARM:]]))
    theirs = Timing(np.array(seconds[WARM:]))
    times = f"{shown(ours.quartiles)} | {shown(theirs.quartiles)} | {ours.ratio(theirs):.2f}"
    print(f"| {threads} | {backend} | {times} | {history.epochs[-1].loss:.3f} | {losses[-1]:.3f} |", flush=True)


def in_torch(sequences: Any, labels: Any, options: argparse.Namespace) -> Callable[[], float]:
    """Return a function that trains one epoch in torch and returns its loss."""
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

    class Speakers(nn.Module):
        """The model of the demo: batch normalization, dropout, an LSTM, dropout, a dense layer."""

        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(12, eps=1e-10, momentum=0.2)
            self.noisy, self.thinned = nn.Dropout(0.4), nn.Dropout(0.5)
            self.lstm, self.scores = nn.LSTM(12, 64), nn.Linear(64, 9)

        def forward(self, frames: Any, lengths: Any) -> Any:
            valid = torch.arange(len(frames))[:, None] < lengths
            scaled = torch.zeros_like(frames)
            scaled[valid] = self.norm(frames[valid])
            noisy = self.noisy(scaled)
            if options.packed:
                packed, _ = self.lstm(pack_padded_sequence(noisy, lengths, enforce_sorted=False))
                hidden, _ = pad_packed_sequence(packed)
            else:
                hidden, _ = self.lstm(noisy)
            last = hidden[lengths - 1, torch.arange(len(lengths))]
            return self.scores(self.thinned(last))

    torch.manual_seed(0)
    model = Speakers()
    tensors = [torch.tensor(np.asarray(sequence), dtype=torch.float32) for sequence in sequences]
    targets = torch.tensor(np.asarray(labels))
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.05, fused=options.fused)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

    def epoch() -> float:
        model.train()
        total, correct = 0.0, 0
        for rows in torch.randperm(len(tensors)).split(10):
            frames = pad_sequence([tensors[i] for i in rows])
            lengths = torch.tensor([len(tensors[i]) for i in rows])
            target = targets[rows]
            optimizer.zero_grad()
            scores = model(frames, lengths)
            loss = criterion(scores, target)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(rows)
            correct += int((scores.argmax(1) == target).sum())
        schedule.step()
        return total / len(tensors)

    return epoch


if __name__ == "__main__":
    main()
