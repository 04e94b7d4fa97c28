"""The table of operators: which function computes which operator of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: ``kernel(context, *inputs)``: the inputs are arrays, or None for an optional one that is not connected (trailing ones
#: are left out); the result is the output, or a tuple of outputs.
Kernel = Callable[..., Any]


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes
    ----------
    name, domain : str
        As in ONNX; the domain of ``ai.onnx`` is the empty string.
    kernel : callable
        See :data:`Kernel`.
    layer : str
        The layers of graphnet that compute it, for the configurations that they have; an empty string if there is
        none.
    """

    name: str
    domain: str
    kernel: Kernel
    layer: str = ""


#: The operators by domain and name; the modules of this package fill it.
OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(*names: str, domain: str = "", layer: str = "") -> Callable[[Kernel], Kernel]:
    """Enter a function into the table under these names."""

    def enter(kernel: Kernel) -> Kernel:
        for name in names:
            OPERATORS[domain, name] = Operator(name, domain, kernel, layer)
        return kernel

    return enter
