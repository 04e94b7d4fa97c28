"""Faults at random moments of trainings on Ray: killed and stopped processes, and nodes that are cut off.

    python -m ray_faults --kills 50 --stops 20 --partitions 10        (make ray-faults does this)

Each training is a process of its own, with a limit of time; its final weights must be those of a training without
faults, up to the order of sums. A killed or stopped process is one of two others on this machine. For partitions, two
nodes in network namespaces belong to a cluster whose head is outside of them, and the cable of one is pulled out for
some seconds, or for good; that needs root and the command ip. The exit code is 1 if a training hangs, fails or ends
with other weights.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import namespaces
from training_runs import Recorded, train, weights

from graphnet.callbacks import Callback

#: Faults of one training, and the seconds in which each of them must be over.
FAULTS, LIMIT = {"kill": 25, "stop": 10, "partition": 5}, 90.0
#: Seconds between two faults, and those for which a node is cut off.
BETWEEN = {"kill": (0.0, 2.0), "stop": (0.0, 4.0), "partition": (1.0, 5.0)}
CUTS = (1.0, 5.0, 10.0, 20.0, 40.0)
#: Seconds of silence after which a rank is dropped.
SILENCE = 3.0


class Saboteur(threading.Thread):
    """Does harm to the other processes of the group at random moments."""

    def __init__(self, kind, count, seed):
        super().__init__(daemon=True)
        self.kind, self.count, self.draw = kind, count, random.Random(seed)
        self.done = []

    def run(self):
        while len(self.done) < self.count:
            time.sleep(self.draw.uniform(*BETWEEN[self.kind]))
            group = Recorded.last
            alive = [] if group is None else [rank for rank, each in group.health().items() if rank and each.alive]
            if alive:
                rank = self.draw.choice(alive)
                process = group.processes().get(rank)
                if process is not None:
                    self.harm(process)

    def harm(self, process):
        if self.kind == "partition":
            node, seconds = self.draw.randrange(namespaces.NODES), self.draw.choice(CUTS)
            self.done.append(f"{seconds:g} s")
            namespaces.cut(node, seconds)
        else:
            self.done.append(process.process)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.process, {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[self.kind])


class Until(Callback):
    """Ends the training some steps after the last fault, and measures its longest step."""

    def __init__(self, saboteur):
        self.saboteur, self.longest, self.last, self.steps = saboteur, 0.0, None, 0

    def on_batch_end(self, *_):
        now = Recorded.last._roster.clock.now
        self.longest = max(self.longest, now - (now if self.last is None else self.last))
        self.last, self.steps = now, self.steps + 1

    def on_epoch_end(self, run, *_):
        run.stopping = not self.saboteur.is_alive()


def one(kind, faults, seed, address):
    """One training with faults; prints what has happened as JSON."""
    saboteur = Saboteur(kind, faults, seed)
    until = Until(saboteur)
    saboteur.start()
    options = {} if address is None else {"address": address}
    begun = time.monotonic()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        trainer = train(3, epochs=10**6, callbacks=[until], group=Recorded, silence=SILENCE, quiet=False, **options)
    seconds = time.monotonic() - begun
    alone = train(epochs=len(trainer.history.epochs))
    expected, found = weights(alone), weights(trainer)
    difference = max(float(abs(found[path] - expected[path]).max()) for path in expected)
    # Later steps may make up for a wrong one, so the loss of every epoch is compared too.
    losses = zip(alone.history.epochs, trainer.history.epochs, strict=True)
    difference = max(difference, *(abs(one.loss - other.loss) for one, other in losses))
    left = sum("has left" in str(each.message) for each in warned)
    joined = sum("has joined" in str(each.message) for each in warned)
    print(json.dumps({"faults": len(saboteur.done), "difference": difference, "seconds": round(seconds),
                      "steps": until.steps, "longest step": round(until.longest, 1), "left": left, "joined": joined}))  # fmt: skip


def attempt(kind, faults, seed):
    """Run one training in a process; returns what it has reported, or what went wrong."""
    command = [sys.executable, "-m", "ray_faults", "--one", kind, "--faults", str(faults), "--seed", str(seed)]
    if kind == "partition":
        command += ["--address", namespaces.start()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT * (1 + faults))
    except subprocess.TimeoutExpired as error:
        return {"problem": f"HANG: no end within {LIMIT * (1 + faults):g} s", "output": str(error.stderr)[-2000:]}
    finally:
        if kind == "partition":
            namespaces.stop()
    try:
        report = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {"problem": f"FAILED with exit code {done.returncode}", "output": done.stderr[-2000:]}
    if not report["difference"] <= 1e-10:
        report["problem"] = f"WRONG: the weights differ by {report['difference']:.1e}"
    return report


def search(kind, count, seed):
    """Train until there were ``count`` faults; returns the reports."""
    reports, faults = [], 0
    while faults < count and len(reports) < 3 * count:
        report = attempt(kind, min(FAULTS[kind], count - faults), seed + len(reports))
        reports.append(report)
        faults += report.get("faults", 0)
        print(f"{kind} {faults}/{count}: {json.dumps(report)}", flush=True)
        if "problem" in report:
            faults += FAULTS[kind]
    return reports


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--partitions", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", choices=sorted(FAULTS), help=argparse.SUPPRESS)
    parser.add_argument("--faults", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.faults, options.seed, options.address)
        return 0
    counts = {"kill": options.kills, "stop": options.stops, "partition": options.partitions}
    if counts["partition"] and (reason := namespaces.unavailable()):
        print(f"partitions are SKIPPED: {reason}")
        counts["partition"] = 0
    wrong = 0
    for kind, count in counts.items():
        reports = search(kind, count, options.seed)
        bad = [report for report in reports if "problem" in report]
        wrong += len(bad)
        good = [report for report in reports if "problem" not in report]
        worst = max((report["difference"] for report in good), default=0.0)
        longest = max((report["longest step"] for report in good), default=0.0)
        print(f"{kind}: {sum(report.get('faults', 0) for report in reports)} faults in {len(reports)} trainings; "
              f"{len(bad)} wrong; {sum(report['left'] for report in good)} left, "
              f"{sum(report['joined'] for report in good)} joined; largest difference {worst:.1e}; "
              f"longest step {longest:.1f} s")  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
