"""Weights as attributes of a layer: readable, assignable, and editable in place."""

from __future__ import annotations

from typing import Any

from graphnet.core.describe import weights as stored
from graphnet.core.describe.layer import Layer
from graphnet.core.describe.parameter import Array, Parameter
from graphnet.core.dtypes import as_array
from graphnet.core.errors import StateError


class NoWeightsYetError(StateError, AttributeError):
    """An attribute that has no array yet; also an AttributeError, so that ``hasattr`` says no."""


def parameter(layer: Layer, name: str) -> Parameter:
    """One weight array of a layer, by name.

    Raises
    ------
    NoWeightsYetError
        If the layer does not have it, or not yet.
    """
    found = layer.params.get(name)
    if found is None:
        raise NoWeightsYetError(
            f"there is no {name} yet",
            where=repr(layer),
            received=", ".join(layer.params) or "no weights",
            remedy="Give the sizes to the constructor, or call forward once.",
        )
    return found


class WeightsAttribute:
    """Gives a layer the attribute ``weights``: the array itself, so that editing it in place counts; assigning copies.

    Axes of length 1 may be missing from what is assigned, or be too many; ``set_weights`` is strict.

    Raises
    ------
    ShapeError
        When an array of another shape is assigned; the message has both.
    """

    @property
    def weights(self) -> Array:
        """The weights; ``get_weights()`` is a copy of them."""
        return parameter(self, "weights").value  # type: ignore[arg-type]

    @weights.setter
    def weights(self, values: Any) -> None:
        _assign(self, "weights", values)


class BiasAttribute(WeightsAttribute):
    """The same for ``bias``, where that is an array of its own, with its gradient."""

    @property
    def bias(self) -> Array:
        """The bias; editing it in place counts, assigning copies."""
        return parameter(self, "bias").value  # type: ignore[arg-type]

    @bias.setter
    def bias(self, values: Any) -> None:
        _assign(self, "bias", values)

    def get_gradient_bias(self) -> Array:
        """The bias's gradient of the last ``backward``, summed over the batch.

        Raises
        ------
        StateError
            Before the first ``backward``.
        """
        return parameter(self, "bias").known_gradient().copy()  # type: ignore[arg-type]


def _assign(layer: Any, name: str, values: Any) -> None:
    found = parameter(layer, name)
    array = as_array(values, f"{layer!r}, {name}")
    shape = found.value.shape
    if _long(array.shape) == _long(shape):
        array = array.reshape(shape)
    found.value = stored.fitting(found, array, f"{layer!r}, {name}")


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes above 1: axes of length 1 may be missing from what is assigned, or be too many."""
    return tuple(size for size in shape if size != 1)
