"""Linear recurrent unit (Orvieto et al. 2023, arXiv:2303.06349)."""

import math

import numpy as np

from graphnet import Cell, CellGraph, dense, gain, parameter
from graphnet_recurrent.cells.ranges import is_number, is_pair, required, whole
from graphnet_recurrent.cells.spread_values import evenly, shuffled


def lru_cell(
    units: int,
    states: int | None = None,
    dtype: str = "float64",
    *,
    radius: tuple[float, float] = (0.0, 1.0),
    phase: float = 2 * math.pi,
) -> CellGraph:
    """A diagonal linear recurrence of complex numbers, each as its real and imaginary part (section 3 of the paper).

    ::

        λ = exp(-exp(ν) + i exp(θ))
        s_t = λ ⊙ s_{t-1} + exp(γ) ⊙ (x_t · B)        y_t = Re(s_t · C) + d ⊙ x_t

    λ starts spread over the ring between the two radii, with phases in [0, ``phase``]; γ starts at ``log √(1 - |λ|²)``.

    Parameters
    ----------
    units : int
        Width of the input and of the output.
    states : int, optional
        Number of complex states, of which ``re`` and ``im`` are the parts; None: ``units``.
    dtype : {'float64', 'float32'}
        Of the weights: B ``(units, states)`` and C ``(states, units)``, each in two parts; ν, θ, γ ``(states,)``;
        d ``(units,)``.
    radius : tuple of float
        Smallest and largest initial magnitude of λ, between 0 and 1.
    phase : float, above 0
        Largest initial phase, in radians.

    Raises
    ------
    ConfigError
        If an option is out of its range.
    """
    count = units if states is None else states
    for name, number in (("units", units), ("states", count)):
        whole("lru_cell", name, number)
    ring = is_pair(radius) and radius[0] >= 0 and radius[1] <= 1 and 0 < sum(radius) < 2
    required(ring, "lru_cell", "radius", "a smallest and a largest number between 0 and 1", radius)
    required(is_number(phase) and phase > 0, "lru_cell", "phase", "a finite number above 0", phase)
    cell = Cell("lru", sequences={"x": units}, states={"re": count, "im": count}, dtype=dtype)
    low, high = radius
    size = np.sqrt(evenly(count, low**2, high**2))
    rate = np.exp(parameter(cell.x, count, np.log(-np.log(size)), name="rate"))
    angle = np.exp(parameter(cell.x, count, np.log(shuffled(count, 0.0, phase)), name="angle"))
    scale = np.exp(parameter(cell.x, count, np.log1p(-(size**2)) / 2, name="scale"))
    decay = np.exp(-rate)
    a, b = decay * np.cos(angle), decay * np.sin(angle)
    re = a * cell.re - b * cell.im + scale * dense(cell.x, count, name="input_re", bias=False)
    im = a * cell.im + b * cell.re + scale * dense(cell.x, count, name="input_im", bias=False)
    y = dense(re, units, name="output_re", bias=False) - dense(im, units, name="output_im", bias=False)
    y = y + gain(cell.x, units, name="skip")
    return cell.build(output=y, re=re, im=im)
