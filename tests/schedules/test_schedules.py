"""Schedules against closed forms and loops; those of torch are compared by benchmarks/judge_losses.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphnet.core.errors import ConfigError, RuleError
from graphnet.schedules import (
    Cosine,
    CosineRestarts,
    ExponentialDecay,
    LinearDecay,
    Milestones,
    OneCycle,
    OnPlateau,
    Schedule,
    StepDecay,
    Warmup,
)

POSITIONS = range(40)


def factors(schedule, total=40):
    return [schedule.factor(position, total) for position in POSITIONS]


def half_cosine(start, end, x):
    return (start + end) / 2 + (start - end) / 2 * np.cos(np.pi * np.clip(x, 0, 1))


def restarts(first, growth, final):
    values, length = [], first
    while len(values) < 40:
        values += [half_cosine(1, final, i / length) for i in range(length)]
        length *= growth
    return values[:40]


def one_cycle(total, rise, initial, final):
    top = rise * total - 1
    return [
        half_cosine(initial, 1, p / top) if p <= top else half_cosine(1, final, (p - top) / (total - 1 - top))
        for p in POSITIONS
    ]


P = np.arange(40)
FORMS = [
    (Cosine(10, 0.2), half_cosine(1, 0.2, P / 10)),
    (Cosine(by="step"), half_cosine(1, 0, P / 40)),
    (CosineRestarts(4, 3, 0.1), restarts(4, 3, 0.1)),
    (CosineRestarts(7), restarts(7, 1, 0)),
    (StepDecay(6, 0.3), 0.3 ** np.floor(P / 6)),
    (Milestones([2, 3, 30], 0.5), [0.5 ** sum(p >= m for m in (2, 3, 30)) for p in P]),
    (ExponentialDecay(0.9), np.exp(P * math.log(0.9))),
    (LinearDecay(20, 0.25), np.interp(P, [0, 20], [1, 0.25])),
    (LinearDecay(), np.interp(P, [0, 40], [1, 0])),
    (Warmup(5, 0.2), np.interp(P, [0, 5], [0.2, 1])),
    (
        Warmup(8, 0.0, Cosine(by="step")),
        np.concatenate([np.arange(8) / 8, half_cosine(1, 0, np.arange(32) / 32)]),
    ),
    (OneCycle(), one_cycle(40, 0.3, 0.04, 4e-6)),
    (OneCycle(rise=0.5, initial=0.5, final=0.1), one_cycle(40, 0.5, 0.5, 0.1)),
]


@pytest.mark.parametrize(("schedule", "expected"), FORMS, ids=[repr(form[0])[:40] for form in FORMS])
def test_closed_forms(schedule, expected):
    np.testing.assert_allclose(factors(schedule), expected, rtol=1e-12, atol=1e-15)
    again = type(schedule)(**schedule.config())
    assert repr(again) == repr(schedule) and factors(schedule.fresh()) == factors(schedule)
    fixed = schedule.with_total(40)
    assert not fixed.needs_total
    np.testing.assert_allclose(factors(fixed, None), expected, rtol=1e-12, atol=1e-15)
    if schedule.needs_total:
        with pytest.raises(ConfigError, match="length"):
            factors(schedule, None)


def plateau(values, decay, patience, cooldown, threshold, least, higher):
    """By comparison with all earlier figures, without counters."""
    result, factor, best, since, wait = [], 1.0, None, 0, 0
    for value in values:
        better = best is None or (value > best * (1 + threshold) if higher else value < best * (1 - threshold))
        best, since = (value, 0) if better else (best, since + 1)
        if wait > 0:
            wait, since = wait - 1, 0
        if since > patience:
            factor, wait, since = max(factor * decay, least), cooldown, 0
        result.append(factor)
    return result


@pytest.mark.parametrize("higher", [False, True])
@pytest.mark.parametrize(("patience", "cooldown"), [(0, 0), (2, 0), (1, 3)])
def test_plateau(higher, patience, cooldown):
    values = np.abs(np.random.default_rng(2).normal(size=60)) + np.linspace(1, 0.8, 60)
    schedule = OnPlateau(0.5, patience, cooldown, 0.01, 0.05)
    found, states = [], []
    for value in values.tolist():
        states.append(schedule.state())
        schedule.observe(value, higher)
        found.append(schedule.factor(0, None))
    assert found == plateau(values.tolist(), 0.5, patience, cooldown, 0.01, 0.05, higher) and found[-1] == 0.05
    again = Warmup(3, then=OnPlateau(0.5, patience, cooldown, 0.01, 0.05))
    again.load_state(states[20])
    for value in values[20:].tolist():
        again.observe(value, higher)
    assert again.factor(9, None) == found[-1] and again.state() == schedule.state()
    assert schedule.fresh().factor(0, None) == 1.0
    lost = OnPlateau(0.5, 0)
    lost.observe(math.nan, False)
    assert lost.factor(0, None) == 0.5


def test_what_is_refused():
    for build in (
        lambda: Cosine(0),
        lambda: Cosine(final=1.5),
        lambda: Cosine(by="batch"),
        lambda: CosineRestarts(3, 0),
        lambda: StepDecay(2, -0.1),
        lambda: Milestones([3, 3]),
        lambda: Milestones("12"),
        lambda: Milestones([]),
        lambda: OneCycle(rise=1.0),
        lambda: OnPlateau(1.0),
        lambda: OnPlateau(by="step"),
        lambda: Warmup(3, then="cosine"),
        lambda: Warmup(3, then=Cosine()),
        lambda: Warmup(-1),
    ):
        with pytest.raises(ConfigError):
            build()
    with pytest.raises(RuleError, match="factor"):
        Schedule().factor(0, None)
