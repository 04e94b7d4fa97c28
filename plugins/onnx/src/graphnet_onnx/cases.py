"""Conformance cases of the layers of this distribution."""

import math

import numpy as np

from graphnet.testing import Case
from graphnet_onnx.layers import AxisSize, Erf, OnnxOperator, Rearrange, Reduce, StepMask, Threshold

ROWS, SEQUENCE, CUBE = "batch=4, feature=3", "time=5, batch=3, feature=2", "batch=3, axis1=4, axis2=2"


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(x)


CASES = [
    Case(Erf, {}, ROWS, reference=_erf),
    Case(
        Rearrange,
        {"split": ((-1,), (2, -1), (-1,)), "order": (0, 3, 2, 1), "join": (1, 2, 1)},
        CUBE,
        reference=lambda x: x.reshape(3, 2, 2, 2).transpose(0, 3, 2, 1).reshape(3, 4, 2),
        refused=[{"split": ((-1,),), "order": (0,), "join": (2,)}, {"split": ((-1,),), "order": (1,), "join": (1,)}],
    ),
    *(Case(Reduce, {"kind": kind, "axis": -2}, CUBE) for kind in ("mean", "max")),
    Case(Reduce, {"kind": "sum", "keep": True}, SEQUENCE, reference=lambda x: x.sum(-1, keepdims=True)),
    Case(StepMask, {}, [SEQUENCE, np.array([[1.0], [5.0], [0.0]])], disclaims=["rows"]),
    Case(AxisSize, {"axis": 1}, CUBE, reference=lambda x: np.full((3, 1), 4.0)),
    Case(AxisSize, {}, SEQUENCE),
    Case(Threshold, {"alpha": 0.5}, ROWS),
    Case(
        OnnxOperator,
        {
            "operator": "Pad", "opset": 18, "rows": (0,), "sizes": (6,), "attributes": (("mode", "constant"),),
            "inputs": (("value", "float32", (0, 1), (3,)), ("array", "int64", (4,), (0, 1, 0, 2))),
        },
        ROWS,
        reference=lambda x: np.pad(x, ((0, 0), (1, 2))),
    ),
]  # fmt: skip
