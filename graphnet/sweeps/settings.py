"""The settings of a sweep, checked when the record is created; a SWEEP.yaml has the same keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphnet.core.arguments import explain_arguments
from graphnet.core.errors import ConfigError, unknown
from graphnet.sweeps.parameters import MAX_GRID, Parameter, invalid, number_at, plain_value

SEARCHES = ("grid", "random", "tpe")
DIRECTIONS = ("minimize", "maximize")
#: The pruners, with their settings and the defaults of these.
PRUNERS: dict[str, dict[str, int]] = {
    "median": {"startup_trials": 5, "warmup_epochs": 5, "interval": 1},
    "hyperband": {"min_epochs": 1, "reduction": 3},
    "successive_halving": {"min_epochs": 1, "reduction": 4},
}


@dataclass(frozen=True)
class Objective:
    """The figure of a run by which trials are compared; ``direction`` None: as the metric says."""

    metric: str = "validation_loss"
    direction: str | None = None


@dataclass(frozen=True)
class Pruning:
    """Which unpromising trials end early."""

    name: str
    settings: Mapping[str, int]


@dataclass(frozen=True)
class Repeat:
    """The runs of each trial: every seed with every fold."""

    seeds: tuple[int, ...] | None = None
    folds: int | None = None


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep: trainings of one model file with different settings, seeds or folds.

    Parameters
    ----------
    model : str
        The path of the model file, relative to the SWEEP.yaml, or to the working directory.
    data : str or mapping, optional
        Replaces ``training.data`` of the model file; a path is relative as that of the model.
    parameters : mapping of path to range or choices
        What varies. The path is that of a value in the model file, such as ``training.optimizer.learning_rate``,
        ``nodes.lstm.hidden_size`` or ``training.batch_size``. A range is ``{low: 0.001, high: 0.1, log: true}``, with
        ``step`` instead of ``log`` for ``low``, ``low + step``, …; it has integers if both ends are written as
        integers, unless ``integer: false``. Choices are a list, or ``{choices: […]}``. With ``paths: […]`` the key is a
        name, and all these places have the value.
    fixed : mapping of path to value
        What differs from the model file in all trials, such as ``{training.epochs: 20, training.validation: 0.2}``.
    search : {'random', 'grid', 'tpe'}
        ``grid``: every combination once, in the order of the file, the last parameter fastest. ``tpe``: Optuna's
        tree-structured Parzen estimator. With ``jobs`` 1, the trials follow from the seed, also after a kill.
    trials : int, at least 1
        Default: all combinations of a grid; 1 without parameters; else required.
    seed : int, at least 0
        Of the search.
    objective : str, or mapping with ``metric`` and ``direction``
        A figure of each run's best epoch: ``validation_loss``, ``loss`` (of training), or a metric of the model file,
        such as ``validation_accuracy``; ``held_out_loss`` and ``held_out_accuracy`` of the fold that is held out;
        ``test_loss`` and ``test_accuracy``, where nothing is chosen by it. Default: ``validation_loss``, and with folds
        ``held_out_loss``. ``direction`` is ``minimize`` or ``maximize``; default: as the metric says.
    repeat : mapping with ``seeds`` and ``folds``, optional
        Each trial trains several times: with the seeds 0 to ``seeds`` - 1 (or those of a list), and for each of
        ``folds`` parts of the training examples on the others. Its value is the mean.
    pruning : str or mapping, optional
        ``median``, ``hyperband`` or ``successive_halving``, or ``{median: {warmup_epochs: 10}}``: unpromising trials
        end early. Not with ``repeat``.
    jobs : int, at least 0
        Processes that train at the same time; 0: this process.
    threads : int, at least 1, optional
        BLAS threads of each process. Default: the cores divided by ``jobs``.
    timeout : float above 0, optional
        Seconds after which a run is stopped; its trial has failed.
    max_failures : int, at least 1, optional
        Failed trials after which the sweep stops. Default: it goes on.

    Raises
    ------
    ConfigError
        If a value is invalid, or two of them contradict each other.

    Examples
    --------
    >>> rate = {"low": 0.001, "high": 0.1, "log": True}
    >>> Sweep("model.yaml", parameters={"training.optimizer.learning_rate": rate}, trials=20).trials
    20
    >>> sizes = {"batch_size": [8, 16], "nodes.lstm.hidden_size": [32, 64]}
    >>> Sweep("model.yaml", parameters=sizes, search="grid").trials
    4
    """

    model: str | os.PathLike[str]
    data: Any = None
    parameters: Any = field(default_factory=dict)
    fixed: Any = field(default_factory=dict)
    search: str = "random"
    trials: int | None = None
    seed: int = 0
    objective: Any = None
    repeat: Any = None
    pruning: Any = None
    jobs: int = 1
    threads: int | None = None
    timeout: Any = None
    max_failures: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, (str, os.PathLike)) or not os.fspath(self.model):
            raise invalid("not a path", ("model",), "the path of a model file", repr(self.model)[:80])
        if self.data is not None and not isinstance(self.data, (str, Mapping)):
            raise invalid("not data", ("data",), "a name, a path, or a mapping with path", repr(self.data)[:80])
        for name, low in (("seed", 0), ("jobs", 0), ("trials", 1), ("threads", 1), ("max_failures", 1)):
            _check_integer(name, getattr(self, name), low, optional=name not in ("seed", "jobs"))
        if self.timeout is not None:
            self._set(timeout=float(number_at(self.timeout, ("timeout",))))
            if self.timeout <= 0:
                raise invalid("not a time", ("timeout",), "seconds above 0", self.timeout)
        if self.search not in SEARCHES:
            raise unknown("search", self.search, SEARCHES, where="Sweep.search", key_path=("search",),
                          error=ConfigError)  # fmt: skip
        parameters = self.parameters or {}
        if not isinstance(parameters, Mapping):
            raise invalid("not parameters", ("parameters",), "a mapping", repr(parameters)[:80])
        self._set(parameters={name: Parameter.of(str(name), value) for name, value in parameters.items()})
        if not isinstance(self.fixed or {}, Mapping):
            raise invalid("not values", ("fixed",), "a mapping of paths to values", repr(self.fixed)[:80])
        self._set(fixed={str(path): plain_value(value) for path, value in (self.fixed or {}).items()})
        self._set(repeat=_repeat(self.repeat), pruning=_pruning(self.pruning))
        self._set(objective=_objective(self.objective, self.repeat))
        self._set(trials=self._trials())
        self._check_together()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def values(self) -> dict[str, Any]:
        """The settings as plain data, as in a SWEEP.yaml."""
        values: dict[str, Any] = {"model": os.fspath(self.model), "data": self.data, "search": self.search}
        values |= {"trials": self.trials, "seed": self.seed, "objective": _set_fields(self.objective)}
        values["fixed"] = dict(self.fixed) or None
        values["parameters"] = {name: each.values() for name, each in self.parameters.items()} or None
        values["repeat"] = None if self.repeat is None else _set_fields(self.repeat)
        values["pruning"] = None if self.pruning is None else {self.pruning.name: dict(self.pruning.settings)}
        for name in ("jobs", "threads", "timeout", "max_failures"):
            values[name] = getattr(self, name)
        return {name: value for name, value in values.items() if value is not None}

    def _trials(self) -> int:
        """The number of trials."""
        if not self.parameters:
            if self.trials not in (None, 1):
                raise invalid("all trials would be equal", ("trials",), "1, or parameters", self.trials,
                              "To train with several seeds, write repeat: {seeds: N}.")  # fmt: skip
            return 1
        if self.search == "grid":
            size = self._grid_size()
            if self.trials is not None and self.trials > size:
                raise invalid("more trials than the grid has", ("trials",), f"at most {size}", self.trials)
            return self.trials or size
        if self.trials is None:
            raise invalid("the number of trials is missing", ("trials",), "trials: N, or search: grid")
        return self.trials

    def _grid_size(self) -> int:
        size = 1
        for parameter in self.parameters.values():
            values = parameter.domain.values
            if values is None:
                raise invalid("a grid needs finitely many values", ("parameters", parameter.name), "choices, or a step",
                              str(parameter.domain))  # fmt: skip
            size *= len(values)
        if size > MAX_GRID:
            raise invalid("the grid is too large", ("parameters",), f"at most {MAX_GRID} combinations", size)
        return size

    def _check_together(self) -> None:
        if self.pruning is not None and self.repeat is not None:
            raise invalid("trials of several runs are not pruned", ("pruning",), "pruning or repeat", "both")
        seeds = [name for name, each in self.parameters.items() if {"seed", "training.seed"} & set(each.paths)]
        if seeds and self.repeat is not None and self.repeat.seeds is not None:
            raise invalid("the seed is set twice", ("repeat", "seeds"), "a parameter or repeat", seeds[0])
        owner = dict.fromkeys(self.fixed, "fixed")
        for name, each in self.parameters.items():
            for path in each.paths:
                if path in owner:
                    raise invalid("a path is given twice", ("parameters", name), "different paths", path)
                owner[path] = name
        if self.objective.metric.startswith("test_") and self.parameters:
            raise invalid("the test set would choose the parameters", ("objective",), "validation_… or held_out_…",
                          self.objective.metric, "Hold out other examples: repeat: {folds: 5}.")  # fmt: skip
        if self.objective.metric.startswith("held_out_") and (self.repeat is None or self.repeat.folds is None):
            raise invalid("nothing is held out", ("objective",), "repeat: {folds: N}", self.objective.metric)


def _set_fields(thing: Any) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(thing).items() if value is not None}  # fmt: skip


def _check_integer(name: str, value: Any, low: int, *, optional: bool) -> None:
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise invalid("wrong value", (name,), f"an integer, at least {low}", repr(value)[:80])


def _keys(value: Mapping[str, Any], known: tuple[str, ...], keys: tuple[str, ...]) -> None:
    for key in value:
        if key not in known:
            where = f"Sweep.{'.'.join(keys)}"
            raise unknown("key", key, known, where=where, key_path=(*keys, str(key)), error=ConfigError)


def _objective(value: Any, repeat: Repeat | None) -> Objective:
    if isinstance(value, Objective):
        return value
    default = "held_out_loss" if repeat is not None and repeat.folds is not None else "validation_loss"
    value = {} if value is None else {"metric": value} if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        raise invalid("not an objective", ("objective",), "a figure, or metric and direction", repr(value)[:80])
    _keys(value, ("metric", "direction"), ("objective",))
    metric, direction = value.get("metric", default), value.get("direction")
    if not isinstance(metric, str) or not metric:
        raise invalid("not a figure", ("objective", "metric"), "text, such as validation_loss", repr(metric)[:80])
    if direction not in (None, *DIRECTIONS):
        raise unknown("direction", direction, DIRECTIONS, where="Sweep.objective", error=ConfigError,
                      key_path=("objective", "direction"))  # fmt: skip
    return Objective(metric, direction)


def _repeat(value: Any) -> Repeat | None:
    if value is None or isinstance(value, Repeat):
        return value
    if not isinstance(value, Mapping) or not value:
        raise invalid("not a repetition", ("repeat",), "a mapping with seeds, folds or both", repr(value)[:80])
    _keys(value, ("seeds", "folds"), ("repeat",))
    seeds, folds = value.get("seeds"), value.get("folds")
    if folds is not None:
        _check_integer_at(folds, ("repeat", "folds"), 2)
    if seeds is None:
        return Repeat(None, folds)
    if isinstance(seeds, (list, tuple)):
        for seed in seeds:
            _check_integer_at(seed, ("repeat", "seeds"), 0)
        if not seeds or len(set(seeds)) < len(seeds):
            raise invalid("not seeds", ("repeat", "seeds"), "different seeds", list(seeds))
        return Repeat(tuple(seeds), folds)
    _check_integer_at(seeds, ("repeat", "seeds"), 1)
    return Repeat(tuple(range(seeds)), folds)


def _check_integer_at(value: Any, keys: tuple[str, ...], low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise invalid("wrong value", keys, f"an integer, at least {low}", repr(value)[:80])


def _pruning(value: Any) -> Pruning | None:
    if value is None or isinstance(value, Pruning):
        return value
    value = {value: {}} if isinstance(value, str) else value
    if not isinstance(value, Mapping) or len(value) != 1:
        raise invalid("not a way of pruning", ("pruning",), f"one of {', '.join(PRUNERS)}", repr(value)[:80])
    ((name, settings),) = value.items()
    if name not in PRUNERS:
        raise unknown("way of pruning", name, PRUNERS, where="Sweep.pruning", key_path=("pruning", str(name)),
                      error=ConfigError)  # fmt: skip
    settings = {} if settings is None else settings
    if not isinstance(settings, Mapping):
        raise invalid(
            "not settings", ("pruning", name), f"a mapping with {', '.join(PRUNERS[name])}", repr(settings)[:80]
        )
    _keys(settings, tuple(PRUNERS[name]), ("pruning", name))
    for key, each in settings.items():
        low = {"reduction": 2, "min_epochs": 1, "interval": 1}.get(key, 0)
        _check_integer_at(each, ("pruning", name, key), low)
    return Pruning(name, {**PRUNERS[name], **settings})


explain_arguments(Sweep)
