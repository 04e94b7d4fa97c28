"""Sweeps: many trainings of one model file, by a grid, at random or by Optuna's TPE; killed and resumed without loss.

>>> from graphnet.sweeps import Sweep
>>> Sweep("model.yaml", repeat={"seeds": 5}, objective="test_accuracy").repeat.seeds
(0, 1, 2, 3, 4)
"""

from __future__ import annotations

from graphnet.sweeps.results import SweepResult, TrialResult, results
from graphnet.sweeps.settings import Sweep
from graphnet.sweeps.start import resume, sweep

__all__ = ["Sweep", "SweepResult", "TrialResult", "results", "resume", "sweep"]
