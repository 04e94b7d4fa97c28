"""Oracles: the activations and their derivatives in 120 decimal digits."""

from decimal import Decimal, localcontext

import numpy as np

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")
CUBIC = Decimal("0.044715")
#: The float, because that is the value in the layer.
SLOPE = 0.01
#: Below this a series replaces a difference that would lose all digits.
SMALL, FAR = Decimal(10) ** -20, Decimal(100)


def expm1(x):
    return x + x * x / 2 if abs(x) < SMALL else x.exp() - 1


def log1p(x):
    return x - x * x / 2 if abs(x) < SMALL else (1 + x).ln()


def sigmoid(x):
    y = 1 / (1 + (-x).exp())
    return y, y / (1 + x.exp())


def tanh(x):
    y = expm1(2 * x) / (2 + expm1(2 * x))
    return y, 4 * (2 * x).exp() / (1 + (2 * x).exp()) ** 2


def softplus(x):
    return x.max(0) + log1p((-abs(x)).exp()), sigmoid(x)[0]


def silu(x):
    s, slope = sigmoid(x)
    return x * s, s + x * slope


def elu(x, alpha=1):
    return (x, Decimal(1)) if x > 0 else (alpha * expm1(x), alpha * x.exp())


def leaky_relu(x):
    slope = Decimal(1) if x > 0 else Decimal(SLOPE)
    return x * slope, slope


def hard_sigmoid(x):
    return (x + 3).max(0).min(6) / 6, Decimal(-3 < x < 3) / 6


def upper_tail(a):
    """The normal distribution's tail and density at a >= 0: a series near 0, a continued fraction beyond."""
    density = (-a * a / 2).exp() / (2 * PI).sqrt()
    if a < 8:
        term, total, n = a, a, 0
        while abs(term) > Decimal(10) ** -115:
            n += 1
            term = term * a * a / (2 * n + 1)
            total += term
        return Decimal("0.5") - density * total, density
    below = a
    for n in range(400, 0, -1):
        below = a + n / below
    return density / below, density


def gelu(x):
    tail, density = upper_tail(abs(x))
    below = tail if x < 0 else 1 - tail
    return x * below, below + x * density


def gelu_approximate(x):
    scale = 2 * (2 / PI).sqrt()
    s, slope = sigmoid(scale * (x + CUBIC * x**3))
    return x * s, s + x * slope * scale * (1 + 3 * CUBIC * x * x)


def exact(function, numbers):
    """Values and slopes as Decimals."""
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 120, -(10**9), 10**9
        pairs = [function(Decimal(float(x))) for x in numbers]
    return [value for value, _ in pairs], [slope for _, slope in pairs]


def units(actual, expected):
    """The largest error in units in the last place of the exact number, or of the smallest normal number."""
    errors = []
    for number, right in zip(actual, expected, strict=True):
        unit = np.spacing(np.abs(actual.dtype.type(float(right))))
        errors.append(float(abs(Decimal(float(number)) - right) / Decimal(float(unit))))
    return np.array(errors)
