"""TanH, Sigmoid, ReLU, Flatten and Dropout."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise.cells import sigmoid
from graphnet.exercise.matching import Variant, as_numbers, near, wrong_errors
from graphnet.exercise.probe import Probe

Array = npt.NDArray[Any]


def _forward_back(
    probe: Probe, cls: Any, draw: Callable[[], Array], function: Callable[[Array], Array], name: str,
    forward: Callable[[Array], list[Variant]], back: Callable[[Array, Array, Array], tuple[Array, list[Variant]]],
) -> None:  # fmt: skip
    """Check ``forward`` and ``backward`` of an activation; twice, so that stale values show."""

    def outputs() -> None:
        layer, x = probe.call("__init__", cls), draw()
        y = probe.do(layer, "forward", x)
        probe.compare("forward", y, function(x), forward(x), {"batch": len(x)}, "the output")

    def errors() -> None:
        layer, x1, x2 = probe.call("__init__", cls), draw(), draw()
        probe.do(layer, "forward", x1)
        probe.do(layer, "forward", x2)
        error = probe.rng.normal(size=x2.shape)
        actual = probe.do(layer, "backward", error)
        right, variants = back(x2, function(x2), error)
        stale = Variant(
            "state-not-stored", f"backward uses the {name} of an earlier forward", back(x1, function(x1), error)[0]
        )
        terms = derivative_terms(x2, function(x2), error)
        variants = [*variants, *wrong_errors(error, lambda e: back(x2, function(x2), e)[0])]
        probe.compare(
            "backward", actual, right, [*variants, stale], {"batch": len(x2)}, "the error for the input", terms
        )
        second = probe.do(layer, "backward", 2 * error)
        if near(actual, right) and not near(second, 2 * right):
            probe.fault(
                "state-not-stored",
                "a second backward gives another result: the first one changes the state",
                "backward",
            )

    def other_batch() -> None:
        layer = probe.call("__init__", cls)
        for rows in (3, 7):
            x = draw()[:1].repeat(rows, 0)
            if not near(probe.do(layer, "forward", x), function(x)) and not probe.faults:
                probe.fault("wrong-shape", "fails after a batch of another size", "forward")

    probe.stages(outputs, errors, other_batch)


def derivative_terms(x: Array, y: Array, error: Array) -> dict[str, Array]:
    """What a wrong derivative may be a sum of, with x the input and y the activation."""
    factors = {"1": np.ones_like(x), "y": y, "y²": y**2, "y³": y**3, "x": x, "x²": x**2, "x · y": x * y}
    result = {"error" if name == "1" else f"error · {name}": error * value for name, value in factors.items()}
    return {**result, **{name: factors[name] for name in ("1", "y", "y²", "x", "x²")}, "error²": error**2}


def tanh(probe: Probe, cls: Any) -> None:
    """Check TanH."""
    words = "the derivative of TanH is 1 - y², with y the activation that forward returned"

    def forward(x: Array) -> list[Variant]:
        y = np.tanh(x)
        return [
            Variant("wrong-activation", "computes the Sigmoid instead of TanH", sigmoid(x)),
            Variant("activation-missing", "returns its input: TanH is not applied", x),
            Variant("activation-twice", "applies TanH twice", np.tanh(y)),
            Variant("factor", "computes tanh(x / 2)", np.tanh(x / 2)),
            Variant("factor", "computes tanh(2 x)", np.tanh(2 * x)),
            Variant("wrong-activation", "computes 1 - tanh²(x), the derivative", 1 - y**2),
            Variant("wrong-activation", "computes sinh(x) instead of tanh(x)", np.sinh(x)),
            Variant("wrong-activation", "computes arctan(x) instead of tanh(x)", np.arctan(x)),
            Variant("wrong-activation", "computes tan(x) instead of tanh(x)", np.tan(x)),
            Variant(
                "wrong-activation", "computes coth(x) = 1 / tanh(x): numerator and denominator are exchanged", 1 / y
            ),
        ]

    def back(x: Array, y: Array, e: Array) -> tuple[Array, list[Variant]]:
        return e * (1 - y**2), [
            Variant("input-instead-of-activation", f"uses the input x in 1 - x²; {words}", e * (1 - x**2)),
            Variant("activation-twice", f"applies TanH to the activation again; {words}", e * (1 - np.tanh(y) ** 2)),
            Variant("square-missing", f"computes 1 - y; {words}", e * (1 - y)),
            Variant("wrong-derivative", f"computes (1 - y)²; {words}", e * (1 - y) ** 2),
            Variant("wrong-derivative", f"computes y · (1 - y), the Sigmoid's derivative; {words}", e * y * (1 - y)),
            Variant("sign", f"computes 1 + y²; {words}", e * (1 + y**2)),
            Variant("sign", f"computes y² - 1; {words}", e * (y**2 - 1)),
            Variant("wrong-derivative", f"computes y²; {words}", e * y**2),
            Variant("error-missing", "the derivative is not multiplied by the error_tensor", 1 - y**2),
            Variant("derivative-missing", "returns the error unchanged: the derivative is missing", e),
            Variant("error-wrong", "squares the error instead of the activation", 1 - e**2),
            Variant("wrong-derivative", "applies TanH to the error", np.tanh(e)),
            Variant("added", "the error is added to the derivative; it must be multiplied", e + 1 - y**2),
            Variant("brackets", "computes error · 1 - y²: brackets are missing", e - y**2),
            Variant("wrong-derivative", f"divides by the derivative; {words}", lambda: e / (1 - y**2)),
            Variant("derivative-twice", "multiplies by the derivative twice", e * (1 - y**2) ** 2),
        ]

    def advice() -> None:
        _stores_input(probe, cls, lambda: probe.rng.normal(size=(7, 5)), np.tanh)

    _forward_back(probe, cls, lambda: probe.rng.normal(size=(7, 5)), np.tanh, "activations", forward, back)
    probe.stages(advice)


def sigmoid_layer(probe: Probe, cls: Any) -> None:
    """Check Sigmoid."""
    words = "the derivative of the Sigmoid is y · (1 - y), with y the activation that forward returned"

    def forward(x: Array) -> list[Variant]:
        y = sigmoid(x)
        return [
            Variant("sign", "computes 1 / (1 + exp(x)): the sign of the exponent is wrong", sigmoid(-x)),
            Variant("wrong-activation", "computes TanH instead of the Sigmoid", np.tanh(x)),
            Variant("activation-missing", "returns its input: the Sigmoid is not applied", x),
            Variant("sign", "computes 1 / (1 - exp(-x)): the sign in the denominator is wrong", 1 / (1 - np.exp(-x))),
            Variant("activation-twice", "applies the Sigmoid twice", sigmoid(y)),
            Variant("wrong-activation", "computes 1 + exp(-x): the reciprocal is missing", 1 + np.exp(-x)),
            Variant("brackets", "computes 1 / 1 + exp(-x): brackets are missing", 1 + np.exp(-x)),
            Variant("wrong-activation", "computes y · (1 - y), the derivative", y * (1 - y)),
            Variant("wrong-activation", "computes exp(-x) / (1 + exp(-x)), which is the Sigmoid of -x", 1 - y),
        ]

    def back(x: Array, y: Array, e: Array) -> tuple[Array, list[Variant]]:
        return e * y * (1 - y), [
            Variant("input-instead-of-activation", f"uses the input x in x · (1 - x); {words}", e * x * (1 - x)),
            Variant("activation-twice", f"applies the Sigmoid to the activation again; {words}",
                    e * sigmoid(y) * (1 - sigmoid(y))),
            Variant("wrong-derivative", f"computes 1 - y², the derivative of TanH; {words}", e * (1 - y**2)),
            Variant("missing-factor", f"computes 1 - y, the factor y is missing; {words}", e * (1 - y)),
            Variant("missing-factor", f"computes y, the factor 1 - y is missing; {words}", e * y),
            Variant("sign", f"computes y · (1 + y); {words}", e * y * (1 + y)),
            Variant("sign", f"computes y · (y - 1); {words}", e * y * (y - 1)),
            Variant("wrong-derivative", f"computes y · (1 - y²); {words}", e * y * (1 - y**2)),
            Variant("wrong-derivative", f"computes y² · (1 - y); {words}", e * y**2 * (1 - y)),
            Variant("wrong-derivative", f"computes y · (1 - y)²; {words}", e * y * (1 - y) ** 2),
            Variant("brackets", f"computes error · y · 1 - y: brackets are missing; {words}", e * y - y),
            Variant("wrong-derivative", f"computes y · (1 - x): activation and input are mixed; {words}", e * y * (1 - x)),
            Variant("wrong-derivative", f"computes x · (1 - y): activation and input are mixed; {words}", e * x * (1 - y)),
            Variant("error-missing", "the derivative is not multiplied by the error_tensor", y * (1 - y)),
            Variant("error-wrong", "computes error · (1 - error): the activation is not used", e * (1 - e)),
            Variant("derivative-missing", "returns the error unchanged: the derivative is missing", e),
            Variant("added", "the error is added to the derivative; it must be multiplied", e + y * (1 - y)),
            Variant("wrong-derivative", "applies the Sigmoid to the error", sigmoid(e)),
            Variant("derivative-twice", "multiplies by the derivative twice", e * (y * (1 - y)) ** 2),
        ]  # fmt: skip

    def large() -> None:
        layer = probe.call("__init__", cls)
        y = as_numbers(probe.do(layer, "forward", np.array([[1e4, -1e4, 0.0]])))
        if y is not None and not np.isfinite(y).all():
            probe.fault("not-finite", "forward gives NaN for inputs of ±10000: the exponential overflows", "forward")

    def advice() -> None:
        _stores_input(probe, cls, lambda: probe.rng.normal(size=(7, 5)), sigmoid)

    _forward_back(probe, cls, lambda: probe.rng.normal(size=(7, 5)), sigmoid, "activations", forward, back)
    probe.stages(large, advice)


def _stores_input(probe: Probe, cls: Any, draw: Callable[[], Array], function: Callable[[Array], Array]) -> None:
    """A note if the layer keeps its input instead of its activations, which the exercise asks for."""
    layer, x = probe.call("__init__", cls), draw()
    probe.do(layer, "forward", x)
    kept = (
        [value for value in vars(layer).values() if isinstance(value, np.ndarray)] if hasattr(layer, "__dict__") else []
    )
    if any(near(value, x) for value in kept) and not any(near(value, function(x)) for value in kept):
        words = "keeps the input for backward; the exercise asks for the activations, which need no second evaluation"
        probe.note("input-stored", words, "forward")


def relu(probe: Probe, cls: Any) -> None:
    """Check ReLU."""

    def forward(x: Array) -> list[Variant]:
        return [
            Variant("sign", "returns the negative part: max and min are exchanged", np.minimum(x, 0)),
            Variant("wrong-activation", "returns the absolute value", np.abs(x)),
            Variant("activation-missing", "returns its input", x),
            Variant("wrong-activation", "returns 1 for positive inputs, not the inputs", 1.0 * (x > 0)),
            *(
                Variant("wrong-activation", f"is a leaky ReLU with slope {a}", np.where(x > 0, x, a * x))
                for a in (0.1, 0.01, 0.2)
            ),
        ]

    def back(x: Array, y: Array, e: Array) -> tuple[Array, list[Variant]]:
        return e * (x > 0), [
            Variant(
                "derivative-missing", "returns the error unchanged: it must be zero where the input was not positive", e
            ),
            Variant("error-wrong", "applies ReLU to the error; the sign of the *input* decides", np.maximum(e, 0)),
            Variant("error-missing", "returns the derivative without the error", 1.0 * (x > 0)),
            Variant("sign", "keeps the error where the input was negative", e * (x < 0)),
            Variant("wrong-derivative", "multiplies by the activation instead of its derivative", e * y),
            Variant("wrong-derivative", "multiplies by the input instead of the derivative", e * x),
            Variant("error-wrong", "is zero where the error, not the input, is negative", np.where(e > 0, e, 0)),
            Variant("error-wrong", "returns the input where it was positive", np.where(x > 0, x, 0)),
            Variant("error-wrong", "needs input and error positive; only the input matters", e * ((x > 0) & (e > 0))),
        ]

    def draw() -> Array:
        x = probe.rng.normal(size=(7, 5))
        x[0, 0], x[1, 1] = 1.5, -1.5
        return x

    def threshold() -> None:
        if not any(f.code == "differs" for f in probe.faults):
            return
        layer, x = probe.call("__init__", cls), np.linspace(-3, 3, 601).reshape(1, -1)
        y = as_numbers(probe.do(layer, "forward", x))
        if y is None or y.shape != x.shape:
            return
        passed = y != 0
        if near(y, np.where(passed, x, 0.0)) and passed.any() and (np.diff(passed[0].astype(int)) >= 0).all():
            probe.fault("threshold", f"the threshold is {x[passed].min() - 0.01:.2g}; it is 0", "forward")

    _forward_back(probe, cls, draw, lambda x: np.maximum(x, 0.0), "input", forward, back)
    probe.stages(threshold)


def flatten(probe: Probe, cls: Any) -> None:
    """Check Flatten."""

    def both() -> None:
        layer, x = probe.call("__init__", cls), probe.rng.normal(size=(3, 2, 4, 5))
        actual = probe.do(layer, "forward", x)
        variants = (
            Variant("batch-lost", "flattens the batch axis too", x.reshape(-1)),
            Variant("batch-lost", "flattens the batch axis too", x.reshape(1, -1)),
            Variant("wrong-order", "flattens in another order of the axes", x.reshape(3, -1, order="F")),
            Variant("wrong-order", "flattens in another order of the axes", np.moveaxis(x, 1, -1).reshape(3, -1)),
            Variant("not-flat", "returns its input", x),
            *(
                Variant("wrong-order", "flattens in another order of the axes", made)
                for order in itertools.permutations(range(4))
                for made in (x.transpose(order).reshape(3, -1), x.transpose(order).reshape(-1, 3).T)
            ),
        )
        probe.compare("forward", actual, x.reshape(3, -1), variants, what="the output")
        error = probe.rng.normal(size=(3, 40))
        back = probe.do(layer, "backward", error)
        back_variants = (
            Variant("wrong-order", "backward puts the error into another order", error.reshape(x.shape, order="F")),
            *(
                Variant("wrong-order", "backward puts the error into another order of the axes", made)
                for order in itertools.permutations((1, 2, 3))
                for made in (
                    error.reshape(3, *(x.shape[axis] for axis in order)).transpose(
                        0, *(order.index(k) + 1 for k in (1, 2, 3))
                    ),
                )
            ),
            Variant("not-restored", "backward returns the error flat: it needs the shape of the input", error),
            Variant("input-returned", "backward returns the input, not the error", x),
        )
        probe.compare("backward", back, error.reshape(x.shape), back_variants, what="the error for the input")
        other = probe.rng.normal(size=(2, 3, 6))
        probe.compare("forward", probe.do(layer, "forward", other), other.reshape(2, -1), what="the output")

    probe.stages(both)


def set_testing(probe: Probe, layer: Any, testing: bool) -> None:
    """Put a student's layer in a phase, by whichever name it has."""
    if hasattr(layer, "testing_phase"):
        layer.testing_phase = testing
        return
    phase = getattr(layer, "phase", None)
    members = getattr(type(phase), "__members__", {})
    name = "test" if testing else "train"
    if name in members:
        layer.phase = members[name]
    elif hasattr(layer, "phase"):
        probe.note("phase", f"phase is {phase!r}; the phases are Phase.train and Phase.test", "phase")
        layer.phase = name
    else:
        wanted = "phase" if probe.contract else "testing_phase"
        probe.fault("missing-property", f"has no attribute {wanted}", wanted)
        layer.testing_phase = testing


def dropout(probe: Probe, cls: Any) -> None:
    """Check Dropout: which values its mask has, and how often."""
    keep, x = 0.3, np.ones((400, 250))

    def training() -> None:
        layer = probe.call("__init__", cls, keep)
        y = as_numbers(probe.do(layer, "forward", x))
        if y is None or y.shape != x.shape:
            probe.compare("forward", y, x, what="the output")
            return
        _mask(probe, y, keep)
        error = probe.rng.normal(size=x.shape)
        variants = (
            Variant(
                "derivative-missing", "backward returns the error unchanged: it must be masked as the input was", error
            ),
            Variant("scale-missing", "backward masks the error, but does not scale it by 1/p", error * (y != 0)),
            Variant("scale-twice", "backward scales the error twice by 1/p", error * (y != 0) / keep**2),
        )
        back = as_numbers(probe.do(layer, "backward", error))
        if any(f.code.startswith(("scale", "probability")) for f in probe.faults) and near(
            back, error * (y != 0) / keep
        ):
            return  # forward's mistake is not backward's
        if back is not None and back.shape == x.shape and not near(back, error * y):
            zeros = (back == 0).mean()
            if 0.01 < zeros < 0.99 and np.abs((back == 0).astype(float) - (y == 0)).mean() > 0.05:
                words = "backward draws a new mask; it must use that of forward"
                probe.fault("mask-not-stored", words, "backward")
                return
        probe.compare("backward", back, error * y, variants, what="the error for the input")
        second = as_numbers(probe.do(layer, "forward", x))
        if second is not None and near(second, y):
            probe.fault("mask-once", "the mask is drawn once; every forward needs a new one", "forward")

    def testing() -> None:
        layer = probe.call("__init__", cls, keep)
        probe.do(layer, "forward", x[:20])
        set_testing(probe, layer, True)
        y = probe.do(layer, "forward", x)
        variants = (
            Variant(
                "scaled-in-test", "the test phase multiplies by p; inverted dropout changes nothing there", x * keep
            ),
            Variant(
                "scaled-in-test", "the test phase multiplies by 1/p; inverted dropout changes nothing there", x / keep
            ),
            Variant("scaled-in-test", "the test phase multiplies by 1 - p; it changes nothing", x * (1 - keep)),
        )
        numbers = as_numbers(y)
        if numbers is not None and numbers.shape == x.shape and 0.05 < (numbers == 0).mean() < 0.95:
            probe.fault("test-phase", "the test phase is not respected: units are dropped in it too", "forward")
            return
        probe.compare("forward in the test phase", y, x, variants, what="the output")

    probe.stages(training, testing)


def _mask(probe: Probe, y: Array, keep: float) -> None:
    kept, values = (y != 0).mean(), np.unique(y[y != 0].round(6))
    if kept in (0.0, 1.0):
        probe.fault("not-dropped", "drops nothing" if kept else "drops everything", "forward")
        return
    right = {round(1 / keep, 6)}
    if abs(kept - keep) > 0.02 and abs(kept - (1 - keep)) < 0.02:
        right.add(round(1 / (1 - keep), 6))
        probe.fault(
            "probability-inverted", "p is used as the probability of dropping; it is that of keeping a unit", "forward"
        )
        keep = 1 - keep
    elif abs(kept - keep) > 0.02:
        probe.fault("probability", f"keeps {kept:.0%} of the units, expected {keep:.0%}", "forward")
    rows, columns = (y != 0).mean(1), (y != 0).mean(0)
    if np.isin(columns, (0.0, 1.0)).all() or np.isin(rows, (0.0, 1.0)).all():
        probe.fault("mask-shape", "one mask serves all rows: it needs the shape of the input", "forward")
        return
    if len(values) == 1 and any(abs(values[0] - scale) < 1e-3 for scale in right):
        return
    if len(values) == 1 and abs(values[0] - 1) < 1e-6:
        probe.fault("scale-missing", "what is kept is not scaled by 1/p", "forward")
    elif len(values) == 1:
        probe.fault("scale", f"what is kept is scaled by {values[0]:.4g}, expected 1/p = {1 / keep:.4g}", "forward")
    else:
        probe.fault("mask-values", "the mask has other values than 0 and 1/p", "forward")
