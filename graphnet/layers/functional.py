"""Functions that apply a new layer to values of a graph, as in equations."""

from __future__ import annotations

from typing import Any

from graphnet.core.arguments import explained
from graphnet.core.describe.functional import activated, functional
from graphnet.core.describe.value import Value
from graphnet.layers import (
    BatchNormalization,
    Concatenate,
    ConstantArray,
    Dropout,
    Embedding,
    Flatten,
    FullyConnected,
    Gain,
    Last,
    LayerNormalization,
    LearnedArray,
    MatrixProduct,
    MatrixVector,
    MeanOver,
    MeanOverTime,
    Multiply,
    NewAxis,
    OuterProduct,
    Reshape,
    RMSNormalization,
    Split,
    Standardize,
    SumOver,
    SwapAxes,
    UnitNormalization,
    VectorMatrix,
)


@explained
def dense(
    x: Value,
    units: int,
    *,
    activation: Any = None,
    name: str | None = None,
    bias: bool | float = True,
    dtype: str | None = None,
    trainable: bool = True,
) -> Value:
    """Apply a new FullyConnected layer with ``units`` outputs; the number of inputs is taken from ``x``.

    Parameters
    ----------
    x : Value
    units : int
    activation : str, Layer, class of Layer or callable, optional
        Applied to the result, as a node of its own: the name of a registered layer (``"relu"``), a layer, or a function
        of values (``np.tanh``).
    name : str, optional
        Of the node of the FullyConnected; that of the activation is named after both, such as ``hidden_relu``.
    bias : bool or float
        False: no bias. True: filled by the bias initializer. A number: the value it starts at.
    dtype : {'float64', 'float32'}, optional
        Of the weights; None: the dtype of the builder or cell, which is float64 unless it was given.
    trainable : bool
        False: the weights are frozen.

    Examples
    --------
    >>> from graphnet import Builder, dense
    >>> g = Builder("scores", dtype="float32")
    >>> g.build(dense(g.input("x", "batch, feature=4"), 3, name="scores", bias=0.5)).nodes["scores"].layer
    FullyConnected(input_size=None, output_size=3, bias=0.5, dtype='float32')
    """
    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    if not trainable:
        options["trainable"] = trainable
    return activated(_fully_connected(x, None, units, name=name, bias=bias, **options), activation)


_fully_connected = functional(FullyConnected, "fully_connected")
batch_normalization = functional(BatchNormalization, "batch_normalization")
concatenate = functional(Concatenate, "concatenate")
constant = functional(ConstantArray, "constant")
dropout = functional(Dropout, "dropout")
embedding = functional(Embedding, "embedding")
flatten = functional(Flatten, "flatten")
gain = functional(Gain, "gain")
last = functional(Last, "last")
layer_normalization = functional(LayerNormalization, "layer_normalization")
matrix_product = functional(MatrixProduct, "matrix_product")
matrix_vector = functional(MatrixVector, "matrix_vector")
mean_over = functional(MeanOver, "mean_over")
mean_over_time = functional(MeanOverTime, "mean_over_time")
multiply = functional(Multiply, "multiply")
new_axis = functional(NewAxis, "new_axis")
outer_product = functional(OuterProduct, "outer_product")
parameter = functional(LearnedArray, "parameter")
reshape = functional(Reshape, "reshape")
rms_normalization = functional(RMSNormalization, "rms_normalization")
split = functional(Split, "split")
standardize = functional(Standardize, "standardize")
sum_over = functional(SumOver, "sum_over")
swap_axes = functional(SwapAxes, "swap_axes")
unit_normalization = functional(UnitNormalization, "unit_normalization")
vector_matrix = functional(VectorMatrix, "vector_matrix")

__all__ = [
    "batch_normalization",
    "concatenate",
    "constant",
    "dense",
    "dropout",
    "embedding",
    "flatten",
    "gain",
    "last",
    "layer_normalization",
    "matrix_product",
    "matrix_vector",
    "mean_over",
    "mean_over_time",
    "multiply",
    "new_axis",
    "outer_product",
    "parameter",
    "reshape",
    "rms_normalization",
    "split",
    "standardize",
    "sum_over",
    "swap_axes",
    "unit_normalization",
    "vector_matrix",
]
