from enum import Enum


class Phase(Enum):
    train = 1
    test = 2
    validation = 3


class BaseLayer:
    def __init__(self, phase=Phase.train):
        self.phase = phase
