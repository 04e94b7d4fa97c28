"""A stored run that is to be continued: the checks of what may differ."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphnet.core.checks import integer
from graphnet.core.errors import ConfigError, GraphnetWarning, StateError
from graphnet.optimizers.schedules import Schedule
from graphnet.training.checkpoints import StoredRun
from graphnet.training.config import TrainingConfig
from graphnet.training.fingerprint import checked_names, differences, refuse
from graphnet.training.run_objects import RunObjects
from graphnet.training.snapshot import Snapshot, reading

#: The module with ``open_run(path)``, which returns a StoredRun. It imports this package, and is imported by its name.
OPENER = "graphnet.models.runs"


@dataclass(frozen=True)
class Resumption:
    """A stored run, and what may differ when it goes on.

    Attributes
    ----------
    stored : StoredRun
    config : TrainingConfig
        That of the run, with the epochs that it is to have now.
    allow : frozenset of str
    """

    stored: StoredRun
    config: TrainingConfig
    allow: frozenset[str]

    @classmethod
    def of(cls, run: Any, epochs: int | None, allow: Iterable[str]) -> Resumption:
        """Open a run.

        Raises
        ------
        ConfigError, StateError, FileError
            As :meth:`graphnet.training.trainer.Trainer.resume`.
        """
        names = checked_names(allow)
        integer("Trainer.resume", "epochs", epochs, 1, optional=True)
        if isinstance(run, (str, os.PathLike)):
            run = importlib.import_module(OPENER).open_run(run)
        if not isinstance(getattr(run, "snapshot", None), Snapshot):
            raise ConfigError(
                "not a run", where="Trainer.resume", expected="the folder of a run", received=repr(run)[:100]
            )
        with reading():
            config = _with_epochs(run.config, run.snapshot, epochs, names)
        return cls(run, config, names)

    @property
    def snapshot(self) -> Snapshot:
        """The checkpoint from which the run goes on."""
        return self.stored.snapshot

    @property
    def written(self) -> bool:
        """Whether the end of the run is written, as far as its store knows."""
        return bool(getattr(self.stored, "complete", True))

    @property
    def over(self) -> bool:
        """Whether nothing is left to train.

        So it is after the end by patience, and after the last epoch. A run that a callback has stopped goes on; but if
        it was killed while its end was being written, its end comes first, as if it had not been killed.
        """
        stopped = self.snapshot.values["stopped"]
        if self.snapshot.epoch >= self.config.epochs or stopped == "patience":
            return True
        more = self.config.epochs > self.snapshot.values["epochs"]
        return stopped == "callback" and not self.written and not more

    def data(self) -> tuple[Any, Any, Any]:
        """The inputs and targets that the configuration names, and those that select the best epoch, or None.

        Raises
        ------
        ConfigError
            If it names none.
        """
        read = getattr(self.stored, "data", None)
        if not callable(read) or self.config.data is None:
            raise ConfigError(
                "the run does not name its data",
                where="Trainer.fit",
                expected="the inputs and targets of the run",
                remedy="Pass them, as to the fit that was stopped.",
            )
        inputs, targets, validation = read()
        return inputs, targets, validation

    def check(self, known: Mapping[str, Any], objects: RunObjects | None = None) -> None:
        """Check that the run may go on with this fingerprint and these objects.

        Raises
        ------
        StateError
            If something differs that is not allowed.
        """
        with reading():
            self._check(self.snapshot.values, known)
            if objects is not None:
                self._check_objects(self.snapshot.values, objects)

    def _check(self, values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        saved = values["fingerprint"]
        # What the user has changed by the arguments of resume does not count as a difference.
        open_ = {"decay_epochs", "schedule"} if "schedule" in self.allow else set()
        settings = {name: value for name, value in saved["settings"].items() if name not in open_}
        now = {n: v for n, v in known["settings"].items() if n in settings}
        refuse(differences({**saved, "settings": settings}, {**known, "settings": now}), self.allow)

    def _check_objects(self, values: Mapping[str, Any], objects: RunObjects) -> None:
        missing = objects.missing(values["objects"])
        if missing and "callbacks" not in self.allow:
            raise StateError(
                "callbacks of the run are missing",
                where="Trainer.resume",
                expected=", ".join(missing),
                received=", ".join(objects.callbacks) or "none",
                remedy="Pass them: Trainer.resume(run, callbacks=[...]); or go on without their state: "
                "allow=['callbacks'].",
            )
        if self.over and self.written:
            warnings.warn(
                f"the run is over ({values['stopped']}, {self.snapshot.epoch} epochs): nothing is trained. "
                "To train further, resume it with more epochs.",
                GraphnetWarning,
                stacklevel=6,
            )


def _with_epochs(
    config: TrainingConfig, snapshot: Snapshot, epochs: int | None, allow: frozenset[str]
) -> TrainingConfig:
    """The configuration with the epochs that the run is to have.

    Raises
    ------
    ConfigError
        If they are fewer than before.
    StateError
        If the learning rate of the epochs that have passed depends on their number.
    """
    before = snapshot.values["epochs"]
    wanted = before if epochs is None else epochs
    if wanted < before:
        raise ConfigError(
            "a run that goes on cannot have fewer epochs",
            where="Trainer.resume",
            expected=f"at least {before}",
            received=wanted,
            key_path=("epochs",),
        )
    if wanted == config.epochs:
        return config
    if wanted == before or config.schedule == "constant" or config.decay_epochs is not None:
        return config.changed(epochs=wanted)
    if isinstance(config.schedule, Schedule):
        return _with_schedule(config, config.schedule, before, wanted, allow)
    length = before if config.schedule == "cosine" else max(1, before // 3)
    if "schedule" not in allow:
        raise StateError(
            f"the {config.schedule} schedule depends on the number of epochs: with another one the run would have had "
            "another past",
            where="Trainer.resume",
            expected=f"epochs {before}, or a configuration with decay_epochs",
            received=f"epochs {wanted}",
            remedy=f"Allow 'schedule' to keep decay_epochs={length}.",
        )
    return config.changed(epochs=wanted, decay_epochs=length)


def _with_schedule(
    config: TrainingConfig, schedule: Schedule, before: int, wanted: int, allow: frozenset[str]
) -> TrainingConfig:
    """The configuration with more epochs, and with a schedule that has the same past.

    Raises
    ------
    StateError
        If its length is that of the run, and that is not allowed, or counts updates.
    """
    if not schedule.needs_total:
        return config.changed(epochs=wanted)
    if "schedule" not in allow or schedule.by == "step":
        fixed = "a schedule whose length is given, from the beginning of the run"
        raise StateError(
            "the schedule depends on the number of epochs: with another one the run would have had another past",
            where="Trainer.resume",
            expected=f"epochs {before}, or {fixed}",
            received=f"epochs {wanted}, {schedule!r}",
            remedy="Resume with as many epochs."
            if schedule.by == "step"
            else f"Allow 'schedule' to keep a length of {before} epochs.",
        )
    return config.changed(epochs=wanted, schedule=schedule.with_total(before))
