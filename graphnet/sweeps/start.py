"""Starting a sweep, and going on with one."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from graphnet.core import checks
from graphnet.core.arguments import explained
from graphnet.core.errors import ConfigError, unknown
from graphnet.io.model_file import default_name, read_text
from graphnet.io.run_folder import RunFolder
from graphnet.models.data_paths import folder_of
from graphnet.models.train_file import TrainingJob, prepare_model
from graphnet.plugins import manager
from graphnet.plugins.hookspecs import KINDS
from graphnet.plugins.registry import LOCAL
from graphnet.sweeps.executor import Executor, InProcess
from graphnet.sweeps.executor_lookup import given_executor
from graphnet.sweeps.file import SweepFile, Template, check_values
from graphnet.sweeps.folder import SweepFolder, model_source
from graphnet.sweeps.pool import Pool
from graphnet.sweeps.results import SweepResult
from graphnet.sweeps.runner import Runner, Shown
from graphnet.sweeps.settings import Sweep
from graphnet.sweeps.study import Study, require_optuna
from graphnet.training.fingerprint import checked_names

Interrupted = Callable[[], bool]


@explained
def sweep(
    path: str | os.PathLike[str] | Sweep,
    *,
    output: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    jobs: int | None = None,
    trials: int | None = None,
    shown: Shown | None = print,
    interrupted: Interrupted = lambda: False,
    executor: Executor | str | None = None,
    address: str | None = None,
) -> SweepResult:
    """Run a sweep: train the trials of a SWEEP.yaml, or of a :class:`Sweep`.

    Parameters
    ----------
    path : path or Sweep
    output : path, optional
        The folder of the sweep, missing or empty. Default: ``RUNS/NAME-sweep-001``, or the next free number.
    runs : path
        The parent of the numbered folders.
    jobs, trials : int, optional
        Replace those of the sweep.
    shown : callable or None
        Is called with a line about each trial that has ended.
    interrupted : callable
        Once it returns True, all runs end after a checkpoint, as at Ctrl-C; see :func:`resume`.
    executor : Executor or str, optional
        Trains in place of the processes of this machine: ``'ray'``, with the plugin ``graphnet-ray``; the name of one
        that another plugin registers; or a :class:`graphnet.sweeps.executor.Executor`.
    address : str, optional
        Where a named executor finds its machines, such as ``'auto'`` or ``'10.0.0.1:6379'`` for Ray. Default: it starts
        what it needs on this machine.

    Returns
    -------
    SweepResult
        ``result.best.parameters``; ``graphnet.load(result.best_path)`` is the best model.

    Raises
    ------
    PluginError
        If Optuna is not installed: ``pip install optuna``; or no plugin has the executor.
    GraphnetError
        With file, line and key, before anything is written, if the sweep, the model or the data are wrong.
    StateError
        If more trials have failed than ``max_failures``.
    """
    require_optuna()
    file = SweepFile.of(path) if isinstance(path, Sweep) else SweepFile.read(checks.path("sweep", path))
    file = _changed(file, jobs=jobs, trials=trials)
    source = model_source(file)
    template = Template(read_text(source, "a model file"), str(source), folder_of(source), default_name(source))
    first, facts = _checked(file, template)
    if isinstance(executor, str) or (executor is None and file.sweep.jobs):
        _refuse_local(first)
    template = replace(template, name=first.trainer.graph.name)
    with given_executor(executor, file.sweep, address) as found:
        folder = SweepFolder.create(file, template, facts, None if output is None else Path(output), Path(runs))
        return _run(folder, shown, interrupted, found)


@explained
def resume(
    path: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    trials: int | None = None,
    allow: Iterable[str] = (),
    max_failures: int | None = None,
    shown: Shown | None = print,
    interrupted: Interrupted = lambda: False,
    executor: Executor | str | None = None,
    address: str | None = None,
) -> SweepResult:
    """Go on with a sweep that was stopped or killed.

    A trial that was under way keeps its number and its parameters, and its run goes on from its last checkpoint; one
    that has ended is not trained again.

    Parameters
    ----------
    path : path
        The folder of the sweep.
    trials : int, optional
        More trials than it was to have.
    allow : iterable of str
        What may differ in runs that go on; see :meth:`graphnet.Trainer.resume`.
    jobs, max_failures, shown, interrupted, executor, address
        See :func:`sweep` and :class:`Sweep`.

    Raises
    ------
    FileError
        If it is not the folder of a sweep, or another process is writing to it.
    StateError
        If a run cannot go on, or more trials have failed than may.
    """
    require_optuna()
    names = tuple(sorted(checked_names(allow)))
    folder = SweepFolder.open(checks.path("resume", path))
    try:
        folder.file = _changed(folder.file, jobs=jobs, max_failures=max_failures)
        with given_executor(executor, folder.file.sweep, address) as found:
            return _run(folder, shown, interrupted, found, names, trials)
    finally:
        folder.lock.release()


def _changed(file: SweepFile, **values: Any) -> SweepFile:
    """The file with other settings than those in it."""
    given = {name: value for name, value in values.items() if value is not None}
    return replace(file, sweep=replace(file.sweep, **given)) if given else file


def _run(
    folder: SweepFolder,
    shown: Shown | None,
    interrupted: Interrupted,
    executor: Executor | None,
    allow: tuple[str, ...] = (),
    trials: int | None = None,
) -> SweepResult:
    sweep = folder.file.sweep
    try:
        study = Study(folder.journal(), sweep, folder.facts["direction"], folder.facts["epochs"])
        _want(study, sweep, trials)
        say = shown or (lambda line: None)
        with _interruptible(interrupted) as stops:
            if executor is None:
                executor = Pool(sweep.jobs, sweep.threads) if sweep.jobs else InProcess(stops)
            return Runner(folder, study, executor, interrupted=stops, shown=say, allow=allow).run()
    finally:
        folder.lock.release()


@contextmanager
def _interruptible(interrupted: Interrupted) -> Iterator[Interrupted]:
    """Let the first Ctrl-C inside the block end all runs after a checkpoint; the second one is a KeyboardInterrupt.

    Only where nobody else handles the signal: not in the command line, and not in a thread.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupted
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(received) or interrupted()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _want(study: Study, sweep: Sweep, trials: int | None) -> None:
    """Set the number of trials: that of the sweep at its beginning, or another one when it goes on."""
    wanted = (sweep.trials or 1) if not study.trials() and trials is None else trials
    if wanted is None or wanted == study.wanted:
        return
    if wanted < len(study.trials()):
        raise ConfigError("a sweep that goes on cannot have fewer trials", where="resume",
                          expected=f"at least {len(study.trials())}", received=wanted)  # fmt: skip
    replace(sweep, trials=wanted)  # more than a grid has are refused
    study.want(wanted)


def _checked(file: SweepFile, template: Template) -> tuple[TrainingJob, dict[str, Any]]:
    """Check all that can be checked before the first trial; returns the first one, and the facts of the sweep."""
    sweep = file.sweep
    values = {name: _first(parameter) for name, parameter in sweep.parameters.items()}
    repeat = sweep.repeat
    seed = repeat.seeds[0] if repeat is not None and repeat.seeds else None
    fold = {"fold": 0, "folds": repeat.folds} if repeat is not None and repeat.folds is not None else None
    check_values(file, template, values)
    model = template.model(file, values, seed, fold)
    job = prepare_model(model, template.folder, folder=RunFolder())
    direction = _direction(file, job)
    facts = {"objective": sweep.objective.metric, "direction": direction, "epochs": job.trainer.config.epochs}
    return job, {**facts, "wanted": sweep.trials}


def _refuse_local(job: TrainingJob) -> None:
    """Refuse classes that other processes do not have.

    Raises
    ------
    ConfigError
    """
    config = job.trainer.config
    things = [layer for _, layer in job.trainer.graph.walk()]
    for field in (getattr(config, each.name) for each in dataclasses.fields(config)):
        things += field if isinstance(field, tuple) else field.values() if isinstance(field, Mapping) else [field]
    registry = manager().registry
    local = {entry.object for kind in KINDS for entry in registry.entries(kind) if entry.distribution == LOCAL}
    found = next((type(thing).__name__ for thing in things if type(thing) in local), None)
    if found is not None:
        raise ConfigError(f"{found} exists in this process only", where="sweep", expected="jobs: 0, or a plugin",
                          remedy="Train in this process, by jobs=0; or write a plugin (docs/plugins.md).")  # fmt: skip


def _first(parameter: Any) -> Any:
    values = parameter.domain.values
    return values[0] if values else parameter.domain.low


def _direction(file: SweepFile, job: TrainingJob) -> str:
    """The direction of the objective, which must be a figure of the runs.

    Raises
    ------
    ConfigError
        With the place in the file of the sweep.
    """
    objective = file.sweep.objective
    where = str(file.place("objective", "metric"))
    metrics = {metric.name: metric for metric in job.trainer.config.metrics}
    figures = ["loss", *metrics]
    validates = bool(job.data.validation is not None and len(job.data.validation)) or job.trainer.config.validation > 0
    held_out = file.sweep.repeat is not None and file.sweep.repeat.folds is not None
    prefixes = ["", *(["validation_"] if validates else [])]
    if len(job.data.test):
        prefixes.append("held_out_" if held_out else "test_")
    known = [f"{prefix}{name}" for prefix in prefixes for name in figures]
    if objective.metric not in known:
        remedy = None
        if objective.metric.startswith("validation_") and not validates:
            remedy = (
                "Set training.validation in the model file, the share of the examples that is held out; or repeat: "
            )
            remedy += "{folds: 5}."
        raise _no_figure(objective.metric, known, where, remedy)
    if file.sweep.pruning is not None and objective.metric.startswith(("test_", "held_out_")):
        raise _no_figure(objective.metric, known, where, "Pruning needs a figure of each epoch.")
    if objective.direction is not None:
        return str(objective.direction)
    name = next(name for name in figures if objective.metric in (name, *(f"{prefix}{name}" for prefix in prefixes)))
    return "maximize" if name in metrics and metrics[name].higher_is_better else "minimize"


def _no_figure(metric: str, known: list[str], where: str, remedy: str | None) -> ConfigError:
    error = unknown("figure", metric, known, where=where, remedy=remedy, error=ConfigError,
                    problem=f"the runs have no figure {metric!r}")  # fmt: skip
    error.remedy = remedy or error.remedy
    return error
