"""The Optuna study of a sweep: its sampler and pruner, and a journal from which all of it can be restored.

The parameters of a trial are drawn by a sampler of its own, seeded by the seed of the sweep and the number of the
trial, and written with the trial in one line: a kill leaves a whole trial or none, and a sweep that goes on draws what
it would have drawn. Only the process that holds the lock of the sweep's folder uses the study.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import itertools
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphnet.core.errors import PluginError
from graphnet.sweeps.journal import Journal
from graphnet.sweeps.parameters import Choices, Parameter
from graphnet.sweeps.settings import Pruning, Sweep

NAME = "sweep"
#: Attributes of trials: the epoch at which one was pruned, the results of its runs, its error.
PRUNED_AT, RUNS, ERROR = "pruned_at", "runs", "error"


def require_optuna() -> Any:
    """The module optuna.

    Raises
    ------
    PluginError
        If it is not installed, or too old.
    """
    try:
        import optuna
        from optuna.storages.journal import BaseJournalBackend  # noqa: F401  # since 4.0
    except ImportError as error:
        installed = None
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed = importlib.metadata.version("optuna")
        raise PluginError(
            "sweeps need Optuna, which cannot be imported",
            expected="the package optuna, 4.2 or newer",
            received=str(error) if installed is None else f"optuna {installed}: {error}",
            remedy="Run: pip install 'optuna>=4.2'",
        ) from error
    return optuna


class Study:
    """The trials of a sweep.

    Parameters
    ----------
    journal : Journal
        Of the sweep so far; an empty one is begun.
    sweep : Sweep
    direction : {'minimize', 'maximize'}
    epochs : int
        Of a whole run, for pruning.

    Raises
    ------
    PluginError
        If Optuna is not installed.
    """

    def __init__(self, journal: Journal, sweep: Sweep, direction: str, epochs: int) -> None:
        self.optuna = require_optuna()
        self.sweep = sweep
        self.distributions = {name: _distribution(self.optuna, each) for name, each in sweep.parameters.items()}
        with _quiet():
            self.storage = self.optuna.storages.JournalStorage(journal)
            if not self.storage.get_all_studies():
                self.storage.create_new_study([self.optuna.study.StudyDirection[direction.upper()]], NAME)
            self.pruner = _pruner(self.optuna, sweep.pruning, epochs)

    # ------------------------------------------------------------------ reading
    def trials(self) -> list[Any]:
        """All trials by number, as Optuna's ``FrozenTrial``."""
        return self.storage.get_all_trials(0, deepcopy=False)  # type: ignore[no-any-return]

    def running(self) -> list[Any]:
        """The trials that have begun and not ended."""
        return [trial for trial in self.trials() if not trial.state.is_finished()]

    def values(self, trial: Any) -> dict[str, Any]:
        """The parameters of a trial, as values for the model file."""
        return {name: self.sweep.parameters[name].value(label) for name, label in trial.params.items()}

    @property
    def wanted(self) -> int:
        """How many trials the sweep is to have."""
        more = self.storage.get_study_user_attrs(0).get("trials")
        return int(more or self.sweep.trials or 1)

    def want(self, trials: int) -> None:
        """Set how many trials the sweep is to have."""
        self.storage.set_study_user_attr(0, "trials", trials)

    # ------------------------------------------------------------------ trials
    def begin(self) -> Any:
        """The next trial: its parameters are drawn, and it is in the journal."""
        number = len(self.trials())
        labels = self.sample(number)
        frozen = self._frozen(number, labels)
        with _quiet():
            self.storage.create_new_trial(0, template_trial=frozen)
        return self.trials()[number]

    def sample(self, number: int) -> dict[str, Any]:
        """The parameters of the trial with a number, after the trials that have ended by now."""
        parameters = list(self.sweep.parameters.values())
        if self.sweep.search == "grid":
            return dict(zip(self.distributions, _grid_point(parameters, number), strict=True))
        seed = int(np.random.SeedSequence([self.sweep.seed, number]).generate_state(1)[0])
        samplers = self.optuna.samplers
        with _quiet():
            if self.sweep.search == "tpe":
                sampler = samplers.TPESampler(seed=seed, multivariate=False, constant_liar=self.sweep.jobs > 1)
            else:
                sampler = samplers.RandomSampler(seed=seed)
            study = self._study(sampler)
            stub = self._frozen(number, {})
            return {
                name: _plain(_single(each) if each.single() else sampler.sample_independent(study, stub, name, each))
                for name, each in self.distributions.items()
            }

    def report(self, number: int, epoch: int, value: float | None) -> bool:
        """Record the objective after an epoch of a running trial; returns whether it goes on.

        A run that goes on from a checkpoint reports epochs again that were decided before.
        """
        trial = self.trials()[number]
        pruned = trial.user_attrs.get(PRUNED_AT)
        if pruned is not None:
            return bool(epoch < pruned)
        if self.pruner is None or value is None or (trial.last_step is not None and epoch < trial.last_step):
            return True
        with _quiet():
            self.storage.set_trial_intermediate_value(trial._trial_id, epoch, value)
            prune = self.pruner.prune(self._study(), self.storage.get_trial(trial._trial_id))
        if prune:
            self.storage.set_trial_user_attr(trial._trial_id, PRUNED_AT, epoch)
        return not prune

    def record(self, number: int, run: int, result: Mapping[str, Any]) -> None:
        """Keep the results of one of the runs of a trial."""
        self.storage.set_trial_user_attr(self._id(number), f"{RUNS}:{run}", dict(result))

    def end(self, number: int, value: float) -> None:
        """A trial has ended with a value: complete, or pruned."""
        state = self.optuna.trial.TrialState
        pruned = self.trials()[number].user_attrs.get(PRUNED_AT) is not None
        self.storage.set_trial_state_values(self._id(number), state.PRUNED if pruned else state.COMPLETE, [value])

    def fail(self, number: int, error: str) -> None:
        """A trial has failed."""
        self.storage.set_trial_user_attr(self._id(number), ERROR, error)
        self.storage.set_trial_state_values(self._id(number), self.optuna.trial.TrialState.FAIL)

    # ------------------------------------------------------------------ inside
    def _id(self, number: int) -> int:
        return int(self.trials()[number]._trial_id)

    def _study(self, sampler: Any = None) -> Any:
        """A new object of the study: Optuna's has a cache of trials."""
        return self.optuna.load_study(study_name=NAME, storage=self.storage, sampler=sampler, pruner=self.pruner)

    def _frozen(self, number: int, labels: Mapping[str, Any]) -> Any:
        return self.optuna.trial.FrozenTrial(
            number=number,
            state=self.optuna.trial.TrialState.RUNNING,
            value=None,
            datetime_start=datetime.datetime.now(),
            datetime_complete=None,
            params=dict(labels),
            distributions={name: self.distributions[name] for name in labels},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=-1,
        )


def results_of(trial: Any) -> dict[int, dict[str, Any]]:
    """The results of the runs of a trial that have ended."""
    found = trial.user_attrs.items()
    return {int(name.partition(":")[2]): result for name, result in found if name.startswith(f"{RUNS}:")}


def _grid_point(parameters: list[Parameter], number: int) -> tuple[Any, ...]:
    """The combination with a number; the last parameter varies fastest."""
    columns = [each.domain.labels if isinstance(each.domain, Choices) else each.domain.values for each in parameters]
    return next(itertools.islice(itertools.product(*(column or () for column in columns)), number, None))


def _distribution(optuna: Any, parameter: Parameter) -> Any:
    domain, kinds = parameter.domain, optuna.distributions
    with _quiet():
        if isinstance(domain, Choices):
            return kinds.CategoricalDistribution(domain.labels)
        high = domain.high if domain.step is None else domain.low + domain.steps(domain.step) * domain.step
        if domain.integer:
            return kinds.IntDistribution(domain.low, high, log=domain.log, step=domain.step or 1)
        return kinds.FloatDistribution(domain.low, high, log=domain.log, step=domain.step)


def _single(distribution: Any) -> Any:
    return distribution.choices[0] if hasattr(distribution, "choices") else distribution.low


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _pruner(optuna: Any, pruning: Pruning | None, epochs: int) -> Any:
    if pruning is None:
        return None
    settings, pruners = pruning.settings, optuna.pruners
    if pruning.name == "median":
        return pruners.MedianPruner(
            n_startup_trials=settings["startup_trials"],
            n_warmup_steps=settings["warmup_epochs"] + 1,  # epochs count from 1
            interval_steps=settings["interval"],
        )
    least, reduction = settings["min_epochs"], settings["reduction"]
    if pruning.name == "hyperband":
        return pruners.HyperbandPruner(min_resource=least, max_resource=max(epochs, least), reduction_factor=reduction)
    return pruners.SuccessiveHalvingPruner(min_resource=least, reduction_factor=reduction)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's messages, and its warnings about what is experimental."""
    logger = logging.getLogger("optuna")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
