"""Optimizers and regularizers."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise.matching import Variant, as_numbers, near
from graphnet.exercise.probe import Probe
from graphnet.exercise.tools import SquareNorm

Array = npt.NDArray[Any]
STEPS, DELTA = 4, 0.6
#: New weights from the step's number (from 1), a rate, the weights, a gradient, and a state that starts empty.
Rule = Callable[[int, float, Array, Array, dict[str, Array]], Array]


def _sgd(t: int, rate: float, w: Array, g: Array, s: dict[str, Array]) -> Array:
    return w - rate * g


def _momentum(mu: float = 0.8, kind: str = "") -> Rule:
    def rule(t: int, rate: float, w: Array, g: Array, s: dict[str, Array]) -> Array:
        v = s.get("v", np.zeros_like(g))
        new = {
            "plus": mu * v + rate * g, "no rate": mu * v - g, "no momentum": -rate * g, "1 - mu": mu * v - (1 - mu) * rate * g,
            "negative": -mu * v - rate * g, "nesterov": mu * v - rate * g, "not kept": mu * v - rate * g,
            "rate on all": rate * (mu * v - g), "unscaled": v - rate * g,
        }.get(kind, mu * v - rate * g)  # fmt: skip
        if kind != "not kept":
            s["v"] = new
        if kind == "nesterov":
            return w + mu * new - rate * g
        if kind == "plus":
            return w + new
        return w - new if kind == "subtracted" else w + new

    return rule


def _moments(kind: str, mu: float, rho: float, g: Array, s: dict[str, Array]) -> tuple[Array, Array]:
    """Adam's moments after one gradient, with a fault."""
    old_v, old_r = s.get("v", 0 * g), s.get("r", 0 * g)
    v, r = mu * old_v + (1 - mu) * g, rho * old_r + (1 - rho) * g * g
    wrong = {
        "not squared": (v, rho * old_r + (1 - rho) * np.abs(g)),
        "sum": (mu * old_v + g, rho * old_r + g * g),
        "r by mu": (v, rho * old_r + (1 - mu) * g * g),
        "v by rho": (mu * old_v + (1 - rho) * g, r),
        "r of v": (v, rho * old_r + (1 - rho) * g * v),
        "v of r": (v, rho * old_v + (1 - rho) * g * g),
        "v minus": (mu * old_v - (1 - mu) * g, r),
        "weights exchanged": ((1 - mu) * old_v + mu * g, (1 - rho) * old_r + rho * g * g),
    }
    return wrong.get(kind, (v, r))


def _corrected(kind: str, mu: float, rho: float, k: int, v: Array, r: Array) -> tuple[Array, Array]:
    """The moments after the bias correction, with a fault."""
    with np.errstate(all="ignore"):
        first, second = v / (1 - mu**k), r / (1 - rho**k)
        wrong = {
            "no correction": (v, r),
            "no first": (v, second),
            "no second": (first, r),
            "mu twice": (first, r / (1 - mu**k)),
            "rho twice": (v / (1 - rho**k), second),
            "times": (v / (1 - mu * k), r / (1 - rho * k)),
        }
    return wrong.get(kind, (first, second))


def _adam(mu: float = 0.9, rho: float = 0.95, kind: str = "", epsilon: float = 1e-8) -> Rule:
    mu, rho = (rho, mu) if kind == "swapped" else (mu, rho)

    def rule(t: int, rate: float, w: Array, g: Array, s: dict[str, Array]) -> Array:
        v, r = _moments(kind, mu, rho, g, s)
        if kind != "not kept":
            s["v"], s["r"] = v, r
        k = {"first": 1, "late": t + 1, "early": max(t - 1, 0)}.get(kind, t)
        vc, rc = _corrected(kind, mu, rho, k, v, r)
        if kind == "corrected kept":
            s["v"], s["r"] = vc, rc
        bottom = rc + epsilon if kind == "no root" else np.sqrt(rc) + epsilon
        step = rate * (g if kind == "gradient" else vc) / bottom
        return w + step if kind == "plus" else w - step

    return rule


ADAM = {
    "no correction": ("bias-correction-missing", "the bias correction of both moments is missing"),
    "no first": ("bias-correction-missing", "the bias correction of the first moment is missing"),
    "no second": ("bias-correction-missing", "the bias correction of the second moment is missing"),
    "first": ("step-count", "the exponent of the bias correction does not grow: the steps are not counted"),
    "late": ("step-count", "the exponent of the bias correction is one too large: the first step is k = 1"),
    "early": ("step-count", "the exponent of the bias correction is one too small: the first step is k = 1"),
    "swapped": ("arguments-swapped", "mu and rho are exchanged"),
    "not squared": ("square-missing", "the second moment does not use the square of the gradient"),
    "no root": ("root-missing", "the square root of the second moment is missing"),
    "mu twice": ("bias-correction", "the second moment is corrected with mu; it must be rho"),
    "rho twice": ("bias-correction", "the first moment is corrected with rho; it must be mu"),
    "times": ("bias-correction", "the bias correction multiplies by the step; it is a power"),
    "plus": ("sign", "the step goes up the gradient"),
    "not kept": ("state-not-stored", "the moments are not kept from step to step"),
    "gradient": ("wrong-moment", "the gradient stands for the first moment"),
    "sum": ("factor", "the factors 1 - mu and 1 - rho are missing"),
    "r by mu": ("factor", "the gradient's square enters the second moment with 1 - mu; it must be 1 - rho"),
    "v by rho": ("factor", "the gradient enters the first moment with 1 - rho; it must be 1 - mu"),
    "r of v": ("wrong-moment", "the second moment uses gradient · first moment; it is the square of the gradient"),
    "v of r": ("wrong-moment", "the second moment is averaged with the old first moment"),
    "v minus": ("sign", "the gradient is subtracted in the first moment; it is added"),
    "weights exchanged": (
        "factor",
        "old moment and gradient are weighted the wrong way round: mu and 1 - mu are exchanged",
    ),
    "corrected kept": ("wrong-state", "the corrected moments are kept; the uncorrected ones must be"),
}
MOMENTUM = {
    "no rate": ("rate-missing", "the learning rate is missing in the velocity"),
    "no momentum": ("momentum-missing", "there is no momentum: the steps are those of Sgd"),
    "not kept": ("state-not-stored", "the velocity is not kept from step to step"),
    "1 - mu": ("factor", "the gradient is scaled by 1 - momentum"),
    "negative": ("sign", "the old velocity has the wrong sign"),
    "nesterov": ("wrong-rule", "is Nesterov's momentum; the exercise asks for the classical one"),
    "subtracted": ("sign", "the velocity is subtracted; v ← momentum · v - rate · g is added"),
    "plus": ("sign", "the velocity goes up the gradient"),
    "rate on all": ("factor", "the learning rate also scales the old velocity"),
    "unscaled": ("momentum-missing", "the old velocity is not scaled by the momentum"),
}


def _rules(name: str) -> tuple[tuple[Any, ...], Rule, list[tuple[str, str, Rule]]]:
    """Arguments, the right rule and the wrong ones."""
    if name == "Sgd":
        plus = ("sign", "the step goes up the gradient", lambda t, r, w, g, s: w + r * g)
        none = ("rate-missing", "the learning rate is missing", lambda t, r, w, g, s: w - g)
        only = ("weights-missing", "returns the step; the new weights are asked for", lambda t, r, w, g, s: -r * g)
        added = ("weights-missing", "returns the step; the new weights are asked for", lambda t, r, w, g, s: r * g)
        times = ("factor", "the step is multiplied by the weights", lambda t, r, w, g, s: w - r * g * w)
        return (0.3,), _sgd, [plus, none, only, added, times]
    if name == "SgdWithMomentum":
        return (0.3, 0.8), _momentum(), [(*words, _momentum(kind=kind)) for kind, words in MOMENTUM.items()]
    return (0.3, 0.9, 0.95), _adam(), [(*words, _adam(kind=kind)) for kind, words in ADAM.items()]


def _trajectory(rule: Rule, rate: float, start: Array, gradients: list[Array], regularizer: Any = None) -> Array:
    state: dict[str, Array] = {}
    w, seen = start, []
    for t, g in enumerate(gradients, 1):
        new = rule(t, rate, w, g, state)
        w = new if regularizer is None else regularizer(new, w, rate)
        seen.append(w)
    return np.stack(seen)


def optimizer(probe: Probe, cls: Any) -> None:
    """Check one optimizer."""
    arguments, rule, wrong = _rules(probe.component)
    check = _Optimizer(probe, cls, arguments, rule, wrong)
    probe.stages(check.steps, check.instances, check.numbers, check.regularized)


class _Optimizer:
    def __init__(self, probe: Probe, cls: Any, arguments: tuple[Any, ...], rule: Rule, wrong: list[Any]) -> None:
        self.probe, self.cls, self.arguments, self.rule, self.wrong = probe, cls, arguments, rule, wrong
        self.with_delta = probe.contract
        function = getattr(cls, "calculate_update", None)
        if function is not None:
            with contextlib.suppress(TypeError, ValueError):
                self.with_delta = len(inspect.signature(function).parameters) >= 4
            if probe.contract and not self.with_delta:
                words = "calculate_update takes no individual_delta: (individual_delta, weight_tensor, gradient_tensor)"
                probe.fault("delta-missing", words, "calculate_update")
        self.rate = arguments[0] * (DELTA if self.with_delta else 1.0)
        self.start = probe.rng.normal(size=(3, 2))
        self.gradients = [probe.rng.normal(size=(3, 2)) for _ in range(STEPS)]

    def make(self) -> Any:
        return self.probe.call("__init__", self.cls, *self.arguments)

    def step(self, made: Any, w: Any, g: Any) -> Any:
        return self.probe.do(made, "calculate_update", *((DELTA,) if self.with_delta else ()), w, g)

    def run(self, made: Any) -> Any:
        w, seen = self.start, []
        for g in self.gradients:
            w = self.step(made, w, g)
            array = as_numbers(w)
            if array is None or array.shape != self.start.shape:
                return w
            seen.append(array)
        return np.stack(seen)

    def steps(self) -> None:
        """Several steps of one instance."""
        right = _trajectory(self.rule, self.rate, self.start, self.gradients)
        self.probe.compare("calculate_update", self.run(self.make()), right, self.variants(), what="the new weights")

    def variants(self) -> Iterator[Variant]:
        for code, words, rule in self.wrong:
            yield Variant(code, words, lambda rule=rule: _trajectory(rule, self.rate, self.start, self.gradients))
        full = self.arguments[0]
        if self.with_delta:
            for rate, words in ((full, "individual_delta is ignored"), (full * DELTA**2, "individual_delta is applied twice"),
                                (full / DELTA, "individual_delta divides the learning rate")):  # fmt: skip
                yield Variant("delta", words, _trajectory(self.rule, rate, self.start, self.gradients))
            yield Variant("rate-missing", "the learning rate is missing",
                          _trajectory(self.rule, DELTA, self.start, self.gradients))  # fmt: skip
        yield Variant("factor", "the learning rate is applied twice",
                      _trajectory(self.rule, self.rate * full, self.start, self.gradients))  # fmt: skip
        first = _trajectory(self.rule, self.rate, self.start, [self.gradients[0]] * STEPS)
        yield Variant("state-not-stored", "every step uses the first gradient", first)

    def instances(self) -> None:
        """Two instances, used alternately, must not share their state."""
        if self.probe.faults:
            return
        one, other = self.make(), self.make()
        for g in self.gradients:
            self.step(one, self.start, g)
        right = _trajectory(self.rule, self.rate, self.start, self.gradients)
        if not near(self.run(other), right):
            words = "two instances share their state: keep it in self, set in __init__, not in the class"
            self.probe.fault("optimizer-shared", words, "calculate_update")

    def numbers(self) -> None:
        """Scalars, as the suites of the exercise use."""
        if self.probe.faults:
            return
        right = _trajectory(self.rule, self.rate, np.float64(1.0), [np.float64(0.5)])[0]  # type: ignore[arg-type, list-item]
        self.probe.compare(
            "calculate_update", self.step(self.make(), 1.0, 0.5), right, what="the new weight (a number)"
        )

    def regularized(self) -> None:
        """The regularizer's term: rate · delta · its gradient at the weights before the step."""
        if self.probe.faults:
            return
        made = self.make()
        function = self.probe.method(made, "add_regularizer", required=self.probe.contract)
        if function is None:
            return
        self.probe.call("add_regularizer", function, SquareNorm())

        def sequence(term: Callable[[Array, Array, float], Array]) -> Array:
            return _trajectory(self.rule, self.rate, self.start, self.gradients, term)

        full = self.arguments[0]

        def inside(t: int, rate: float, w: Array, g: Array, s: dict[str, Array]) -> Array:
            return self.rule(t, rate, w, g + w, s)

        variants = [
            Variant("regularization-missing", "the regularizer is ignored", sequence(lambda new, w, r: new)),
            Variant("sign", "the regularizer's gradient is added to the weights", sequence(lambda new, w, r: new + r * w)),
            Variant("rate-missing", "the regularizer's gradient is not scaled by the learning rate",
                    sequence(lambda new, w, r: new - w)),
            Variant("wrong-step", "the regularizer reads the weights after the step; it must read those before",
                    sequence(lambda new, w, r: new - r * new)),
            Variant("delta", "individual_delta is ignored for the regularizer", sequence(lambda new, w, r: new - full * w)),
            Variant("regularization", "the norm is subtracted; it must be the gradient of the regularizer",
                    sequence(lambda new, w, r: new - r * 0.5 * np.sum(w**2))),
        ]  # fmt: skip
        if self.probe.component != "Sgd":
            words = "the regularizer's gradient enters the moments; it is subtracted apart from them"
            variants.append(
                Variant("regularization", words, _trajectory(inside, self.rate, self.start, self.gradients))
            )
        right = sequence(lambda new, w, r: new - r * w)
        self.probe.compare(
            "calculate_update with a regularizer", self.run(made), right, variants, what="the new weights"
        )


# ---------------------------------------------------------------------- regularizers
def regularizer(probe: Probe, cls: Any) -> None:
    """Check L1_Regularizer or L2_Regularizer."""
    alpha, w = 0.3, probe.rng.normal(size=(4, 3))
    first = probe.component.startswith("L1")

    def norm() -> None:
        made = probe.call("__init__", cls, alpha)
        ones, squares = np.abs(w).sum(), np.square(w).sum()
        root = np.sqrt(squares)
        if first:
            right = alpha * ones
            variants = [Variant("absolute-missing", "sums the weights without their absolute values", alpha * w.sum()),
                        Variant("alpha-missing", "alpha is missing", ones),
                        Variant("wrong-norm", "is the L2 norm", alpha * squares),
                        Variant("wrong-norm", "is the L2 norm", alpha * root),
                        Variant("wrong-norm", "is numpy's matrix norm of order 1", alpha * np.abs(w).sum(0).max()),
                        Variant("missing-sum", "is not summed", alpha * np.abs(w))]  # fmt: skip
        else:
            right = alpha * (root if probe.contract else squares)
            other = alpha * (squares if probe.contract else root)
            words = "is the sum of squares; the contract's norm is its root" if probe.contract else \
                "is the root of the sum of squares; this edition's norm has no root"  # fmt: skip
            variants = [Variant("root", words, other),
                        Variant("alpha-missing", "alpha is missing", root), Variant("alpha-missing", "alpha is missing", squares),
                        Variant("wrong-norm", "is the L1 norm", alpha * ones),
                        Variant("alpha-squared", "alpha is inside the root", np.sqrt(alpha * squares)),
                        Variant("factor", "has a factor of one half", alpha * squares / 2),
                        Variant("wrong-norm", "is numpy's spectral norm: ord=2 of a matrix", alpha * np.linalg.norm(w, 2)),
                        Variant("missing-sum", "is not summed", alpha * w**2)]  # fmt: skip
        orders: tuple[tuple[Any, str], ...] = ((1, "ord=1"), (np.inf, "ord=inf"), ("nuc", "ord='nuc'"), (2, "ord=2"))
        for order, words in orders:
            matrix = np.linalg.norm(w, order)
            for value in (matrix, matrix**2):
                variants.append(
                    Variant(
                        "wrong-norm", f"is numpy's matrix norm with {words}, not that of all weights", alpha * value
                    )
                )
        for axis in (0, 1):
            for value in (np.linalg.norm(w, axis=axis), np.abs(w).sum(axis), np.square(w).sum(axis)):
                variants.append(Variant("missing-sum", "is one norm for each row or column", alpha * value))
        for inside, words in ((ones, "of the sum of absolute values"), (squares, "of the sum of squares")):
            for value in (alpha * np.sqrt(inside), np.sqrt(alpha * inside)):
                variants.append(Variant("root", f"is the root {words}", value))
        mean = ones if first else squares
        variants += [Variant("mean", "is a mean over the weights; it is a sum", alpha * mean / w.size),
                     Variant("alpha-squared", "alpha is squared", alpha * right),
                     Variant("wrong-norm", "is that of the maximum only", alpha * np.abs(w).max())]  # fmt: skip
        probe.compare("norm", probe.do(made, "norm", w), right, variants, what="the norm")

    def gradient() -> None:
        made = probe.call("__init__", cls, alpha)
        name = "calculate" if callable(getattr(made, "calculate", None)) else "calculate_gradient"
        if not callable(getattr(made, name, None)):
            name = "calculate" if probe.contract else "calculate_gradient"
        sign = np.sign(w)
        right = alpha * (sign if first else w)
        variants = [
            Variant("alpha-missing", "alpha is missing", sign if first else w),
            Variant("wrong-gradient", "is alpha · w, the gradient of the other regularizer" if first else
                    "is alpha · sign(w), the gradient of the other regularizer", alpha * (w if first else sign)),
            Variant("sign-missing", "is alpha · |w|", alpha * np.abs(w)),
            Variant("sign-missing", "is alpha everywhere: the sign of the weights is missing", np.full_like(w, alpha)),
            Variant("wrong-gradient", "is the norm, not its gradient", alpha * np.abs(w).sum()),
            Variant("wrong-gradient", "is alpha · w / ||w||, the derivative of the root; the exercise uses alpha · w" if not first else
                    "is alpha · w / |w| of the whole norm", alpha * w / np.linalg.norm(w)),
            Variant("wrong-gradient", "is alpha · w²", alpha * w**2),
            Variant("wrong-gradient", "is alpha · the sum of the weights", alpha * w.sum()),
            Variant("alpha-squared", "alpha is squared", alpha * right),
        ]  # fmt: skip
        if not first and near(probe.do(made, name, w), 2 * alpha * w):
            probe.fault("factor", "has a factor of 2: the exercise uses alpha · w", name)
            return
        probe.compare(name, probe.do(made, name, w), right, variants, what="the gradient")

    probe.stages(norm, gradient)
