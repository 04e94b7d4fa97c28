"""graphnet on the numpy backend, beside the one that runs by default."""

from __future__ import annotations

from problems import Problem

from contenders import ours
from contenders.contender import Contender, Unavailable
from graphnet.core.run.backend_choice import FALLBACK, ChosenBackend


def make(problem: Problem) -> Contender:
    if ChosenBackend().name == FALLBACK:
        raise Unavailable("it runs by default")
    return ours.make(problem, FALLBACK)
