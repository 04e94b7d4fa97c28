"""Interleaved timing: medians, quartiles, and ratios within a round."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

#: The least duration of a turn, in seconds: short runs are repeated, and their mean is the time of the turn.
TURN = 2e-3
#: Runs longer than this, in seconds, are not preceded by an untimed run in every turn.
LONG = 5e-2
#: The pause before each turn with several threads, in seconds, until the idle threads of a library stop spinning.
REST = 1.5e-2
#: The share of one processor that others may use during a round; beyond it, the round is disturbed.
DISTURBED = 0.1


@dataclass(frozen=True)
class Timing:
    """The seconds of one contender, one value per round."""

    seconds: np.ndarray

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Lower quartile, median, upper quartile, in seconds."""
        low, middle, high = np.percentile(self.seconds, [25, 50, 75])
        return float(low), float(middle), float(high)

    def ratio(self, other: Timing) -> float:
        """The median over rounds of this contender's time over another's in the same round."""
        return float(np.median(self.seconds / other.seconds))


def interleaved(
    contenders: Mapping[str, Callable[[], object]], seconds: float, threads: int = 1, least: int = 3
) -> dict[str, Timing]:
    """Run all contenders in turn for about ``seconds`` and at least ``least`` rounds.

    The first contender rotates, so that none always runs after the same other. Rounds that other processes, or the
    host of a virtual machine, have disturbed are left out, if at least ``least`` others remain.
    """
    end = time.perf_counter() + seconds
    once = {name: _warmed(run) for name, run in contenders.items()}
    turns: dict[str, list[float]] = {name: [] for name in contenders}
    names, rounds, undisturbed = list(contenders), 0, []
    while rounds < least or time.perf_counter() < end:
        before, began = taken(), time.perf_counter()
        for i in range(len(names)):
            name = names[(i + rounds) % len(names)]
            if threads > 1:
                time.sleep(REST)
            turns[name].append(_turn(contenders[name], once[name]))
        undisturbed.append(taken() - before <= 0.03 + DISTURBED * (time.perf_counter() - began))
        rounds += 1
    chosen = np.array(undisturbed if sum(undisturbed) >= least else [True] * rounds)
    return {name: Timing(np.array(times)[chosen]) for name, times in turns.items()}


def taken() -> float:
    """Return the seconds of processor time that others than this process have had; 0 where that is not known."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, interrupts, soft, stolen = map(int, file.readline().split()[1:9])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK") - time.process_time()


def _warmed(run: Callable[[], object]) -> float:
    """Return about how long one warm run takes, in seconds."""
    run()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _turn(run: Callable[[], object], once: float) -> float:
    """Return the seconds of one run; short runs follow an untimed one, which wakes threads and fills caches."""
    if once < LONG:
        run()
    repeats = max(1, math.ceil(TURN / once))
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def shown(quartiles: tuple[float, float, float]) -> str:
    """Format the median and quartiles in milliseconds."""
    low, middle, high = (1e3 * q for q in quartiles)
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"
