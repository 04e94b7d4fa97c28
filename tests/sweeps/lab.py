"""Real sweeps that are killed and go on, compared with one that was not."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from graphnet.sweeps.results import results
from graphnet.sweeps.settings import Sweep

MODEL = """\
format: graphnet/1
name: small
inputs:
  x: batch, feature=5
nodes:
  hidden: {layer: FullyConnected, with: {input_size: 5, output_size: 8}, inputs: x}
  thinned: {layer: Dropout, with: {probability: 0.8}, inputs: hidden}
  scores: {layer: FullyConnected, with: {input_size: 8, output_size: 3}, inputs: thinned}
outputs: {scores: scores}
training:
  data: data.npz
  optimizer: Adam
  metrics: [Accuracy]
  epochs: 6
  batch_size: 16
  validation: 0.25
  checkpoint_steps: 1
  backend: numpy
"""
PARAMETERS = {
    "training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "training.batch_size": [8, 16, 32],
    "units": {"low": 4, "high": 16, "paths": ["hidden.output_size", "scores.input_size"]},
}
#: Seconds after which a sweep that does not end is a fault.
LIMIT = 300.0


def files(folder, epochs=6, examples=160):
    """Write a model file and its data; returns the path of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    x, weights = rng.normal(size=(examples, 5)).astype("f4"), rng.normal(size=(5, 3))
    target = (x @ weights + 0.5 * rng.normal(size=(examples, 3))).argmax(1)
    half = examples * 3 // 4
    np.savez(
        folder / "data.npz", train_x=x[:half], train_target=target[:half], test_x=x[half:], test_target=target[half:]
    )
    (folder / "model.yaml").write_text(MODEL.replace("epochs: 6", f"epochs: {epochs}"))
    return folder / "model.yaml"


def sweep(model, **settings):
    """A random search over the model."""
    return Sweep(model, **{"parameters": PARAMETERS, "trials": 8, **settings})


def write(path, spec):
    """Write a sweep as a file: JSON is YAML."""
    path.write_text(json.dumps(spec.values()))
    return path


def summary(folder):
    """What must be equal: parameters, results, and the weights of every run to the bit."""
    found = {}
    for trial in results(folder).trials:
        weights = [(folder / run["path"] / "weights.safetensors").read_bytes() for run in trial.runs]
        runs = [{name: value for name, value in run.items() if name != "seconds"} for run in trial.runs]
        found[trial.number] = (trial.state, trial.parameters, trial.value, trial.error, runs, weights)
    return found


def endings(folder):
    """How many times each trial has ended, by the journal."""
    count = {}
    for line in (folder / "study.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["op_code"] == 6 and entry["state"] != 0:  # SET_TRIAL_STATE_VALUES
            count[entry["trial_id"]] = count.get(entry["trial_id"], 0) + 1
    return count


def written(folder):
    """The files with the weights of trials that have ended, as they were written."""
    with contextlib.suppress(Exception):
        paths = [folder / run["path"] for trial in results(folder).trials for run in trial.runs]
        return {path: (path / "weights.safetensors").stat().st_mtime_ns for path in paths}
    return {}


def start(*arguments, cwd):
    """Start ``graphnet sweep`` in a session of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "graphnet", "sweep", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def children(pid):
    """The processes that a process has started, in any of its threads; none if it has ended."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in path.read_text().split()]
    return found


def descendants(pid):
    """The processes that a process has started, and those that they have started."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def trainers(pid):
    """The processes of a sweep that train: its children, or actors of the Ray that it has started."""
    found = []
    for each in descendants(pid):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{each}/cmdline").read_bytes()
            if command.startswith(b"ray::TrialWorker") or b"graphnet.sweeps.worker" in command:
                found.append(each)
    return found


def wait_for(folder, count, process, rng):
    """Wait until as many trials have ended, and a random moment longer; False if the sweep has ended by then."""
    end = time.monotonic() + LIMIT
    while process.poll() is None and time.monotonic() < end:
        done = 0
        with contextlib.suppress(Exception):
            done = sum(trial.state != "unfinished" for trial in results(folder).trials)
        if done >= count and len(list(folder.glob("trial-*"))) > done:
            time.sleep(rng.random() * 0.15)
            return process.poll() is None
        time.sleep(0.005)
    return False


def kill(process, kind, rng):
    """Kill a sweep in one of several ways; returns whether it must be resumed."""
    workers = descendants(process.pid)
    if kind == "worker":
        training = trainers(process.pid)
        if training:
            os.kill(rng.choice(training), signal.SIGKILL)
        return False
    if kind == "interrupt":
        process.send_signal(signal.SIGINT)
    else:
        process.kill()
        if kind == "tree":
            for worker in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
    return True


def search(root, trials=30, kills=3, jobs=1, seed=0, search="random", kinds=("tree", "sweep", "interrupt", "worker"),
           shown=print, executor=None, **settings):  # fmt: skip
    """Run a sweep once undisturbed, in processes here, and once killed; returns the faults that were found."""
    on = [] if executor is None else ["--on", executor]
    rng = random.Random(seed)
    model = files(root)
    spec = write(root / "sweep.yaml", sweep(model, trials=trials, search=search, jobs=jobs, seed=seed, **settings))
    whole, killed = root / "whole", root / "killed"
    process = start(spec, "--output", whole, cwd=root)
    out, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, out.decode()
    counts = sorted(rng.sample(range(trials), kills))
    process, before, done = start(spec, "--output", killed, *on, cwd=root), {}, 0
    for number, count in enumerate(counts):
        if not wait_for(killed, count, process, rng):
            break
        kind = kinds[number % len(kinds)]
        before |= {path: when for path, when in written(killed).items() if path not in before}
        resumed = kill(process, kind, rng)
        done += 1
        shown(f"kill {done} ({kind}), after {len(before)} runs had ended")
        if resumed:
            out, _ = process.communicate(timeout=LIMIT)
            process = start("--resume", killed, *on, cwd=root)
    out, _ = process.communicate(timeout=LIMIT)
    return faults(whole, killed, trials, before, process.returncode, out, done, kills)


def faults(whole, killed, trials, before, status, out, done, kills):
    """What is wrong with a sweep that was killed."""
    found = [] if status == 0 else [f"the sweep ended with status {status}: {out.decode()}"]
    if done < kills:
        found.append(f"only {done} of {kills} kills")
    result = results(killed)
    if [trial.number for trial in result.trials] != list(range(trials)) or result.state != "finished":
        found.append(f"{len(result.trials)} trials, {result.state}")
    twice = {number: count for number, count in endings(killed).items() if count != 1}
    if twice or len(endings(killed)) != trials:
        found.append(f"trials that have not ended once: {twice}")
    if len(list(killed.glob("trial-*"))) != sum(len(trial.runs) for trial in result.trials):
        found.append("other folders of runs than results")
    again = [str(path) for path, when in before.items() if written(killed).get(path) != when]
    if again:
        found.append(f"trained again: {again}")
    expected, received = summary(whole), summary(killed)
    found += [f"trial {n} differs" for n in expected if expected[n] != received.get(n)]
    return found
