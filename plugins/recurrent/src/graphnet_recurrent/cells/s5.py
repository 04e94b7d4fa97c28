"""Simplified structured state space layer (Smith, Warrington & Linderman 2023, "S5", arXiv:2208.04933)."""

import numpy as np

from graphnet import Cell, CellGraph, dense, gain, parameter
from graphnet_recurrent.cells.ranges import is_pair, required, whole
from graphnet_recurrent.cells.spread_values import evenly


def s5_cell(
    units: int, states: int | None = None, dtype: str = "float64", *, step: tuple[float, float] = (1e-3, 1e-1)
) -> CellGraph:
    """A diagonal continuous-time system with several inputs and outputs, discretized by zero-order hold (section 3).

    Of each pair of conjugate complex states one is kept::

        Λ = -exp(ν) + i ω        Λ̄ = exp(Λ Δ)        B̄ = (Λ̄ - 1) / Λ
        s_t = Λ̄ ⊙ s_{t-1} + B̄ ⊙ (x_t · B)             y_t = 2 Re(s_t · C) + d ⊙ x_t

    ν and ω start at the eigenvalues of the normal part of HiPPO-LegS (-½ + i ω), and the steps Δ of the states spread
    evenly in log Δ.

    Parameters
    ----------
    units : int
        Width of the input and of the output.
    states : int, optional
        Number of complex states, half the state size of the paper; ``re`` and ``im`` are their parts. None: ``units``.
    dtype : {'float64', 'float32'}
        Of the weights: B ``(units, states)`` and C ``(states, units)``, each in two parts; ν, ω, log Δ ``(states,)``;
        d ``(units,)``.
    step : tuple of float
        Smallest and largest initial Δ, above 0.

    Raises
    ------
    ConfigError
        If an option is out of its range.
    """
    count = units if states is None else states
    for name, number in (("units", units), ("states", count)):
        whole("s5_cell", name, number)
    required(is_pair(step) and step[0] > 0, "s5_cell", "step", "a smallest and a largest number above 0", step)
    cell = Cell("s5", sequences={"x": units}, states={"re": count, "im": count}, dtype=dtype)
    delta = np.exp(parameter(cell.x, count, evenly(count, *np.log(step)), name="step"))
    rate = -np.exp(parameter(cell.x, count, np.log(0.5), name="rate"))
    frequency = parameter(cell.x, count, hippo_frequencies(count), name="frequency")
    decay, angle = np.exp(rate * delta), frequency * delta
    a, b = decay * np.cos(angle), decay * np.sin(angle)
    square = rate**2 + frequency**2
    hold_re = ((a - 1) * rate + b * frequency) / square
    hold_im = (b * rate - (a - 1) * frequency) / square
    in_re = dense(cell.x, count, name="input_re", bias=False)
    in_im = dense(cell.x, count, name="input_im", bias=False)
    re = a * cell.re - b * cell.im + (hold_re * in_re - hold_im * in_im)
    im = a * cell.im + b * cell.re + (hold_re * in_im + hold_im * in_re)
    y = dense(re, units, name="output_re", bias=False) - dense(im, units, name="output_im", bias=False)
    y = 2 * y + gain(cell.x, units, name="skip")
    return cell.build(output=y, re=re, im=im)


def hippo_frequencies(count: int) -> np.ndarray:
    """The positive imaginary parts of the eigenvalues of the normal part of the HiPPO-LegS matrix of size ``2 count``.

    The matrix is -½ I + S with S skew-symmetric, S_nm = -½ √((2n + 1)(2m + 1)) for n > m (Gu et al. 2022,
    arXiv:2206.11893, equation 2).
    """
    root = np.sqrt(2.0 * np.arange(2 * count) + 1)
    lower = np.tril(np.outer(root, root), -1) / -2
    values = np.linalg.eigvalsh(1j * (lower - lower.T))
    return np.sort(values)[count:]
