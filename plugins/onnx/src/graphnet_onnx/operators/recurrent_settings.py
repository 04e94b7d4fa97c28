"""The attributes of RNN, GRU and LSTM."""

from __future__ import annotations

from dataclasses import dataclass

from graphnet import ConfigError
from graphnet_onnx.operators.context import Context

#: The default activations of one direction.
DEFAULT = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}
#: The direction of each Scan: whether it is reversed.
REVERSED = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
#: The activations, with the defaults of alpha and beta; None: it has no such parameter.
ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {
    "Affine": (1.0, 0.0),
    "Elu": (1.0, None),
    "HardSigmoid": (0.2, 0.5),
    "LeakyRelu": (0.01, None),
    "Relu": (None, None),
    "ScaledTanh": (1.0, 1.0),
    "Sigmoid": (None, None),
    "Softplus": (None, None),
    "Softsign": (None, None),
    "Tanh": (None, None),
    "ThresholdedRelu": (1.0, None),
}


@dataclass(frozen=True)
class Activation:
    """One activation, with its parameters."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True)
class Settings:
    """The attributes of a node.

    Attributes
    ----------
    units : int
    reversed : tuple of bool
        For each direction, whether it starts at the end.
    activations : tuple of tuple of Activation
        Those of each direction.
    clip : float or None
        The inputs of gates and candidates are cut at this magnitude.
    batch_first : bool
        Layout 1.
    linear_before_reset, input_forget : bool
    """

    units: int
    reversed: tuple[bool, ...]
    activations: tuple[tuple[Activation, ...], ...]
    clip: float | None = None
    batch_first: bool = False
    linear_before_reset: bool = False
    input_forget: bool = False


def settings_of(context: Context, units: int) -> Settings:
    """Return the settings of a node.

    Raises
    ------
    ConfigError
        If the direction or an activation is not known, or their number is wrong.
    """
    direction = context["direction"]
    if direction not in REVERSED:
        raise context.failure("unknown direction", ConfigError, expected=", ".join(REVERSED), received=direction)
    given = context.get("hidden_size", units)
    context.require(given == units, "hidden_size differs from R", expected=units, received=given)
    clip = context.get("clip")
    return Settings(
        units,
        REVERSED[direction],
        _activations(context, len(REVERSED[direction])),
        None if clip is None else float(clip),
        bool(context.get("layout", 0)),
        bool(context.get("linear_before_reset", 0)),
        bool(context.get("input_forget", 0)),
    )


def _activations(context: Context, directions: int) -> tuple[tuple[Activation, ...], ...]:
    """The activations of each direction; the lists of parameters have entries only for those that have them."""
    default = DEFAULT[context.operator]
    count = len(default)
    names = list(context.get("activations") or default * directions)
    if context.operator == "RNN" and names == ["Tanh", "Tanh"]:  # the default, which is that of two directions
        names = names[:directions]
    if len(names) != count * directions:
        raise context.failure(
            "wrong number of activations", ConfigError, expected=count * directions, received=len(names)
        )
    by_lower_case = {name.lower(): name for name in ACTIVATIONS}
    alphas, betas = list(context.get("activation_alpha") or ()), list(context.get("activation_beta") or ())
    activations = []
    for given in names:
        name = by_lower_case.get(given.lower())
        if name is None:
            raise context.failure("unknown activation", ConfigError, expected=", ".join(ACTIVATIONS), received=given)
        alpha, beta = ACTIVATIONS[name]
        alpha = 0.0 if alpha is None else float(alphas.pop(0)) if alphas else alpha
        beta = 0.0 if beta is None else float(betas.pop(0)) if betas else beta
        activations.append(Activation(name, alpha, beta))
    return tuple(tuple(activations[d * count : (d + 1) * count]) for d in range(directions))
