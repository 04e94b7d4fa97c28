"""Elementwise functions of one or two values: those of numpy's ufuncs that have a layer."""

from graphnet.layers.elementary.absolute import Absolute
from graphnet.layers.elementary.cos import Cos
from graphnet.layers.elementary.divide import Divide
from graphnet.layers.elementary.exp import Exp
from graphnet.layers.elementary.expm1 import Expm1
from graphnet.layers.elementary.log import Log
from graphnet.layers.elementary.log1p import Log1p
from graphnet.layers.elementary.log_add_exp import LogAddExp
from graphnet.layers.elementary.maximum import Maximum
from graphnet.layers.elementary.minimum import Minimum
from graphnet.layers.elementary.power import Power
from graphnet.layers.elementary.scalar_power import ScalarPower
from graphnet.layers.elementary.sin import Sin
from graphnet.layers.elementary.sqrt import Sqrt

__all__ = [
    "Absolute",
    "Cos",
    "Divide",
    "Exp",
    "Expm1",
    "Log",
    "Log1p",
    "LogAddExp",
    "Maximum",
    "Minimum",
    "Power",
    "ScalarPower",
    "Sin",
    "Sqrt",
]
