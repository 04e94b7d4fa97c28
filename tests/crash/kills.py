"""Real trainings that are killed at random moments, with SIGKILL, and go on until they end.

Each is a process forked from this one, which has imported everything, so that a kill costs a tenth of a second; some are
processes of their own, started as a user starts them.
"""

import contextlib
import csv
import io
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

import graphnet
from graphnet import Trainer
from graphnet.cli.group import main
from graphnet.io import checkpoint_writer
from graphnet.io.checkpoint import Checkpoint, entries
from graphnet.io.checkpoint_store import newest
from graphnet.io.checkpoint_writer import CheckpointWriter
from graphnet.io.run_folder import RunFolder

from . import kinds

with contextlib.suppress(ImportError):  # imported once, not in every forked process
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401
#: Seconds after which a process that does not end is a fault.
LIMIT = 300.0
#: Seconds that a process of its own takes to import everything.
STARTING = 2.0


def results(path):
    """All that a run leaves, without durations."""
    summary = json.loads((path / "summary.json").read_text())
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    for record in (summary, summary["best"], *lines):
        record.pop("seconds", None)
    last = Checkpoint.read(entries(path)[0].path)
    arrays = {  # without Python's own generators, which are not seeded and differ from process to process
        (part, name): (array.dtype, array.shape, array.tobytes())
        for part, by_name in last.snapshot().arrays.items()
        for name, array in by_name.items()
        if not name.startswith(("generator of python", "generator of numpy"))
    }
    files = {name: (path / name).read_bytes() for name in ("weights.safetensors", "state.safetensors", "model.yaml")
             if (path / name).exists()}  # fmt: skip
    return {"summary": summary, "metrics": lines, "last": (last.path.name, arrays), **files, **_of_callbacks(path)}


def _of_callbacks(path):
    """What callbacks have written: a table without its durations, and the weights and models of the best epochs."""
    found = {}
    for table in path.glob("log/*"):
        rows = list(csv.DictReader(io.StringIO(table.read_text())))
        found[table.name] = [{**row, "seconds": bool(float(row["seconds"]))} for row in rows]
    for file in sorted(path.glob("best/*/*")) + sorted(path.glob("best/.*")):
        if file.name not in ("history.json", "manifest.json", "versions.json"):
            found[file.relative_to(path).as_posix()] = file.read_bytes()
    return found


class Subject:
    """One training, which may be killed and goes on.

    Parameters
    ----------
    kind : str
    mode : str
        ``python``, ``command`` (the command line in a forked process) or ``process`` (a process of its own).
    folder : Path
        Holds the model file, the data and the run.
    """

    def __init__(self, kind, mode, folder):
        self.kind, self.mode, self.folder = kind, mode, folder
        self.run = folder / "run"
        self.saved = (0, 0)
        if mode != "python":
            kinds.write_files(kind, folder)

    def start(self):
        """Begin or go on; returns the process id, and the descriptor that reports what was saved."""
        goes_on = bool(entries(self.run))
        if self.mode == "process":
            return self._process(goes_on), None
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._child(goes_on, writing)
        os.close(writing)
        return pid, reading

    def _arguments(self, goes_on):
        return ["train", "--resume", "run"] if goes_on else ["train", "model.yaml", "--output", "run"]

    def _process(self, goes_on):
        command = [sys.executable, "-m", "graphnet", *self._arguments(goes_on)]
        with open(self.folder / "log", "ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        process.returncode = 0  # it is waited for by its number
        return process.pid

    def _child(self, goes_on, writing):
        """What a forked process does; it reports each checkpoint when it is on the disk."""
        record = CheckpointWriter.record

        def reported(writer, snapshot):
            record(writer, snapshot)
            os.write(writing, f"{snapshot.epoch} {snapshot.step}\n".encode())

        CheckpointWriter.record = reported
        checkpoint_writer.SHARE = 1.0  # more checkpoints, more moments
        code = 1
        graphnet.seed(0)
        warnings.simplefilter("default")
        try:
            with open(self.folder / "log", "ab", buffering=0) as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            os.chdir(self.folder)
            if self.mode == "command":
                code = main.main(self._arguments(goes_on), standalone_mode=False) or 0
            else:
                self._train(goes_on)
                code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _train(self, goes_on):
        if goes_on:
            trainer = Trainer.resume("run")
        else:
            trainer = Trainer(kinds.graph(self.kind), kinds.config(self.kind), callbacks=[RunFolder(Path("run"))])
        trainer.fit(*kinds.data(self.kind))

    def until(self, seconds):
        """Let it go on for some time, then kill it; returns whether it had ended before."""
        pid, reports = self.start()
        try:
            ended = _wait(pid, time.monotonic() + seconds)
            if not ended:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        finally:
            if reports is not None:
                self._read(reports)
        return ended

    def _read(self, reports):
        with open(reports, "rb") as file:
            for line in file.read().decode().splitlines():
                self.saved = max(self.saved, tuple(map(int, line.split())))

    def check(self):
        """The folder opens at a whole checkpoint, not older than the last that was reported; or there is none yet."""
        if not self.run.exists():
            assert self.saved == (0, 0)
            return
        found = newest(self.run)
        assert found is not None, "no checkpoint"
        facts = found.manifest.facts
        assert (facts["epoch"], facts["step"]) >= self.saved, (facts["epoch"], facts["step"], self.saved)
        graphnet.load(self.run)


def _wait(pid, end):
    """Wait for a process until a time; returns whether it has ended, without an error."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            assert os.waitstatus_to_exitcode(status) == 0, f"exit status {os.waitstatus_to_exitcode(status)}"
            return True
        if time.monotonic() >= end:
            return False
        select.select([], [], [], 0.002)


def compared(kind, mode, root):
    """The results of a training that is not killed, and the seconds that it takes."""
    folder = root / f"{kind}-{mode}-whole"
    folder.mkdir(parents=True)
    subject = Subject(kind, mode, folder)
    begin = time.monotonic()
    assert subject.until(LIMIT), "the training does not end"
    return results(subject.run), time.monotonic() - begin


def search(number, root, seed, *, modes=("python", "command", "process"), each=6, shown=print):
    """Kill trainings of every kind ``number`` times; returns the faults.

    Parameters
    ----------
    number : int
    root : Path
        Where the runs are; those without a fault are removed.
    seed : int
    modes : tuple of str
    each : int
        The most kills of one run, after which it may end.
    shown : callable
        Is called with a line of text now and then.
    """
    rng = random.Random(seed)
    known, faults, kills, runs = {}, [], 0, 0
    pairs = [(kind, mode) for mode in modes for kind in (kinds.KINDS if mode == "python" else kinds.FROM_FILES)]
    while kills < number:
        kind, mode = pairs[runs % len(pairs)]
        runs += 1
        folder = root / f"{kind}-{mode}-{runs}"
        folder.mkdir(parents=True)
        try:
            own = "python" if mode == "python" else "command"  # a process of its own ends equal to a forked one
            if (kind, own) not in known:
                known[kind, own] = compared(kind, own, root)
            expected, seconds = known[kind, own]
            seconds += STARTING if mode == "process" else 0.0
            subject, ended = Subject(kind, mode, folder), False
            for _ in range(min(each, number - kills)):
                ended = subject.until(rng.uniform(0, seconds))
                kills += not ended
                subject.check()
                if ended:
                    break
            if not ended:
                assert subject.until(LIMIT), "the run does not end"
                subject.check()
            found = results(subject.run)
            for name, value in expected.items():
                assert found[name] == value, f"{name} differs"
            shutil.rmtree(folder)
        except Exception as error:
            faults.append(f"{folder}: {type(error).__name__}: {error}")
            shown(faults[-1])
        if runs % 20 == 0:
            shown(f"{kills} kills of {runs} runs, {len(faults)} faults")
    return faults, kills, runs
