"""BatchNormalization and the initializers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise.checks.elementwise import set_testing
from graphnet.exercise.matching import Variant, as_numbers, near
from graphnet.exercise.probe import Probe, Stop
from graphnet.exercise.tools import RATE, RecordingOptimizer, check_updates, get_gradient, set_optimizer

Array = npt.NDArray[Any]
ROWS, FEATURES = 9, 4


def _rows(x: Array) -> Array:
    return x if x.ndim == 2 else np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def _unrows(rows: Array, like: Array) -> Array:
    if like.ndim == 2:
        return rows
    return np.moveaxis(rows.reshape(like.shape[0], *like.shape[2:], like.shape[1]), -1, 1)


def batch_normalization(probe: Probe, cls: Any) -> None:
    """Check BatchNormalization, on rows and on images."""
    check = _Norm(probe, cls)
    probe.stages(lambda: check.train((ROWS, FEATURES)), lambda: check.train((3, FEATURES, 2, 3)), check.test, check.update,
                 check.reformat)  # fmt: skip


class _Norm:
    def __init__(self, probe: Probe, cls: Any) -> None:
        self.probe, self.cls = probe, cls

    def make(self, set_weights: bool = True) -> Any:
        layer = self.probe.call("__init__", self.cls, FEATURES)
        self.gamma, self.beta = np.ones(FEATURES), np.zeros(FEATURES)
        if set_weights:
            self.gamma, self.beta = self.probe.rng.uniform(0.5, 2, FEATURES), self.probe.rng.normal(size=FEATURES)
            for name, values in (("weights", self.gamma), ("bias", self.beta)):
                now = as_numbers(getattr(layer, name, None))
                if now is None or now.size != FEATURES:
                    self.probe.fault("missing-property", f"has no attribute {name} of {FEATURES} numbers", name)
                    raise Stop
                start = 1.0 if name == "weights" else 0.0
                if not near(now.reshape(-1), np.full(FEATURES, start)):
                    self.probe.fault("initial-weights", f"{name} must start with {start:g}", "__init__")
                setattr(layer, name, values.reshape(now.shape).copy())
        return layer

    def train(self, shape: tuple[int, ...]) -> None:
        """Forward, backward and gradients in the train phase."""
        layer, x = self.make(), self.probe.rng.normal(1.0, 2.0, size=shape)
        suffix = "" if len(shape) == 2 else " of images"
        rows = _rows(x)
        mean, var = rows.mean(0), rows.var(0)
        normal = (rows - mean) / np.sqrt(var)
        y = self.probe.do(layer, "forward", x)

        def out(n: Array, gamma: Any = self.gamma, beta: Any = self.beta) -> Array:
            return _unrows(n * gamma + beta, x)

        whole = rows.mean(), rows.std()
        variants = [
            Variant("variance", "divides by the variance; it is its root", out((rows - mean) / var)),
            Variant("variance", "the variance is divided by N - 1; it is by N", out((rows - mean) / rows.std(0, ddof=1))),
            Variant("variance", "divides by the root of the standard deviation: np.std is the root already", out((rows - mean) / var**0.25)),
            Variant("mean-missing", "the mean is not subtracted", out(rows / np.sqrt(var))),
            Variant("variance-missing", "does not divide by the standard deviation", out(rows - mean)),
            Variant("weights-missing", "gamma is not used", out(normal, 1.0)),
            Variant("bias-missing", "beta is not added", out(normal, beta=0.0)),
            Variant("weights-missing", "neither gamma nor beta is used", out(normal, 1.0, 0.0)),
            Variant("sign", "beta is subtracted", out(normal, beta=-self.beta)),
            Variant("weights-swapped", "gamma and beta are exchanged", out(normal, self.beta, self.gamma)),
            Variant("wrong-axis", "mean and variance are taken over all numbers; they are per feature", out((rows - whole[0]) / whole[1])),
            Variant("wrong-axis", "mean and variance are taken over the features of a row; they run over the batch",
                    out((rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True))),
            Variant("wrong-axis", "the variance is taken over all numbers; it is per feature", out((rows - mean) / whole[1])),
            Variant("wrong-axis", "the variance is taken over all numbers; it is per feature", out((rows - mean) / np.sqrt(rows.var()))),
            Variant("wrong-axis", "the mean is taken over all numbers; it is per feature", out((rows - whole[0]) / np.sqrt(var))),
            Variant("wrong-axis", "the variance is taken over the features of a row; it runs over the batch",
                    out((rows - mean) / rows.std(1, keepdims=True))),
            Variant("variance", "the mean of the squares stands for the variance: the mean is not subtracted in it",
                    out((rows - mean) / np.sqrt((rows**2).mean(0)))),
            *(Variant("epsilon", f"epsilon is about {e:g}: it must be negligible", out((rows - mean) / np.sqrt(var + e)))
              for e in (1.0, 0.1, 1e-2, 1e-3)),
            *(Variant("epsilon", "epsilon is added after the root", out((rows - mean) / (np.sqrt(var) + e))) for e in (1e-1, 1e-2)),
        ]  # fmt: skip
        if x.ndim == 4:
            flat = x.reshape(-1, FEATURES)
            mixed = (flat - flat.mean(0)) / flat.std(0) * self.gamma + self.beta
            words = "{} without moving the channels to the end (transpose before reshape)"
            variants += [
                Variant("wrong-order", words.format("images become rows and rows images"), mixed.reshape(x.shape)),
                Variant("wrong-order", words.format("images become rows"), _unrows(mixed, x)),
                Variant("wrong-order", words.format("rows become images"), (normal * self.gamma + self.beta).reshape(x.shape)),
                Variant("wrong-axis", "mean and variance of images run over the batch only; they run over the positions too",
                        (x - x.mean(0)) / x.std(0) * self.gamma[:, None, None] + self.beta[:, None, None]),
            ]  # fmt: skip
        near_one = not near(y, out(normal)) and self._small_epsilon(y, out, rows, mean, var)
        if not near_one and not self.probe.compare("forward" + suffix, y, out(normal), variants, what="the output"):
            return
        e = self.probe.rng.normal(size=shape)
        actual = self.probe.do(layer, "backward", e)
        if not near_one:
            self._errors(actual, _rows(e), normal, var, x, "backward" + suffix)
        self._gradients(layer, _rows(e), normal, rows, near_one)

    def _small_epsilon(self, y: Any, out: Any, rows: Array, mean: Array, var: Array) -> bool:
        """Whether the output is right with an epsilon that the exercise's tests accept but our tolerance does not."""
        return any(near(y, out((rows - mean) / np.sqrt(var + e))) for e in (1e-5, 1e-6, 1e-7))

    def _errors(self, actual: Any, e: Array, normal: Array, var: Array, x: Array, method: str) -> None:
        scaled, deviation, n = e * self.gamma, np.sqrt(var), len(e)
        mean_part, variance_part = scaled.mean(0), normal * (scaled * normal).mean(0)
        right = _unrows((scaled - mean_part - variance_part) / deviation, x)
        variants = [
            Variant("missing-sum", "the derivative by the mean is missing", _unrows((scaled - variance_part) / deviation, x)),
            Variant("missing-sum", "the derivative by the variance is missing", _unrows((scaled - mean_part) / deviation, x)),
            Variant("missing-sum", "the derivatives by mean and variance are missing", _unrows(scaled / deviation, x)),
            Variant("weights-missing", "gamma is missing",
                    _unrows((e - e.mean(0) - normal * (e * normal).mean(0)) / deviation, x)),
            Variant("sign", "the derivative by the variance has the wrong sign", _unrows((scaled - mean_part + variance_part) / deviation, x)),
            Variant("sign", "the derivative by the mean has the wrong sign", _unrows((scaled + mean_part - variance_part) / deviation, x)),
            Variant("variance", "divides by the variance; it is its root", _unrows((scaled - mean_part - variance_part) / var, x)),
            Variant("missing-sum", "the sums are not divided by the batch size",
                    _unrows((scaled - n * mean_part - n * variance_part) / deviation, x)),
            Variant("derivative-missing", "the error is only multiplied by gamma", _unrows(scaled, x)),
        ]  # fmt: skip
        terms = {"gamma · error / σ": scaled / deviation, "mean(gamma · error) / σ": (mean_part + 0 * scaled) / deviation,
                 "x̂ · mean(gamma · error · x̂) / σ": variance_part / deviation, "gamma · error": scaled, "error / σ": e / deviation,
                 "mean(error) / σ": (e.mean(0) + 0 * e) / deviation, "x̂ / σ": normal / deviation, "gamma · error / σ²": scaled / var,
                 "x̂ · mean(error · x̂) / σ": normal * (e * normal).mean(0) / deviation}  # fmt: skip
        terms = {name: _unrows(value, x) for name, value in terms.items()}
        self.probe.compare(method, actual, right, variants, {"batch": n}, "the error for the input", terms)

    def _gradients(self, layer: Any, e: Array, normal: Array, rows: Array, rough: bool) -> None:
        gamma, beta = (e * normal).sum(0), e.sum(0)
        for name, right, other in (("weights", gamma, beta), ("bias", beta, gamma)):
            found = as_numbers(get_gradient(self.probe, layer, name))
            actual = found.reshape(-1) if found is not None and found.size == FEATURES else found
            if rough and actual is not None and np.allclose(actual, right, rtol=1e-3, atol=1e-3):
                continue
            variants = [
                Variant("weights-swapped", "is that of the other one: gamma and beta are exchanged", other),
                Variant(
                    "input-instead-of-activation", "uses the input; it must be the normalized input", (e * rows).sum(0)
                ),
                Variant("missing-sum", "is not summed over the batch", e * normal if name == "weights" else e),
            ]
            self.probe.compare(
                f"gradient of the {name}", actual, right, variants, {"batch": len(e)}, f"the gradient of the {name}"
            )

    def test(self) -> None:
        """Running statistics: after one batch those of that batch; after several, between."""
        layer = self.make()
        x1, x2, x = self.probe.rng.normal(1.0, 2.0, size=(3, ROWS, FEATURES))
        x2 = 3 * x2 - 4
        self.probe.do(layer, "forward", x1)
        set_testing(self.probe, layer, True)
        y = self.probe.do(layer, "forward", x)

        def out(mean: Any, var: Any) -> Array:
            return (x - mean) / np.sqrt(var) * self.gamma + self.beta

        right, method = out(x1.mean(0), x1.var(0)), "forward in the test phase"
        if near(y, out(x.mean(0), x.var(0))):
            words = (
                "the test phase is not respected: it normalizes by the batch's own statistics, not by the running ones"
            )
            self.probe.fault("test-phase", words, method)
            return
        variants = [
            Variant("variance", "the running standard deviation is used as the variance", out(x1.mean(0), x1.std(0))),
            Variant("variance", "divides by the variance; it is its root", out(x1.mean(0), x1.var(0) ** 2)),
            *(Variant("running-start", "the running statistics start from 0 and 1; the first batch must set them",
                      out((1 - a) * x1.mean(0), a + (1 - a) * x1.var(0))) for a in (0.8, 0.2, 0.9, 0.1, 0.5, 0.99)),
            *(Variant("running-start", "the running statistics start from 0; the first batch must set them",
                      out((1 - a) * x1.mean(0), (1 - a) * x1.var(0))) for a in (0.8, 0.2, 0.9, 0.1, 0.5, 0.99)),
            *self._mixed(y, x, x1),
            Variant("statistics-missing", "the test phase does not normalize", out(0.0, 1.0)),
        ]  # fmt: skip
        if not np.allclose(np.asarray(y) if np.shape(y) == right.shape else 0, right, rtol=1e-4, atol=1e-4):
            self.probe.compare(method, y, right, variants, what="the output")
            return
        set_testing(self.probe, layer, False)
        self.probe.do(layer, "forward", x2)
        set_testing(self.probe, layer, True)
        actual = as_numbers(self.probe.do(layer, "forward", x))
        if actual is None or actual.shape != right.shape:
            return
        slope, shift = zip(*(np.polyfit(x[:, i], actual[:, i], 1) for i in range(FEATURES)), strict=True)
        var = (self.gamma / np.array(slope)) ** 2
        mean = (self.beta - np.array(shift)) / np.array(slope)
        # The share of the first batch in the average of two.
        shares = (mean - x2.mean(0)) / (x1.mean(0) - x2.mean(0)), (var - x2.var(0)) / (x1.var(0) - x2.var(0))
        for share, name in zip(shares, ("mean", "variance"), strict=True):
            if np.ptp(share) > 1e-3 or share.mean() < -1e-3 or share.mean() > 1 + 1e-3:
                now = {
                    "mean": (mean, x1.mean(0), x.mean(0), x2.mean(0)),
                    "variance": (var, x1.var(0), x.var(0), x2.var(0)),
                }[name]
                words = f"the running {name} is not an average of those of the batches"
                if _includes(*now):
                    words = f"the running {name} changes in the test phase too: only the batches of training count"
            elif share.mean() > 1 - 1e-3:
                words = f"the running {name} stays that of the first batch"
            elif share.mean() < 1e-3:
                words = f"the running {name} is that of the last batch: there is no average"
            else:
                continue
            self.probe.fault("running-average", words, method)

    def _mixed(self, y: Any, x: Array, first: Array) -> list[Variant]:
        """Which running statistic is wrong after one batch, and what it is a mixture of."""
        found = as_numbers(y)
        if found is None or found.shape != x.shape or not np.isfinite(found).all():
            return []
        slope, shift = zip(*(np.polyfit(x[:, i], found[:, i], 1) for i in range(FEATURES)), strict=True)
        with np.errstate(all="ignore"):
            var = (self.gamma / np.array(slope)) ** 2
            mean = (self.beta - np.array(shift)) / np.array(slope)
        known = {"the variance": first.var(0), "the mean": first.mean(0), "the standard deviation": first.std(0),
                 "the squared mean": first.mean(0) ** 2, "1": np.ones(FEATURES), "the variance by N - 1": first.var(0, ddof=1)}  # fmt: skip
        parts = []
        for name, value, own in (("mean", mean, "the mean"), ("variance", var, "the variance")):
            if not np.allclose(value, known[own], rtol=1e-4, atol=1e-4):
                parts.append(f"the running {name} after one batch is {_mixture(value, known)}")
        return [Variant("running-average", " and ".join(parts), found)] if parts else []

    def update(self) -> None:
        """Both weights, each with its own optimizer."""
        layer, x = self.make(), self.probe.rng.normal(size=(ROWS, FEATURES))
        optimizer = RecordingOptimizer()
        set_optimizer(self.probe, layer, optimizer)
        self.probe.do(layer, "forward", x)
        e = self.probe.rng.normal(size=x.shape)
        self.probe.do(layer, "backward", e)
        if not check_updates(self.probe, optimizer.log):
            return
        gradients = {"weights": (e * (x - x.mean(0)) / x.std(0)).sum(0), "bias": e.sum(0)}
        for name, before, other in (("weights", self.gamma, "bias"), ("bias", self.beta, "weights")):
            after, step = np.reshape(getattr(layer, name), -1), RATE * gradients[name]
            if near(after, before):
                self.probe.fault("update-not-stored", f"{name} do not change in an update", "update")
            elif any(f.method == f"gradient of the {name}" for f in self.probe.faults):
                continue
            elif not np.allclose(after, before - step, rtol=1e-3, atol=1e-3):  # whatever its epsilon
                variants = [Variant("sign", "it goes up the gradient", before + step),
                            Variant("weights-swapped", f"the gradient of the {other} is used",
                                    before - RATE * gradients[other]),
                            Variant("updated-repeatedly", "the update is done twice", before - 2 * step)]  # fmt: skip
                self.probe.compare(f"update of the {name}", after, before - step, variants, what=f"the new {name}")

    def reformat(self) -> None:
        """Images as rows and back, which later editions ask for."""
        layer = self.probe.call("__init__", self.cls, FEATURES)
        if self.probe.contract or not callable(getattr(layer, "reformat", None)):
            return
        images = self.probe.rng.normal(size=(2, FEATURES, 3, 5))
        rows = self.probe.do(layer, "reformat", images)
        variants = [
            Variant(
                "wrong-order", "reformat reshapes without moving the channels to the end", images.reshape(-1, FEATURES)
            )
        ]
        if self.probe.compare("reformat", rows, _rows(images), variants, what="the rows"):
            self.probe.do(layer, "forward", images)
            words = "reformat reshapes rows into images without moving the channels back"
            wrong = [
                Variant("wrong-order", words, rows.reshape(images.shape) if isinstance(rows, np.ndarray) else None)
            ]
            self.probe.compare("reformat", self.probe.do(layer, "reformat", rows), images, wrong, what="the images")


def _mixture(value: Array, known: dict[str, Array]) -> str:
    """A statistic in terms of those of the batch."""
    if np.allclose(value, value[0], rtol=1e-6, atol=1e-9):
        return f"{value[0] + 0.0:.3g}, whatever the batch" if abs(value[0]) > 1e-9 else "0, whatever the batch"
    for names in [*((name,) for name in known), *itertools.combinations(known, 2)]:
        columns = np.stack([known[name] for name in names], axis=1)
        factors = np.linalg.lstsq(columns, value, rcond=None)[0]
        if np.allclose(columns @ factors, value, rtol=1e-4, atol=1e-4):
            return (
                " + ".join(f"{factor:.3g} · {name}" for factor, name in zip(factors, names, strict=True))
                + " of the batch"
            )
    return "not that of the batch"


def _includes(found: Array, first: Array, tested: Array, second: Array) -> bool:
    """Whether a running statistic is an average that includes the batch of the test phase."""
    for share in np.linspace(0.01, 0.99, 99):
        after = share * first + (1 - share) * tested
        for once in (after, share * after + (1 - share) * second):
            if np.allclose(found, once, rtol=1e-4, atol=1e-4):
                return True
    return False


#: Standard deviation by fan_in and fan_out.
SPREADS = {
    "Xavier": (lambda i, o: np.sqrt(2 / (i + o)), [
        ("variance", "the variance 2 / (fan_in + fan_out) is used as the standard deviation", lambda i, o: 2 / (i + o)),
        ("fans", "uses 1 / fan_in", lambda i, o: np.sqrt(1 / i)),
        ("fans", "uses 2 / fan_in, as He", lambda i, o: np.sqrt(2 / i)),
        ("factor", "uses 1 / (fan_in + fan_out): the 2 is missing", lambda i, o: np.sqrt(1 / (i + o))),
        ("factor", "uses 6 / (fan_in + fan_out)", lambda i, o: np.sqrt(6 / (i + o))),
        ("scale", "is not scaled", lambda i, o: 1.0)]),
    "He": (lambda i, o: np.sqrt(2 / i), [
        ("variance", "the variance 2 / fan_in is used as the standard deviation", lambda i, o: 2 / i),
        ("fans", "uses fan_out; He uses fan_in", lambda i, o: np.sqrt(2 / o)),
        ("factor", "uses 1 / fan_in: the 2 is missing", lambda i, o: np.sqrt(1 / i)),
        ("fans", "uses fan_in + fan_out, as Xavier", lambda i, o: np.sqrt(2 / (i + o))),
        ("scale", "is not scaled", lambda i, o: 1.0)]),
}  # fmt: skip


def _scales() -> Iterator[tuple[str, str, Callable[[float, float], float]]]:
    """Standard deviations that a wrong formula of the fans gives."""
    sizes: dict[str, Callable[[float, float], float]] = {
        "fan_in": lambda i, o: i, "fan_out": lambda i, o: o, "(fan_in + fan_out)": lambda i, o: i + o,
        "(fan_in · fan_out)": lambda i, o: i * o,
    }  # fmt: skip
    for name, size in sizes.items():
        for factor in (2, 1, 6, 3, 4):
            words = f"the standard deviation is the root of {factor} / {name}"
            yield "fans", words, lambda i, o, f=factor, s=size: float(np.sqrt(f / s(i, o)))  # type: ignore[misc]
            words = f"the standard deviation is {factor} / {name}, without a root"
            yield "variance", words, lambda i, o, f=factor, s=size: f / s(i, o)  # type: ignore[misc]
            words = f"the standard deviation is the root of {factor}, divided by {name}"
            yield "brackets", words, lambda i, o, f=factor, s=size: float(np.sqrt(f)) / s(i, o)  # type: ignore[misc]


def initializer(probe: Probe, cls: Any) -> None:
    """Check one initializer by the distribution of many numbers."""

    def distribution() -> None:
        name, shape, fans = probe.component, (300, 400), (300, 130)
        made = probe.call("__init__", cls, *((0.37,) if name == "Constant" else ()))
        values = as_numbers(probe.do(made, "initialize", shape, *fans))
        if values is None or values.shape != shape:
            got = None if values is None else values.shape
            probe.fault("wrong-shape", f"returns shape {got}, expected weights_shape = {shape}", "initialize")
            return
        if name == "Constant":
            probe.compare("initialize", values, np.full(shape, 0.37), what="the result")
        elif name == "UniformRandom":
            if (
                values.min() < 0
                or values.max() > 1
                or abs(values.mean() - 0.5) > 0.01
                or abs(values.std() - 12**-0.5) > 0.01
            ):
                words = f"is not uniform in [0, 1): between {values.min():.3g} and {values.max():.3g}, mean {values.mean():.3g}"
                probe.fault("distribution", words, "initialize")
        else:
            _normal(probe, values, *fans)

    probe.stages(distribution)


def _normal(probe: Probe, values: Array, fan_in: int, fan_out: int) -> None:
    function, wrong = SPREADS[probe.component]
    spread, right = values.std(), function(fan_in, fan_out)
    if spread and np.abs(values - values.mean()).max() < 1.75 * spread:
        low, high = values.min(), values.max()
        words = f"is uniform, between {low:.3g} and {high:.3g}; it must be normal with standard deviation {right:.3g}"
        probe.fault("distribution", words, "initialize")
    elif abs(values.mean()) > 0.05 * spread:
        probe.fault("distribution", f"the mean is {values.mean():.3g}, expected 0", "initialize")
    elif abs(spread / right - 1) > 0.02:
        for code, words, other in [*wrong, *_scales()]:
            if abs(spread / other(fan_in, fan_out) - 1) < 0.01:
                probe.fault(code, words, "initialize")
                return
        probe.fault("distribution", f"the standard deviation is {spread:.4g}, expected {right:.4g}", "initialize")
    elif abs((np.abs(values) < spread).mean() - 0.6827) > 0.02:
        probe.fault("distribution", "is not normally distributed", "initialize")
