"""Training: the configuration, the Trainer, its callbacks, and the folder that a run leaves behind."""

from graphnet.callbacks import Callback
from graphnet.training.config import TrainingConfig
from graphnet.training.history import EpochRecord, History
from graphnet.training.trainer import Trainer

__all__ = ["Callback", "EpochRecord", "History", "Trainer", "TrainingConfig"]
