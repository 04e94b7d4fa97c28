"""Evaluates one operator on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphnet import DataError, GraphnetError, ShapeError
from graphnet_onnx.operators.context import DEFAULT_DOMAINS, Context, unknown_operator
from graphnet_onnx.operators.signature import signature_of, type_name
from graphnet_onnx.operators.table import OPERATORS


def supported(name: str, domain: str = "") -> bool:
    """Whether the table has an operator."""
    return ("" if domain in DEFAULT_DOMAINS else domain, name) in OPERATORS


def run(context: Context, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return the outputs of an operator.

    Parameters
    ----------
    context : Context
    inputs : sequence of array or None
        None for an optional input that is not connected. Sequences of ONNX are lists, maps are dictionaries.

    Returns
    -------
    tuple
        As many outputs as the operator computes, at least those that the node names.

    Raises
    ------
    UnknownNameError
        If the table does not have the operator.
    GraphError, DtypeError
        If the number or the types of the inputs differ from ONNX's schema.
    ShapeError, DataError
        If shapes do not fit, or values are outside their range.
    """
    entry = OPERATORS.get((context.domain, context.operator))
    if entry is None:
        raise unknown_operator(context.operator, context.domain, context.opset, context.where)
    signature = signature_of(context.operator, context.opset, context.domain)
    variables = {} if signature is None else signature.bind(context, inputs)
    try:
        with np.errstate(all="ignore"):  # infinity and NaN are results like others in ONNX
            results = entry.kernel(context, *inputs)
    except GraphnetError:
        raise
    except MemoryError as error:
        raise context.failure("the result is too large for the memory", DataError) from error
    except Exception as error:  # what numpy raises for damaged models is on no list
        raise _failed(context, inputs, error) from error
    results = results if isinstance(results, tuple) else (results,)
    if signature is None:
        return results
    return tuple(signature.result(position, value, variables) for position, value in enumerate(results))


def _failed(context: Context, inputs: Sequence[Any], error: Exception) -> GraphnetError:
    """The error for what numpy refuses."""
    shapes = ", ".join(
        f"{type_name(a.dtype)} {a.shape}" if isinstance(a, np.ndarray) else type(a).__name__ for a in inputs
    )
    problem = f"{context.operator} cannot be computed: {' '.join(str(error).split()) or type(error).__name__}"
    return context.failure(problem, ShapeError, received=shapes or None)
