"""Weights as attributes of a layer, which can be read, assigned and edited in place."""

from __future__ import annotations

from typing import Any

from graphnet.core.attributes import NoValueYetError, as_attribute
from graphnet.core.describe import weights as stored
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.dtypes import as_array


class NoWeightsYetError(NoValueYetError):
    """A weight array that does not exist yet."""


def parameter(layer: Layer, name: str) -> Parameter:
    """One weight array of a layer, by name.

    Raises
    ------
    NoWeightsYetError
        If the layer does not have this array, or it does not exist yet.
    """
    array = layer.params.get(name)
    if array is None:
        raise NoWeightsYetError(
            f"there is no {name} yet",
            where=repr(layer),
            received=", ".join(layer.params) or "no weights",
            remedy="Give the sizes to the constructor, or call forward once.",
        )
    return array


class WeightsAttribute:
    """Gives a layer the attribute ``weights``: the array itself, which may be edited in place; assignment copies.

    An assigned array may have more or fewer axes of length 1; ``set_weights`` is strict.

    Raises
    ------
    ShapeError
        If an array of another shape is assigned; the message has both shapes.
    """

    @property
    def weights(self) -> Array:
        """The weights; ``get_weights()`` returns a copy."""
        return parameter(self, "weights").value  # type: ignore[arg-type]

    @weights.setter
    def weights(self, values: Any) -> None:
        _assign(self, "weights", values)


class BiasAttribute(WeightsAttribute):
    """Also gives a layer the attribute ``bias``, for a bias that is a separate array, and access to its gradient."""

    @property
    def bias(self) -> Array:
        """The bias; may be edited in place, and assignment copies."""
        return parameter(self, "bias").value  # type: ignore[arg-type]

    @bias.setter
    def bias(self, values: Any) -> None:
        _assign(self, "bias", values)

    @property
    def gradient_bias(self) -> Array:
        """``get_gradient_bias()`` as an attribute.

        Raises
        ------
        NoValueYetError
            Before the first ``backward``.
        """
        with as_attribute():
            return self.get_gradient_bias()

    def get_gradient_bias(self) -> Array:
        """The gradient of the bias in the last ``backward``, summed over the batch.

        Raises
        ------
        StateError
            Before the first ``backward``.
        """
        return parameter(self, "bias").known_gradient().copy()  # type: ignore[arg-type]


def _assign(layer: Any, name: str, values: Any) -> None:
    target = parameter(layer, name)
    array = as_array(values, f"{layer!r}, {name}")
    shape = target.value.shape
    if _sizes_above_one(array.shape) == _sizes_above_one(shape):
        array = array.reshape(shape)
    target.value = stored.fitting(target, array, f"{layer!r}, {name}")


def _sizes_above_one(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes other than 1."""
    return tuple(size for size in shape if size != 1)
