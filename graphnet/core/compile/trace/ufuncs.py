"""The numpy ufuncs that a program may contain; a rule that uses any other one is not traced."""

from __future__ import annotations

import numpy as np

ARITHMETIC = ("add", "subtract", "multiply", "divide", "negative", "positive", "absolute", "fabs", "square", "sqrt")
POWERS = ("cbrt", "reciprocal", "power", "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "hypot", "logaddexp")
TRIGONOMETRIC = ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2")
HYPERBOLIC = ("tanh", "sinh", "cosh", "arcsinh", "arccosh", "arctanh")
ROUNDING_AND_EXTREMA = (
    *("maximum", "minimum", "fmax", "fmin", "sign", "copysign", "heaviside", "floor", "ceil", "rint", "trunc"),
)
ORDER = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")
#: Ufuncs with a boolean result.
PREDICATES = frozenset((*ORDER, "logical_and", "logical_or", "logical_not", "isfinite", "isnan"))
NAMES = (*ARITHMETIC, *POWERS, *TRIGONOMETRIC, *HYPERBOLIC, *ROUNDING_AND_EXTREMA, *sorted(PREDICATES))
#: Ufuncs that numpy calls faster with ``out=`` as a keyword; all others are faster with a positional output.
KEYWORD_OUTPUT = frozenset(("maximum", "minimum"))
UFUNCS: dict[str, np.ufunc] = {name: getattr(np, name) for name in NAMES}

#: Bitwise ufuncs are traced on booleans only.
BITWISE = frozenset(("bitwise_and", "bitwise_or", "bitwise_xor", "invert"))
#: The logical ufunc that a ufunc computes where all its operands are booleans.
ON_BOOLEANS = {
    "multiply": "logical_and",
    "minimum": "logical_and",
    "add": "logical_or",
    "maximum": "logical_or",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "invert": "logical_not",
    "bitwise_xor": "not_equal",
}
