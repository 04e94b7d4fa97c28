"""Clockwork RNN (Koutník, Greff, Gomez & Schmidhuber 2014, arXiv:1402.3511)."""

from collections.abc import Iterable

from graphnet import Cell, CellGraph, ConfigError, Value, concatenate, dense, split
from graphnet_recurrent.functional import tanh
from graphnet_recurrent.layers import Clocked


def clockwork_cell(units: int, periods: Iterable[int], dtype: str = "float64") -> CellGraph:
    """An Elman network in modules, each with a period: slow ones remember, fast ones read them.

    Module i, of ``units / len(periods)`` units, is left as it is unless ``t mod T_i = 0``, t from 0; then it reads the
    input and the modules of its own period and of longer ones::

        h_t[i] = tanh([x_t, h_{t-1}[j] for all j with T_j ≥ T_i] · W_i + b_i)

    The state ``phase`` holds ``t mod T_i`` for each module, so that a sequence can go on where another call ended.

    Parameters
    ----------
    units : int
        Width of the state ``h``, which is the output; a multiple of the number of modules.
    periods : several int
        One for each module, each at least 1; the paper has 1, 2, 4, 8, …
    dtype : {'float64', 'float32'}
        Of the weights, one array a module: rows of ``x``, rows of the modules that are read in their order, bias.

    Raises
    ------
    ConfigError
        If there is no period, one is below 1, or ``units`` does not divide.
    """
    periods = _checked(units, tuple(periods))
    cell = Cell("clockwork", sequences="x", states={"h": units, "phase": len(periods)})
    modules = list(split(cell.h, len(periods), name="modules"))
    phases = list(split(cell.phase, len(periods), name="phases"))

    def module(i: int, period: int) -> Value:
        seen = [m for m, other in zip(modules, periods, strict=True) if other >= period]
        product = dense(concatenate(cell.x, *seen), units // len(periods), dtype=dtype, name=f"module_{i}")
        return Clocked(period)(tanh(product), modules[i], phases[i], name=f"clock_{i}")

    clocks = [module(i, period) for i, period in enumerate(periods)]
    h = concatenate(*clocks, name="hidden")
    return cell.build(output=h, h=h, phase=concatenate(*(c["phase"] for c in clocks), name="next_phase"))


def _checked(units: int, periods: tuple[int, ...]) -> tuple[int, ...]:
    """The periods; refused where they mean nothing."""
    whole = all(isinstance(p, int) and not isinstance(p, bool) and p >= 1 for p in periods)
    if not periods or not whole:
        expected = "whole numbers of at least 1"
        raise ConfigError("periods are out of range", where="clockwork_cell", expected=expected, received=repr(periods))
    if units % len(periods):
        expected = f"a multiple of {len(periods)}, the number of periods"
        raise ConfigError("units do not divide", where="clockwork_cell", expected=expected, received=units)
    return periods
