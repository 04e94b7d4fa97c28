"""One forward and backward pass through a runner, and everything that it returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphnet.core import random
from graphnet.core.describe.axes import BATCH, TIME
from graphnet.core.phase import Phase
from graphnet.core.run.runner import Runner
from graphnet.testing.buffers import Arrays


@dataclass
class PassResult:
    """The results of one pass.

    Attributes
    ----------
    outputs : dict of str to array
    errors : dict of str to array
        The errors for the outputs that backward was given.
    input_errors : dict of str to array or None
        What backward returned.
    gradients : dict of str to array
        The gradients of the weights.
    """

    outputs: Arrays
    errors: Arrays
    input_errors: dict[str, Any]
    gradients: Arrays

    def results(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield every array with a description; inputs without an error are omitted."""
        yield from ((f"output {name!r}", array) for name, array in self.outputs.items())
        yield from ((f"error for {name!r}", array) for name, array in self.input_errors.items() if array is not None)
        yield from ((f"gradient of {name!r}", array) for name, array in self.gradients.items())


def forward(runner: Runner, values: Arrays, phase: Phase, lengths: Any = None, seed: int = 3) -> Arrays:
    """Return the outputs of a forward pass whose random draws depend on ``seed`` alone."""
    named = None
    if lengths is not None:
        shapes = {name: given.shape for name, given in runner.graph.inputs.items()}
        named = {name: lengths for name, shape in shapes.items() if shape and shape.names[:2] == (TIME, BATCH)}
    with random.using(np.random.default_rng(seed)):
        return runner.forward(values, phase=phase, lengths=named)


def backward(runner: Runner, outputs: Arrays, errors: Arrays) -> PassResult:
    """Run the backward pass of the last forward pass; return copies of everything."""
    input_errors = runner.backward(errors)
    return PassResult(
        {name: np.array(array) for name, array in outputs.items()},
        errors,
        {name: None if array is None else np.array(array) for name, array in input_errors.items()},
        {name: np.array(parameter.gradient) for name, parameter in runner.parameters.items()},
    )


def random_errors(outputs: Mapping[str, np.ndarray], seed: int = 11) -> Arrays:
    """Return random errors for some outputs, of the outputs' dtypes."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(np.shape(y)).astype(y.dtype) for name, y in outputs.items()}
