"""All callbacks of graphnet: those that follow and stop a run, and those that write files."""

from typing import TYPE_CHECKING

from graphnet.core.arguments import explain_constructors
from graphnet.core.attributes import missing_from
from graphnet.models.callbacks.best_checkpoints import BestCheckpoints
from graphnet.models.callbacks.csv_log import CSVLog
from graphnet.training.callbacks import Callback, EarlyStopping, TimeLimit, TrainingRun

__all__ = ["BestCheckpoints", "CSVLog", "Callback", "EarlyStopping", "TimeLimit", "TrainingRun"]

explain_constructors([BestCheckpoints, CSVLog, EarlyStopping, TimeLimit])

if not TYPE_CHECKING:  # with a __getattr__, a type checker would accept every name
    __getattr__ = missing_from(__name__)
