"""Checks of what a layer's rules return. A bound step runs them in its first pass only, so later passes are as fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array
from graphnet.core.describe.shapes import Shape
from graphnet.core.errors import GraphnetError, RuleError


class RuleChecks:
    """What the rules of one layer, at one node, must return.

    Parameters
    ----------
    path : str
        Of the node.
    layer : Layer
    dtype : str
        Of the pass.
    """

    def __init__(self, path: str, layer: Layer, dtype: str) -> None:
        self.path, self.layer, self.dtype = path, layer, dtype

    def several(self, output: Any, count: int) -> tuple[Any, ...]:
        """The output of ``apply`` if it is a tuple of ``count`` outputs."""
        if not isinstance(output, tuple) or len(output) != count:
            raise self.broken("apply", f"{count} outputs in a tuple", type(output).__name__)
        return output

    def outputs(self, outputs: Sequence[Any], expected: Sequence[Shape | None]) -> None:
        """Check the outputs that ``apply`` returned."""
        for array, shape in zip(outputs, expected, strict=True):
            self.compare("apply", array, shape)

    def errors(self, errors: tuple[Any, ...], expected: Sequence[Shape | None]) -> None:
        """Check what ``pull`` returned: one error for each input, or None."""
        if len(errors) != len(expected):
            raise self.broken("pull", f"{len(expected)} errors, one for each input", len(errors))
        for array, shape in zip(errors, expected, strict=True):
            if array is not None and shape is not None:
                self.compare("pull", array, shape)

    def gradient(self, name: str, gradient: Any) -> Array:
        """A copy of the first gradient of a weight in a pass, checked; later ones are added to it."""
        parameter = self.layer.params.get(name)
        if parameter is None:
            raise self.broken("grad", f"gradients for {', '.join(self.layer.params)}", repr(name))
        if np.shape(gradient) != parameter.value.shape:
            raise self.broken("grad", f"shape {parameter.value.shape} for {name}", f"shape {np.shape(gradient)}")
        return np.array(gradient, self.dtype)

    def buffers(self, new: Any, buffers: Mapping[str, Array]) -> None:
        """Check what ``update`` returned: values for existing buffers, in their shapes."""
        if not isinstance(new, dict) or set(new) - set(buffers):
            received = ", ".join(map(str, new)) if isinstance(new, dict) else type(new).__name__
            raise self.broken("update", f"values for {', '.join(buffers)}", received)
        for name, value in new.items():
            if np.shape(value) != buffers[name].shape:
                raise self.broken("update", f"shape {buffers[name].shape} for {name}", f"shape {np.shape(value)}")

    def compare(self, rule: str, array: Any, shape: Shape | None) -> None:
        """Check one array that a rule returned."""
        if not isinstance(array, (np.ndarray, np.generic)):
            raise self.broken(rule, f"an array of shape {shape}", type(array).__name__)
        if shape is not None and array.shape != shape.sizes:
            raise self.broken(rule, f"shape {shape}", f"shape {array.shape}")
        if array.dtype.name != self.dtype:
            raise self.broken(rule, f"dtype {self.dtype}, as the input", f"dtype {array.dtype}")

    def broken(self, rule: str, expected: object, received: object) -> RuleError:
        """The error for an invalid return value."""
        return RuleError(
            f"{rule} of {type(self.layer).__name__} returned an invalid value",
            where=self.path,
            expected=expected,
            received=received,
        )

    def placed(self, error: Exception) -> Exception:
        """An error that a rule raised, with the node's path."""
        if isinstance(error, GraphnetError):
            return error.at(self.path)
        error.add_note(f"raised by node {self.path}, {self.layer!r}")
        return error
