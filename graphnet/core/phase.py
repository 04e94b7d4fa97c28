"""The phases of a run: training and testing."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """``train`` draws dropout masks and uses batch statistics; ``test`` draws nothing and uses running statistics."""

    train = "train"
    test = "test"
