"""Running a sweep: which run is trained next, what its results mean, and what is written after each trial."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphnet.core.errors import StateError
from graphnet.io import atomic
from graphnet.io.sweep_files import RESULTS
from graphnet.sweeps.executor import Ended, Executor
from graphnet.sweeps.folder import SweepFolder
from graphnet.sweeps.picture import PICTURE, picture
from graphnet.sweeps.results import SweepResult, TrialResult, encoded, run_name, state_of
from graphnet.sweeps.study import ERROR, Study, results_of
from graphnet.sweeps.table import short_names, shown_value
from graphnet.sweeps.task import Task

CSV = "results.csv"
#: How many times a run whose process has ended by itself goes on in another one.
RESTARTS = 3
#: Called with a line about each trial that has ended.
Shown = Callable[[str], None]


@dataclass
class _Trial:
    """A trial that is not over: the runs that wait, and the results of those that have ended."""

    number: int
    values: dict[str, Any]
    waiting: list[int]
    done: dict[int, dict[str, Any]]
    restarts: int = 0


class Runner:
    """Trains the trials of a sweep until there are as many as it is to have.

    Parameters
    ----------
    folder : SweepFolder
    study : Study
    executor : Executor
    interrupted : callable
        Once it returns True, the runs end after a checkpoint, and the sweep stops.
    shown : callable
        Is called with a line about each trial that has ended.
    allow : tuple of str
        What may differ in runs that go on.
    """

    def __init__(
        self,
        folder: SweepFolder,
        study: Study,
        executor: Executor,
        *,
        interrupted: Callable[[], bool] = lambda: False,
        shown: Shown = lambda line: None,
        allow: tuple[str, ...] = (),
    ) -> None:
        self.folder, self.study, self.executor = folder, study, executor
        self.sweep = study.sweep
        self.interrupted, self.shown, self.allow = interrupted, shown, allow
        self.runs = self._runs()
        self.active = {trial.number: self._taken_up(trial) for trial in study.running()}
        self.under_way: set[tuple[int, int]] = set()
        self.stopping = False
        self.refusal: str | None = None

    def _runs(self) -> list[tuple[int | None, dict[str, int] | None]]:
        """The seed and the fold of each run of a trial."""
        repeat = self.sweep.repeat
        if repeat is None:
            return [(None, None)]
        folds = range(repeat.folds) if repeat.folds is not None else [None]
        return [
            (
                seed,
                None
                if fold is None
                else {"fold": fold, "folds": repeat.folds, "fold_seed": _fold_seed(seed, self.sweep)},
            )
            for seed in (repeat.seeds or (None,))
            for fold in folds
        ]

    def _taken_up(self, trial: Any) -> _Trial:
        """A trial that was under way when the sweep was stopped or killed."""
        done = results_of(trial)
        waiting = [run for run in range(len(self.runs)) if run not in done]
        return _Trial(trial.number, self.study.values(trial), waiting, done)

    # ------------------------------------------------------------------ the loop
    def run(self) -> SweepResult:
        """Train all trials that are not over.

        Raises
        ------
        StateError
            If more trials have failed than may; if a run cannot go on.
        FileError
            If something cannot be written.
        """
        self.write("running")
        for number in sorted(self.active):  # a trial whose runs had all ended
            self._conclude(self.active[number])
        try:
            while self._fill() or self.under_way:
                for each in self.executor.wait(self._decide):
                    self._handle(each)
                if self.interrupted() and not self.stopping:
                    self._stop()
        finally:
            self.executor.close()
        result = self.write()
        if self.refusal is None and result.state != "finished" and self._too_many_failures():
            self.refusal = f"{self._failures()} trials have failed, as many as may (max_failures)"
        if self.refusal is not None:
            raise StateError(self.refusal, where=str(self.folder.path))
        return result

    def _fill(self) -> bool:
        """Submit runs while there is room; returns whether any was submitted."""
        submitted = False
        while not self.stopping and len(self.under_way) < self.executor.slots:
            trial = next((each for number, each in sorted(self.active.items()) if each.waiting), None)
            if trial is None:
                if len(self.study.trials()) >= self.study.wanted or self._too_many_failures():
                    break
                trial = self._taken_up(self.study.begin())
                self.active[trial.number] = trial
            run = trial.waiting.pop(0)
            self.under_way.add((trial.number, run))
            self.executor.submit(self._task(trial, run))
            submitted = True
        return submitted

    def _task(self, trial: _Trial, run: int) -> Task:
        seed, fold = self.runs[run]
        file, base = self.folder.file, self.folder.template
        return Task(
            trial.number,
            run,
            str((self.folder.path / self._name(trial.number, run)).absolute()),
            {"text": file.text, "source": file.tree.place.source, "folder": str(file.folder.absolute())},
            {"text": base.text, "source": base.source, "folder": str(base.folder.absolute()), "name": base.name},
            trial.values,
            seed,
            fold,
            getattr(self.executor, "threads", self.sweep.threads),
            None if self.sweep.pruning is None else self.sweep.objective.metric,
            self.sweep.timeout,
            self.allow,
        )

    def _name(self, number: int, run: int) -> str:
        """The name of the folder of a run."""
        seed, fold = self.runs[run]
        name = f"trial-{number:03d}"
        name += "" if seed is None else f"-seed-{seed}"
        return name + ("" if fold is None else f"-fold-{fold['fold']}")

    def _decide(self, number: int, epoch: int, value: float | None) -> bool:
        return self.study.report(number, epoch, value)

    def _stop(self) -> None:
        self.stopping = True
        self.executor.stop()

    # ------------------------------------------------------------------ results
    def _handle(self, each: Ended) -> None:
        trial, run, result = self.active.get(each.task.trial), each.task.run, each.result
        self.under_way.discard((each.task.trial, run))
        if trial is None:  # it has failed meanwhile by another of its runs
            return
        status = result["status"]
        if status == "stopped" or (status == "lost" and self.stopping):
            trial.waiting.append(run)
            if not self.stopping:  # by a KeyboardInterrupt in the run itself
                self._stop()
        elif status == "lost" and trial.restarts < RESTARTS:
            trial.restarts += 1
            trial.waiting.insert(0, run)
            self.shown(f"trial {trial.number}: {result['error']}; it goes on from its last checkpoint")
        elif status == "refused":
            trial.waiting.append(run)
            self.refusal = self.refusal or f"trial {trial.number} cannot go on: {result['error']}"
            self._stop()
        elif status == "ended":
            self._ended(trial, run, result)
        else:
            late = f"stopped after {self.sweep.timeout:g} s (timeout)" if status == "timeout" else result["error"]
            self._fail(trial, str(late))

    def _ended(self, trial: _Trial, run: int, result: Mapping[str, Any]) -> None:
        found = _found(result["summary"], self.sweep.objective.metric)
        seed, fold = self.runs[run]
        about = {"path": self._name(trial.number, run), "seed": seed, "fold": fold and fold["fold"]}
        found = {**about, **found, "warnings": list(result.get("warnings", ()))}
        if found["value"] is None:
            self._fail(trial, f"{self.sweep.objective.metric} is not a finite number, or there is none")
            return
        trial.done[run] = found
        self.study.record(trial.number, run, found)
        if len(self.runs) > 1:
            words = f"{self.sweep.objective.metric} {found['value']:.5g}  {found['seconds']:.1f} s"
            self.shown(f"trial {trial.number}, {run_name(found)}: {words}")
        self._conclude(trial)

    def _conclude(self, trial: _Trial) -> None:
        """End a trial whose runs have all ended."""
        if len(trial.done) < len(self.runs):
            return
        values = [trial.done[run]["value"] for run in sorted(trial.done)]
        del self.active[trial.number]
        self.study.end(trial.number, statistics.fmean(values))
        self._show(self.write("running"), trial.number)

    def _fail(self, trial: _Trial, error: str) -> None:
        del self.active[trial.number]
        self.study.fail(trial.number, error)
        self._show(self.write("running"), trial.number)
        if self._too_many_failures() and not self.stopping:
            self.refusal = f"{self._failures()} trials have failed; the last one: {error}"
            self._stop()

    def _too_many_failures(self) -> bool:
        return self.sweep.max_failures is not None and self._failures() >= self.sweep.max_failures

    def _failures(self) -> int:
        return sum(trial.state.name == "FAIL" for trial in self.study.trials())

    def _trials(self) -> list[TrialResult]:
        states = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}
        results = []
        for trial in self.study.trials():
            runs = [run for _, run in sorted(results_of(trial).items())]
            state = states.get(trial.state.name, "unfinished")
            results.append(
                TrialResult.of(trial.number, state, self.study.values(trial), runs, trial.user_attrs.get(ERROR))
            )
        return results

    def write(self, state: str | None = None) -> SweepResult:
        """Write the results so far; at the end (without ``state``) also the picture.

        Raises
        ------
        FileError
            If that is not possible.
        """
        trials, path, objective = self._trials(), self.folder.path, self.sweep.objective.metric
        direction, wanted = self.folder.facts["direction"], self.study.wanted
        self.folder.lock.check()
        result = SweepResult(path, objective, direction, wanted, state or state_of(trials, wanted), trials)
        atomic.write(path / RESULTS, encoded(result))
        atomic.write(path / CSV, result.to_csv().encode())
        image = picture(result) if state is None else None
        if image is not None:
            atomic.write(path / PICTURE, image)
        return result

    def _show(self, result: SweepResult, number: int) -> None:
        trial, best = result.trials[number], result.best
        done = sum(each.state != "unfinished" for each in result.trials)
        words = f"{result.objective} {trial.value:.5g}" if trial.value is not None else str(trial.error)
        words += "" if trial.deviation is None else f" ± {trial.deviation:.2g}"
        if best is not None and best.value is not None and result.wanted > 1:
            words += f"  (best {best.value:.5g}, trial {best.number})"
        names = short_names(list(trial.parameters))
        values = "  ".join(f"{n} {shown_value(v)}" for n, v in zip(names, trial.parameters.values(), strict=True))
        parts = (f"{done}/{result.wanted}  trial {number} {trial.state}", words, values, f"{trial.seconds:.1f} s")
        self.shown("  ".join(part for part in parts if part))


def _fold_seed(seed: int | None, sweep: Any) -> int:
    return int(sweep.seed if seed is None else seed)


def _found(summary: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """The figures of a run, by the names that an objective has, and its objective; None where there is none."""
    best = summary.get("best") or {}
    others = ("epoch", "examples", "best", "seconds", "learning_rate", "gradient_norm", "skipped_batches")
    figures = {name: value for name, value in best.items() if name not in others}
    kept = "held_out" if metric.startswith("held_out_") else "test"
    figures |= {f"{kept}_{name}": value for name, value in (summary.get("test") or {}).items()}
    known = {name: float(value) for name, value in figures.items() if isinstance(value, (int, float))}
    return {
        "value": known.get(metric),
        "figures": known,
        "epochs": int(summary.get("epochs", 0)),
        "best_epoch": int(summary.get("best_epoch", 0)),
        "seconds": float(summary.get("seconds", 0.0)),
    }
