"""Layers and losses of another author, which make NaN or infinity where a value has the mark."""

from typing import Any

import numpy as np

from graphnet import Builder, Composite, FullyConnected, Layer, Weight
from graphnet.losses import MeanSquaredError

MARK = 7.25
FORWARD = ("nan", "infinity", "overflow", "log", "division", "square")
BACKWARD = ("nan_error", "root", "infinite_error", "gradient")


class Plant(Layer):
    """The identity, but for marked values."""

    how: str = "nan"
    opaque: bool = False

    def apply(self, x: Any) -> tuple[Any, Any]:
        if self.opaque:
            x = np.asarray(x)
        marked = x == MARK
        y = {
            "nan": np.nan,
            "infinity": np.inf,
            "overflow": np.exp(np.where(marked, x * 100, x)),
            "log": np.log(np.abs(x - MARK)),
            "division": (x - MARK) / (x - MARK),
            "square": np.square(np.where(marked, x * 1e30, x)),
        }.get(self.how)
        return (x if y is None else np.where(marked, y, x)), x

    def pull(self, x: Any, error: Any) -> Any:
        if self.how == "nan_error":
            return np.where(x == MARK, np.nan, error)
        if self.how == "infinite_error":
            return np.where(x == MARK, np.inf, error)
        if self.how == "root":
            return np.where(x == MARK, (error + 1e-3) / (0 * np.abs(x)), error)
        return error


class GradientPlant(Layer):
    """A factor for each feature, whose gradient is NaN for marked values."""

    def parameters(self, *inputs: Any) -> dict[str, Weight]:
        return {"scale": Weight((3,), kind="bias", value=1.0)}

    def apply(self, x: Any, *, scale: Any) -> tuple[Any, Any]:
        return x * scale, x

    def pull(self, x: Any, error: Any, *, scale: Any) -> Any:
        return error * scale

    def grad(self, x: Any, error: Any) -> dict[str, Any]:
        each = np.where(x == MARK, np.nan, error * x)
        return {"scale": each.reshape(-1, each.shape[-1]).sum(0)}


def plant(how: str, opaque: bool) -> Layer:
    return GradientPlant() if how == "gradient" else Plant(how, opaque)


class Deep(Composite):
    """A plant between layers with weights."""

    how: str = "nan"
    opaque: bool = False

    def build(self) -> Any:
        g = Builder("deep")
        x = g.input("x")
        before = FullyConnected(3, 3)(x, name="before") * 0.0 + x
        planted = plant(self.how, self.opaque)(before, name="plant")
        return g.build(FullyConnected(3, 3)(planted, name="after") + x * 0.1)


class NanLoss(MeanSquaredError):
    """NaN for marked targets."""

    def rule(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        losses, errors = super().rule(prediction, target)
        return np.where(target == MARK, np.nan, losses), errors


class NanLossError(MeanSquaredError):
    """A gradient of NaN for marked targets."""

    def rule(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        losses, errors = super().rule(prediction, target)
        return losses, np.where(target == MARK, np.nan, errors)


class UncheckedTargets(MeanSquaredError):
    """Does not refuse NaN in targets."""

    def clean_target(self, prediction_shape: tuple[int, ...], target: Any) -> Any:
        return target
