"""Weights of a unit in the layout of a place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import FileError
from graphnet.models.weight_import.places import Place
from graphnet.models.weight_import.units import GATES, Unit


def fits(unit: Unit, place: Place) -> bool:
    """Whether a unit has the kind, the direction and the shapes of a place."""
    kinds = ("linear", "embedding") if unit.kind == "matrix" else (unit.kind,)
    if place.kind not in kinds or unit.reverse != place.reverse:
        return False
    try:
        made = converted(unit, place)
    except (FileError, ValueError, KeyError, IndexError):  # shapes that contradict each other
        return False
    return all(made[name].shape == array.shape for name, array in place.arrays.items())


def converted(unit: Unit, place: Place, image: tuple[int, ...] | None = None) -> dict[str, Array]:
    """The arrays of a place, from those of a unit that fits.

    Parameters
    ----------
    image : tuple of int, optional
        ``(channel, y, x)``, if the rows of a linear layer are a flattened image.
    """
    arrays = unit.arrays
    if place.kind == "linear":
        return {"weights": _dense(arrays, place.arrays["weights"].shape[0], image if unit.channels_last else None)}
    if place.kind == "embedding":
        return {"weights": arrays["weight"]}
    if place.kind in ("conv", "layer_norm", "batch_norm"):
        bias = arrays.get("bias", np.zeros(arrays["weight"].shape[0], arrays["weight"].dtype))
        made = {"weights": arrays["weight"], "bias": bias}
        if place.kind == "batch_norm":
            # One batch was seen, of an unknown number of rows.
            made |= {
                "mean": arrays["mean"],
                "variance": arrays["variance"],
                "batches": np.ones(()),
                "rows": np.zeros(()),
            }
        return made
    return _gates(unit, place.kind)


def _dense(arrays: Mapping[str, Array], rows: int, image: tuple[int, ...] | None) -> Array:
    """``(in + 1, out)``, the bias last; without one, zeros, or no such row where the place has none."""
    weight = arrays["weight"].T
    if image is not None:
        channels, *positions = image
        weight = np.moveaxis(weight.reshape(*positions, channels, -1), -2, 0).reshape(weight.shape)
    if "bias" not in arrays and rows == weight.shape[0]:
        return weight
    bias = arrays.get("bias", np.zeros(weight.shape[1], weight.dtype))
    return np.concatenate([weight, bias[None]])


def _gates(unit: Unit, kind: str) -> dict[str, Array]:
    names = GATES[kind]
    count = len(names) * unit.arrays["hidden"].shape[-1]
    zeros = np.zeros(count, unit.arrays["input"].dtype)
    parts = {part: unit.arrays.get(part, zeros) for part in ("input", "hidden", "input_bias", "hidden_bias")}
    made: dict[str, Array] = {}
    for name, x, h, b, c in zip(names, *(np.split(array, len(names)) for array in parts.values()), strict=True):
        if kind == "gru" and name == "candidate":
            made["candidate_input/weights"] = np.concatenate([x.T, b[None]])
            made["candidate_state/weights"] = np.concatenate([h.T, c[None]])
        else:
            made[f"{name}/weights"] = np.concatenate([x.T, h.T, (b + c)[None]])
    return made
