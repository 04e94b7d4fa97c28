"""Train or test: the two ways to run a layer."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """``train`` draws dropout masks and uses batch statistics; ``test`` is deterministic and uses the running ones."""

    train = "train"
    test = "test"
