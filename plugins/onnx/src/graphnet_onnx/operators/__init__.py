"""The operators of ONNX as functions of numpy arrays; one family a file.

:data:`OPERATORS` is the table, and :func:`run` evaluates one operator after checking its inputs against ONNX's own
schema of that operator and opset::

    context = Context.of_node(node, opset=17)
    outputs = run(context, [x, axes])

:class:`~graphnet_onnx.operators.evaluator.Evaluator` evaluates whole graphs node by node. Operators that a layer of
graphnet computes (:attr:`Operator.layer`) are run by that layer.
"""

from graphnet_onnx.operators import (
    activations,
    control,
    convolution,
    creation,
    elementwise,
    indexing,
    logic,
    machine_learning,
    normalization,
    pooling,
    products,
    recurrent,
    reductions,
    resizing,
    sampling,
    scatter,
    sequences,
    shapes,
    signal,
    training,
    trees,
)
from graphnet_onnx.operators.context import Context
from graphnet_onnx.operators.run import run, supported
from graphnet_onnx.operators.table import OPERATORS, Operator, operator

#: The modules that fill the table.
FAMILIES = (
    activations,
    control,
    convolution,
    creation,
    elementwise,
    indexing,
    logic,
    normalization,
    pooling,
    products,
    recurrent,
    reductions,
    scatter,
    machine_learning,
    resizing,
    sampling,
    sequences,
    signal,
    training,
    trees,
    shapes,
)

__all__ = ["OPERATORS", "Context", "Operator", "operator", "run", "supported"]
