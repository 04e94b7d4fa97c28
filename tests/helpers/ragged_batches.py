"""Layers that are finite only for positive numbers, random graphs of them, and an oracle for ragged batches."""

import numpy as np

from graphnet import Builder, Cell, Last, Layer, MeanOverTime, Runner, Scan, Weight, concatenate, dense

WIDTH = 3


class Log(Layer):
    """log x: infinite at zero, and so is its derivative."""

    def apply(self, x):
        return np.log(x), x

    def pull(self, x, error):
        return error / x


class Inverse(Layer):
    """1 / x."""

    def apply(self, x):
        return 1 / x, x

    def pull(self, x, error):
        return -error / (x * x)


class Root(Layer):
    """√x: finite at zero, with an infinite derivative."""

    def apply(self, x):
        y = np.sqrt(x)
        return y, y

    def pull(self, y, error):
        return error / (2 * y)


class Overflow(Layer):
    """exp(0.1 / x³): overflows where x is small."""

    def apply(self, x):
        y = np.exp(0.1 / x**3)
        return y, (x, y)

    def pull(self, saved, error):
        x, y = saved
        return -0.3 * error * y / x**4


class Quotient(Layer):
    """a / b."""

    def apply(self, a, b):
        return a / b, (a, b)

    def pull(self, saved, error):
        a, b = saved
        back = -error * a / (b * b)
        return error / b, back if a.shape == b.shape else back.sum(0)


class OpaqueQuotient(Layer):
    """a / b for b (batch, feature), with a rule that cannot be traced."""

    elementwise = True

    def apply(self, a, b):
        return np.asarray(a) / np.asarray(b), (a, b)

    def pull(self, saved, error):
        a, b = saved
        return error / np.asarray(b), -(error * a / (b * b)).sum(0)


class Positive(Layer):
    """0.4 + x² / (1 + x²): finite numbers to positive ones, and infinity to NaN."""

    def apply(self, x):
        y = x * x / (1 + x * x)
        return 0.4 + y, (x, y)

    def pull(self, saved, error):
        x, _ = saved
        return error * 2 * x / (1 + x * x) ** 2


class OpaqueLog(Layer):
    """Log with a rule that cannot be traced."""

    def apply(self, x):
        return np.log(np.asarray(x)), np.asarray(x)

    def pull(self, x, error):
        return error / np.asarray(x)


class DeclaredLog(OpaqueLog):
    """The same, which says that it is elementwise."""

    elementwise = True


class LogDense(Layer):
    """log(x) · W, whose gradient multiplies log(x) by the error."""

    def parameters(self, *inputs):
        return {"w": Weight((WIDTH, WIDTH), WIDTH, WIDTH)}

    def apply(self, x, *, w):
        z = np.log(x)
        return z @ w, (x, z)

    def pull(self, saved, error, *, w):
        return error @ w.T / saved[0]

    def grad(self, saved, error):
        return {"w": saved[1].reshape(-1, WIDTH).T @ error.reshape(-1, WIDTH)}


class OpaqueLogDense(LogDense):
    """The same with a rule that cannot be traced."""

    def apply(self, x, *, w):
        return super().apply(np.asarray(x), w=w)


class MeanLog(Layer):
    """The mean of log x over the valid steps, by a layer that asks for the lengths."""

    def infer(self, x):
        return x.without(0)

    def apply(self, x, *, lengths):
        counts = np.full(x.shape[1], len(x)) if lengths is None else lengths
        valid = (np.arange(len(x))[:, None] < counts)[:, :, None]
        safe = np.where(valid, x, 1)
        return np.log(safe).sum(0) / np.maximum(counts, 1)[:, None].astype(x.dtype), (safe, valid, counts)

    def pull(self, saved, error):
        safe, valid, counts = saved
        return np.where(valid, error / np.maximum(counts, 1)[:, None].astype(error.dtype) / safe, 0)


UNARY = (Log, Inverse, Root, Overflow, OpaqueLog, DeclaredLog, LogDense, OpaqueLogDense)


def cell(rng, context):
    """A cell whose state and sequence go into such layers."""
    made = Cell("fragile", sequences="x", states={"h": WIDTH}, contexts={"m": WIDTH} if context else ())
    kinds = UNARY if rng.random() < 0.3 else UNARY[:4]
    x, h = (kinds[rng.integers(len(kinds))]()(value) for value in (made.x, made.h))
    z = dense(concatenate(x, h), WIDTH)
    if context:
        z = z + Quotient()(made.m, made.h)
    h = Positive()(z)
    return made.build(output=Log()(h) if rng.random() < 0.5 else h, h=h)


def graph(seed):
    """A random graph over x (time, batch, feature), with initial states h and contexts m (batch, feature)."""
    rng = np.random.default_rng(seed)
    g = Builder("padded")
    x = g.input("x", f"time, batch, feature={WIDTH}")
    h, m = (g.input(name, f"batch, feature={WIDTH}") for name in "hm")
    values, outputs = [x], {}
    for number in range(rng.integers(2, 6)):
        value = values[rng.integers(len(values))] if rng.random() < 0.3 else values[-1]
        kind = rng.choice(["unary", "unary", "scan", "scan", "dense", "quotient"])
        if kind == "scan":
            context = rng.random() < 0.5
            reverse, k = bool(rng.random() < 0.4), int(rng.integers(1, 5)) if rng.random() < 0.3 else None
            scan = Scan(cell(rng, context), reverse=reverse, bptt_length=k)(value, h, *([m] if context else []))
            outputs[f"final_{number}"] = scan["h"]
            value = scan
        elif kind == "unary":
            value = UNARY[rng.integers(len(UNARY))]()(value)
        elif kind == "quotient":
            value = Quotient()(value, values[rng.integers(len(values))])
        else:
            value = dense(value, WIDTH)
        values.append(Positive()(value))
    pooled = [Last, MeanOverTime, MeanLog][rng.integers(3)]()(values[-1])
    return g.build(y=values[-1], pooled=pooled, **outputs)


def filled(made, seed, **options):
    """A runner with random weights."""
    runner = Runner(made, **options)
    runner.materialize()
    rng = np.random.default_rng(seed)
    for parameter in runner.parameters.values():
        parameter.value = rng.normal(size=parameter.value.shape) * 0.7
    return runner


def batch(seed, lengths, dtype="float64", steps=6):
    """Positive inputs; NaN beyond the rows' ends."""
    rng = np.random.default_rng(seed + 1000)
    found = {"x": rng.uniform(0.5, 1.5, (steps, len(lengths), WIDTH))}
    found |= {name: rng.uniform(0.5, 1.5, (len(lengths), WIDTH)) for name in "hm"}
    found["x"][np.arange(steps)[:, None] >= np.asarray(lengths)] = np.nan
    return {name: array.astype(dtype) for name, array in found.items()}


def timed(array):
    return array.ndim == 3


def row(array, number, length):
    """One row as a batch of one, without what lies beyond its end."""
    return array[:length, number : number + 1] if timed(array) else array[number : number + 1]


def both(made, inputs, lengths, seed=0, **options):
    """A batch with lengths, and the same rows one by one: (outputs, input errors, gradients) each."""
    runner, rng = filled(made, seed, **options), np.random.default_rng(seed + 5)
    outputs = runner.forward(inputs, lengths={"x": lengths})
    errors = {n: rng.normal(size=y.shape).astype(y.dtype) for n, y in outputs.items()}
    pulled = runner.backward(errors)
    found = [outputs, pulled, {n: p.gradient.copy() for n, p in runner.parameters.items()}]
    return found, alone(runner, inputs, lengths, outputs, errors)


def alone(runner, inputs, lengths, outputs, errors):
    """The rows one by one; empty ones leave zeros, and final states that are the initial ones."""
    expected = [{n: np.zeros_like(y) for n, y in outputs.items()}, {n: np.zeros_like(a) for n, a in inputs.items()}]
    totals = {n: np.zeros(p.value.shape) for n, p in runner.parameters.items()}
    for number, length in enumerate(lengths):
        if length == 0:
            for name in outputs:
                if name.startswith("final"):
                    expected[0][name][number] = inputs["h"][number]
                    expected[1]["h"][number] += errors[name][number]
            continue
        found = runner.forward({n: row(a, number, length) for n, a in inputs.items()})
        pulled = runner.backward({n: row(e, number, length) for n, e in errors.items()})
        for target, arrays in zip(expected, (found, pulled), strict=True):
            for name, array in arrays.items():
                row(target[name], number, length)[...] = array
        for name, parameter in runner.parameters.items():
            totals[name] += parameter.gradient
    return [*expected, totals]


def agree(found, expected, tolerance):
    """Require two results to be equal, to rounding; both finite."""
    for kind, ours, theirs in zip(("output", "error for", "gradient of"), found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name, array in theirs.items():
            assert np.isfinite(array).all(), f"the oracle is not finite: {kind} {name}"
            scale = max(np.abs(array).max(initial=0), 1e-3)
            np.testing.assert_allclose(ours[name], array, rtol=0, atol=tolerance * scale, err_msg=f"{kind} {name}")
