"""Clockwork RNN (Koutník, Greff, Gomez & Schmidhuber 2014, arXiv:1402.3511)."""

from collections.abc import Iterable

from graphnet import Cell, CellGraph, ConfigError, Value, concatenate, dense, split
from graphnet.authoring import is_python_int
from graphnet_recurrent.functional import tanh
from graphnet_recurrent.layers import Clocked


def clockwork_cell(units: int, periods: Iterable[int], dtype: str = "float64") -> CellGraph:
    """An Elman network in modules, each of which is updated once per period.

    Module i, of ``units / len(periods)`` units, is updated only if ``t mod T_i = 0``, with t from 0. It then reads the
    input and the modules whose period is at least T_i::

        h_t[i] = tanh([x_t, h_{t-1}[j] for all j with T_j ≥ T_i] · W_i + b_i)

    The state ``phase`` holds ``t mod T_i`` for each module, so that a sequence can be continued in another call.

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output; a multiple of the number of modules.
    periods : iterable of int
        One per module, each at least 1; the paper uses 1, 2, 4, 8, …
    dtype : {'float64', 'float32'}
        Of the weights, one array per module: rows of ``x``, rows of the modules that it reads in their order, bias.

    Raises
    ------
    ConfigError
        If ``periods`` is empty, one is below 1, or ``units`` is not a multiple of their number.
    """
    periods = _checked(units, tuple(periods))
    cell = Cell("clockwork", sequences="x", states={"h": units, "phase": len(periods)}, dtype=dtype)
    modules = list(split(cell.h, len(periods), name="modules"))
    phases = list(split(cell.phase, len(periods), name="phases"))

    def next_module(i: int, period: int) -> Value:
        read = [module for module, other in zip(modules, periods, strict=True) if other >= period]
        product = dense(concatenate(cell.x, *read), units // len(periods), name=f"module_{i}")
        return Clocked(period)(tanh(product), modules[i], phases[i], name=f"clock_{i}")

    clocks = [next_module(i, period) for i, period in enumerate(periods)]
    h = concatenate(*clocks, name="hidden")
    phase = concatenate(*(clock["phase"] for clock in clocks), name="next_phase")
    return cell.build(output=h, h=h, phase=phase)


def _checked(units: int, periods: tuple[int, ...]) -> tuple[int, ...]:
    """Return the periods after checking them."""
    valid = all(is_python_int(period, 1) for period in periods)
    if not periods or not valid:
        expected = "integers of at least 1"
        raise ConfigError("periods are out of range", where="clockwork_cell", expected=expected, received=repr(periods))
    if units % len(periods):
        expected = f"a multiple of {len(periods)}, the number of periods"
        raise ConfigError("units are not divisible", where="clockwork_cell", expected=expected, received=units)
    return periods
