"""Conv and Pooling."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise.checks.dense import regularization_loss
from graphnet.exercise.matching import Variant, as_numbers, diagnose, near, wrong_errors
from graphnet.exercise.probe import Probe, Stop
from graphnet.exercise.tools import (
    RATE,
    RecordingInitializer,
    RecordingOptimizer,
    SquareNorm,
    check_updates,
    get_gradient,
    set_optimizer,
)

Array = npt.NDArray[Any]
BATCH, CHANNELS, KERNELS = 2, 3, 4
SIZE, KERNEL = (6, 7), (3, 4)
Pads = tuple[tuple[int, int], tuple[int, int]]


def same(kernel: tuple[int, ...], odd_at_end: bool = True) -> Any:
    """Zeros before and after each axis."""
    small = [(k - 1) // 2 for k in kernel]
    return tuple((s, k - 1 - s) if odd_at_end else (k - 1 - s, s) for s, k in zip(small, kernel, strict=True))


def windows(x: Array, kernel: tuple[int, ...], stride: tuple[int, int], pads: Pads) -> Array:
    """``(batch, channels, rows, columns, m, n)``."""
    padded = np.pad(x, ((0, 0), (0, 0), *pads))
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))  # type: ignore[call-overload]
    result: Array = view[:, :, :: stride[0], :: stride[1]]
    return result


def correlate(x: Array, w: Array, b: Array | float, stride: tuple[int, int], pads: Pads | None = None) -> Array:
    """Cross-correlation with zero padding, then stride."""
    found = windows(x, w.shape[2:], stride, same(w.shape[2:]) if pads is None else pads)
    bias = np.reshape(b, (1, -1, 1, 1)) if np.ndim(b) else b
    result: Array = np.einsum("bcyxij,kcij->bkyx", found, w) + bias
    return result


def scatter(e: Array, w: Array, shape: tuple[int, ...], stride: tuple[int, int], pads: Pads) -> Array:
    """The error for the input: the transposition of ``correlate``."""
    padded = np.zeros((*shape[:2], *(n + sum(p) for n, p in zip(shape[2:], pads, strict=True))))
    rows, columns = e.shape[2:]
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            at = slice(i, i + rows * stride[0], stride[0]), slice(j, j + columns * stride[1], stride[1])
            padded[:, :, at[0], at[1]] += np.einsum("bkyx,kc->bcyx", e, w[:, :, i, j])[
                :, :, : padded[:, :, at[0], at[1]].shape[2], : padded[:, :, at[0], at[1]].shape[3]
            ]
    (top, bottom), (left, right) = pads
    return padded[:, :, top : padded.shape[2] - bottom, left : padded.shape[3] - right]


def _only(e: Array, at: int) -> Array:
    """The errors of one position, zeros elsewhere."""
    result = np.zeros_like(e)
    result[:, :, at, at] = e[:, :, at, at]
    return result


#: What may go wrong where the windows of a Conv overlap, in its backward.
OVERLAPS = {
    "positions": "where windows overlap, the errors of the positions overwrite each other; they must be summed",
    "cells": "the errors of the kernel's cells overwrite each other; they must be summed",
    "kernels": "the errors of the kernels overwrite each other; they must be summed",
    "positions of one": "where windows overlap, the errors of positions and kernels overwrite each other; they must be summed",
}


def scatter_wrongly(
    e: Array, w: Array, shape: tuple[int, ...], stride: tuple[int, int], pads: Pads, kind: str
) -> Array:
    """``scatter`` with an assignment where a sum belongs."""
    padded = np.zeros((*shape[:2], *(n + sum(p) for n, p in zip(shape[2:], pads, strict=True))))
    rows, columns = e.shape[2:]
    (top, bottom), (left, right) = pads
    if kind == "cells":
        for i, j in np.ndindex(w.shape[2:]):
            at = padded[:, :, i : i + shape[2] : stride[0], j : j + shape[3] : stride[1]]
            at[...] = np.einsum("bkyx,kc->bcyx", e, w[:, :, i, j])[:, :, : at.shape[2], : at.shape[3]]
    elif kind == "kernels":
        return scatter(e[:, -1:], w[-1:], shape, stride, pads)
    else:
        kernels = slice(None) if kind == "positions" else slice(-1, None)
        for y, x in np.ndindex(rows, columns):
            at = padded[:, :, y * stride[0] :, x * stride[1] :][:, :, : w.shape[2], : w.shape[3]]
            at[...] = np.einsum("bk,kcij->bcij", e[:, kernels, y, x], w[kernels])
    return padded[:, :, top : padded.shape[2] - bottom, left : padded.shape[3] - right]


def conv(probe: Probe, cls: Any) -> None:
    """Check Conv."""
    check = _Conv(probe, cls)
    probe.stages(
        check.forward,
        check.strided,
        check.backward,
        check.update,
        check.initialize,
        check.regularization,
        check.signals,
    )


class _Conv:
    def __init__(self, probe: Probe, cls: Any) -> None:
        self.probe, self.cls = probe, cls
        self.pads: Pads = same(KERNEL)

    def make(self, stride: tuple[int, int]) -> Any:
        layer = self.probe.call("__init__", self.cls, stride, (CHANNELS, *KERNEL), KERNELS)
        weights = as_numbers(getattr(layer, "weights", None))
        if weights is None:
            self.probe.fault("missing-property", "has no attribute weights", "weights")
            raise Stop
        expected = (KERNELS, CHANNELS, *KERNEL)
        if weights.shape != expected:
            words = f"weights have shape {weights.shape}, expected (num_kernels, channels, m, n) = {expected}"
            self.probe.fault("wrong-shape", words, "weights")
            raise Stop
        self.w = self.probe.rng.normal(size=expected)
        self.b = self.probe.rng.normal(size=KERNELS)
        layer.weights = self.w.copy()
        bias = as_numbers(getattr(layer, "bias", None))
        if bias is None:
            self.probe.fault("missing-property", "has no attribute bias", "bias")
        else:
            layer.bias = self.b.reshape(bias.shape if bias.size == KERNELS else KERNELS).copy()
        return layer

    def image(self, size: tuple[int, int] = SIZE) -> Array:
        return self.probe.rng.normal(size=(BATCH, CHANNELS, *size))

    def forward(self) -> None:
        """Stride 1."""
        layer, x = self.make((1, 1)), self.image()
        y = self.probe.do(layer, "forward", x)
        right = correlate(x, self.w, self.b, (1, 1))
        other = correlate(x, self.w, self.b, (1, 1), same(KERNEL, False))
        if near(y, other):
            self.pads = same(KERNEL, False)
            words = "an even kernel pads the odd cell at the start; it belongs to the end"
            (self.probe.fault if self.probe.contract else self.probe.note)("padding", words, "forward")
            return
        if diagnose(y, right, self.variants(x, (1, 1))) is not None:
            for pads in (same(KERNEL), same(KERNEL, False)):  # other faults, with the odd cell at either end
                self.pads = pads
                if any(near(y, variant.result()) for variant in self.variants(x, (1, 1))):
                    break
            else:
                self.pads = same(KERNEL)
        self.probe.compare(
            "forward", y, right, self.variants(x, (1, 1)), {"batch": BATCH, "channels": CHANNELS}, "the output"
        )

    def variants(self, x: Array, stride: tuple[int, int]) -> Iterator[Variant]:
        w, b = self.w, self.b
        for flipped, words in (
            (w[:, :, ::-1, ::-1], "the kernel is flipped: that is a convolution; forward is a cross-correlation"),
            (w[:, ::-1], "the channels of the kernel are flipped"),
            (w[:, ::-1, ::-1, ::-1], "the kernel is flipped in all axes: forward is a cross-correlation"),
            (w[:, :, ::-1], "the kernel is flipped along y"),
            (w[:, :, :, ::-1], "the kernel is flipped along x"),
        ):
            for pads in (same(KERNEL), same(KERNEL, False)):
                yield Variant("kernel-flipped", words, lambda k=flipped, p=pads: correlate(x, k, b, stride, p))
        yield Variant("bias-missing", "the bias is not added", lambda: correlate(x, w, 0.0, stride, self.pads))
        yield Variant(
            "bias-wrong", "the bias is added once a channel", lambda: correlate(x, w, b * CHANNELS, stride, self.pads)
        )
        yield Variant(
            "bias-wrong",
            "the bias of the first kernel is added to all",
            lambda: correlate(x, w, float(b[0]), stride, self.pads),
        )
        yield Variant(
            "padding",
            "there is no padding: 'same' keeps the size",
            lambda: correlate(x, w, b, stride, ((0, 0), (0, 0))),
        )
        for half, words in ((lambda k: k // 2, "one cell too many"), (lambda k: (k - 1) // 2, "one cell too few"),
                            (lambda k: k - 1, "k - 1 cells on both sides"), (lambda k: k, "k cells on both sides")):  # fmt: skip
            both = tuple((half(k), half(k)) for k in KERNEL)
            yield Variant("padding", f"the padding of an even kernel has {words}: 'same' keeps the size",
                          lambda both=both: correlate(x, w, b, stride, both))  # fmt: skip
        for c in (0, CHANNELS - 1):
            yield Variant("missing-sum", f"only channel {c} counts: the channels must be summed",
                          lambda c=c: correlate(x[:, c : c + 1], w[:, c : c + 1], b, stride, self.pads))  # fmt: skip
        yield Variant("kernel-wrong", "every output channel uses the first kernel",
                      lambda: correlate(x, np.repeat(w[:1], KERNELS, 0), b, stride, self.pads))  # fmt: skip
        if stride != (1, 1):
            yield Variant("stride", "the stride is ignored", lambda: correlate(x, w, b, (1, 1), self.pads))
            yield Variant(
                "stride", "the strides of y and x are exchanged", lambda: correlate(x, w, b, stride[::-1], self.pads)
            )
            full = correlate(x, w, b, (1, 1), self.pads)
            for dy, dx in ((1, 0), (0, 1), (1, 1)):
                yield Variant(
                    "stride",
                    "the stride does not start at the first cell",
                    full[:, :, dy :: stride[0], dx :: stride[1]],
                )

    def strided(self) -> None:
        """Strides 2 and 3."""
        if self.probe.faults:
            return
        layer, x = self.make((2, 3)), self.image((7, 8))
        right = correlate(x, self.w, self.b, (2, 3), self.pads)
        self.probe.compare("forward", self.probe.do(layer, "forward", x), right, self.variants(x, (2, 3)),
                           {"batch": BATCH}, "the output with a stride")  # fmt: skip

    def backward(self) -> None:
        """Errors and gradients, with and without a stride."""
        for stride in ((1, 1), (2, 3)):
            layer, x0, x = self.make(stride), self.image(), self.image()
            y0 = correlate(x0, self.w, self.b, stride, self.pads)
            e0, e = self.probe.rng.normal(size=(2, *y0.shape))
            self.probe.do(layer, "forward", x0)
            self.probe.do(layer, "backward", e0)
            self.probe.do(layer, "forward", x)
            actual = self.probe.do(layer, "backward", e)
            name = "backward" if stride == (1, 1) else "backward with a stride"
            right = scatter(e, self.w, x.shape, stride, self.pads)
            good = self.probe.compare(name, actual, right, self.error_variants(x, e, stride), {"batch": BATCH},
                                      "the error for the input")  # fmt: skip
            self.gradients(layer, x, e, (x0, e0), stride)
            if not good or len(self.probe.faults) > 2:
                return

    def error_variants(self, x: Array, e: Array, stride: tuple[int, int]) -> Iterator[Variant]:
        w = self.w
        yield Variant("kernel-flipped", "the kernel is not flipped for the error (correlated twice in the same direction)",
                      lambda: scatter(e, w[:, :, ::-1, ::-1], x.shape, stride, self.pads))  # fmt: skip
        yield Variant("kernel-flipped", "the kernel is not flipped for the error (correlated twice in the same direction)",
                      lambda: scatter(e, w[:, :, ::-1, ::-1], x.shape, stride, tuple(p[::-1] for p in self.pads)))  # type: ignore[arg-type]  # fmt: skip
        yield Variant("padding", "the padding of an even kernel is on the wrong side in backward: off by one",
                      lambda: scatter(e, w, x.shape, stride, tuple(p[::-1] for p in self.pads)))  # type: ignore[arg-type]  # fmt: skip
        yield Variant(
            "channels-reversed",
            "the kernels are in reversed order",
            lambda: scatter(e, w[::-1], x.shape, stride, self.pads),
        )
        yield Variant(
            "channels-reversed",
            "the channels are in reversed order",
            lambda: scatter(e, w[:, ::-1], x.shape, stride, self.pads),
        )
        for k in (0, KERNELS - 1):
            yield Variant("missing-sum", f"only kernel {k} counts: the kernels must be summed",
                          lambda k=k: scatter(e[:, k : k + 1], w[k : k + 1], x.shape, stride, self.pads))  # fmt: skip
        (top, bottom), (left, right) = self.pads
        for pads, words in (
            (((0, top + bottom), (0, left + right)), "at the end only"),
            (((top + bottom, 0), (left + right, 0)), "at the start only"),
        ):
            yield Variant(
                "padding",
                f"the padding is cut off {words}: the error is shifted",
                partial(self._cut, x, e, stride, pads),
            )
        yield from wrong_errors(e, lambda e: scatter(e, w, x.shape, stride, self.pads))
        for kind, words in OVERLAPS.items():
            yield Variant(
                "missing-sum", words, lambda kind=kind: scatter_wrongly(e, w, x.shape, stride, self.pads, kind)
            )
        for b in (0, len(x) - 1):
            yield Variant("missing-sum", f"every image gets the error of image {b}",
                          lambda b=b: scatter(e[b : b + 1].repeat(len(x), 0), w, x.shape, stride, self.pads))  # fmt: skip
        if stride != (1, 1):
            big = np.zeros((*e.shape[:2], *SIZE))
            big[:, :, : e.shape[2], : e.shape[3]] = e
            yield Variant("stride", "the stride is ignored in backward: the error must be spread with zeros between",
                          lambda: scatter(big, w, x.shape, (1, 1), self.pads))  # fmt: skip

    def _cut(self, x: Array, e: Array, stride: tuple[int, int], pads: Pads) -> Array:
        """The error for the input with its padding cut off elsewhere."""
        (top, bottom), (left, right) = self.pads
        whole = scatter(
            e, self.w, (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right), stride, ((0, 0), (0, 0))
        )
        (top, _), (left, _) = pads
        return whole[:, :, top : top + x.shape[2], left : left + x.shape[3]]

    def gradients(self, layer: Any, x: Array, e: Array, first: tuple[Array, Array], stride: tuple[int, int]) -> None:
        """Compare the gradients of kernels and bias."""

        def kernels(x: Array, e: Array, pads: Pads = self.pads) -> Array:
            result: Array = np.einsum("bcyxij,bkyx->kcij", windows(x, KERNEL, stride, pads), e)
            return result

        right, sizes = kernels(x, e), {"batch": BATCH, "positions": e[0, 0].size}
        x0, e0 = first
        variants = (
            Variant("gradient-not-reset", "is added to the gradient of the backward before", right + kernels(x0, e0)),
            Variant("state-not-stored", "uses the input of an earlier forward", kernels(x0, e)),
            Variant("missing-sum", "is that of the last image only", kernels(x[-1:], e[-1:])),
            Variant("missing-sum", "is that of the first image only", kernels(x[:1], e[:1])),
            Variant("missing-sum", "is that of the last position only: the positions must be summed", kernels(x, _only(e, -1))),
            Variant("missing-sum", "is that of the first position only: the positions must be summed", kernels(x, _only(e, 0))),
            Variant("missing-sum", "is that of the last image's last position only", kernels(x[-1:], _only(e[-1:], -1))),
            Variant("kernel-flipped", "is flipped: input and error must be correlated, not convolved", right[:, :, ::-1, ::-1]),
            Variant("padding", "is off by one cell: the padding of the even kernel", lambda: kernels(x, e, tuple(p[::-1] for p in self.pads))),  # type: ignore[arg-type]
            Variant("channels-reversed", "has its channels reversed", right[:, ::-1]),
        )  # fmt: skip
        name = "gradient of the weights"
        self.probe.compare(name, get_gradient(self.probe, layer), right, variants, sizes, "the gradient of the weights")
        found = as_numbers(get_gradient(self.probe, layer, "bias"))
        actual = found.reshape(-1) if found is not None and found.size == KERNELS else found
        bias = e.sum((0, 2, 3))
        of_bias = (
            Variant("gradient-not-reset", "is added to the gradient of the backward before", bias + e0.sum((0, 2, 3))),
            Variant("missing-sum", "is that of the last image only", e[-1].sum((1, 2))),
            Variant("missing-sum", "is that of the first image only", e[0].sum((1, 2))),
            Variant("mean", "is a mean over batch and positions; it is a sum", e.mean((0, 2, 3))),
            Variant("missing-sum", "is not summed over the positions", e.sum(0)),
        )
        self.probe.compare("gradient of the bias", actual, bias, of_bias, sizes, "the gradient of the bias")

    def update(self) -> None:
        """Kernels and bias, each with its own optimizer."""
        layer, x = self.make((1, 1)), self.image()
        optimizer = RecordingOptimizer()
        set_optimizer(self.probe, layer, optimizer)
        self.probe.do(layer, "forward", x)
        e = self.probe.rng.normal(size=(BATCH, KERNELS, *SIZE))
        actual = self.probe.do(layer, "backward", e)
        if not check_updates(self.probe, optimizer.log):
            return
        if not any(f.method == "backward" for f in self.probe.faults) and not near(
            actual, scatter(e, self.w, x.shape, (1, 1), self.pads)
        ):
            words = "with an optimizer, backward returns another error: the weights are updated before it is computed"
            self.probe.fault("updated-too-early", words, "backward")
        for name, before, method in (
            ("weights", self.w, "gradient of the weights"),
            ("bias", self.b, "gradient of the bias"),
        ):
            gradient = np.reshape(get_gradient(self.probe, layer, name), before.shape)
            after = np.reshape(getattr(layer, name), before.shape)
            if near(after, before):
                self.probe.fault(
                    "update-not-stored",
                    f"the {name} are not updated" if name == "weights" else "the bias is not updated",
                    "update",
                )
            elif not any(f.method == method for f in self.probe.faults):
                variants = (Variant("sign", "goes up the gradient", before + RATE * gradient),
                            Variant("updated-repeatedly", "is updated twice", before - 2 * RATE * gradient))  # fmt: skip
                self.probe.compare("update", after, before - RATE * gradient, variants, what=f"the new {name}")

    def initialize(self) -> None:
        """Fans of the kernels."""
        layer = self.make((1, 1))
        kernels, biases = RecordingInitializer(-0.9, -0.1, 1), RecordingInitializer(0.2, 0.7, 2)
        self.probe.do(layer, "initialize", kernels, biases)
        cells = KERNEL[0] * KERNEL[1]
        fan_in, fan_out = CHANNELS * cells, KERNELS * cells
        for made, name in ((kernels, "weights_initializer"), (biases, "bias_initializer")):
            if not made.calls:
                self.probe.fault("initializer-not-used", f"the {name} is not used", "initialize")
        if kernels.calls and biases.calls and np.all(np.asarray(layer.bias) < 0):
            self.probe.fault("arguments-swapped", "the bias comes from the weights_initializer", "initialize")
        if kernels.calls:
            found = tuple(int(fan) for fan in kernels.calls[0][1:3])
            if found == (fan_out, fan_in):
                self.probe.fault("fans-swapped", "fan_in and fan_out are exchanged", "initialize")
            elif found != (fan_in, fan_out):
                words = f"fan_in, fan_out are {found}; expected channels · m · n and num_kernels · m · n = {(fan_in, fan_out)}"
                self.probe.fault("fans", words, "initialize")

    def regularization(self) -> None:
        """The norm of the kernels, with or without that of the bias."""
        layer = self.make((1, 1))
        if callable(getattr(layer, "calculate_regularization_loss", None)) or self.probe.contract:
            regularization_loss(self.probe, layer, SquareNorm().norm(self.w))

    def signals(self) -> None:
        """One spatial axis."""
        if self.probe.faults:
            return
        layer = self.probe.call("__init__", self.cls, (2,), (CHANNELS, 3), KERNELS)
        w, b = self.probe.rng.normal(size=(KERNELS, CHANNELS, 3)), self.probe.rng.normal(size=KERNELS)
        layer.weights = w.copy()
        layer.bias = b.reshape(np.shape(layer.bias) if np.size(layer.bias) == KERNELS else KERNELS).copy()
        x = self.probe.rng.normal(size=(BATCH, CHANNELS, 9))
        y = self.probe.do(layer, "forward", x)
        right = correlate(x[..., None, :], w[..., None, :], b, (1, 2))[:, :, 0]
        if not self.probe.compare("forward of a signal", y, right, what="the output for a signal"):
            return
        e = self.probe.rng.normal(size=right.shape)
        back = self.probe.do(layer, "backward", e)
        expected = scatter(e[..., None, :], w[..., None, :], (*x.shape[:2], 1, 9), (1, 2), same((1, 3)))[:, :, 0]
        self.probe.compare("backward of a signal", back, expected, what="the error for a signal")


#: The window of a pooling layer.
WINDOW = (3, 2)


def _pool(x: Array, stride: tuple[int, int], function: Any = np.max, kernel: tuple[int, int] = WINDOW) -> Array:
    result: Array = function(windows(x, kernel, stride, ((0, 0), (0, 0))), axis=(4, 5))
    return result


#: Wrong ways from the number of a cell in its window to its row and column.
INDEXING = {
    "height": lambda k: divmod(k, WINDOW[0]),
    "swapped": lambda k: divmod(k, WINDOW[1])[::-1],
    "height swapped": lambda k: divmod(k, WINDOW[0])[::-1],
    "corner": lambda k: (0, 0),
    "end": lambda k: (WINDOW[0] - 1, WINDOW[1] - 1),
}


def _unpool(x: Array, e: Array, stride: tuple[int, int], kind: str = "") -> Array:
    result = np.zeros_like(x)
    for b, c, i, j in np.ndindex(e.shape):
        top, left = i * stride[0], j * stride[1]
        part = x[b, c, top : top + WINDOW[0], left : left + WINDOW[1]]
        hits = np.argwhere(part == part.max())
        if kind == "all":
            for hit in hits:
                result[b, c, top + hit[0], left + hit[1]] += e[b, c, i, j]
            continue
        if kind == "spread":
            result[b, c, top : top + WINDOW[0], left : left + WINDOW[1]] += e[b, c, i, j] / part.size
            continue
        if kind in ("of the first image", "of the first channel", "of the first"):
            one = 0 if kind != "of the first channel" else b, 0 if kind != "of the first image" else c
            part = x[one[0], one[1], top : top + WINDOW[0], left : left + WINDOW[1]]
            hits = np.argwhere(part == part.max())
        if kind in INDEXING:
            at = INDEXING[kind](int(np.argmax(part)))
            if max(top + at[0] - x.shape[2], left + at[1] - x.shape[3]) < 0:
                result[b, c, top + at[0], left + at[1]] += e[b, c, i, j]
            continue
        if kind == "every":
            result[b, c, top : top + WINDOW[0], left : left + WINDOW[1]] += e[b, c, i, j]
            continue
        if kind == "minimum":
            hits = np.argwhere(part == part.min())
        y, z = hits[-1] if kind == "last" else hits[0]
        result[b, c, top + y, left + z] = e[b, c, i, j] + (
            0 if kind == "overwritten" else result[b, c, top + y, left + z]
        )
    return result


#: Wrong numbers of windows along an axis, from its size, that of the window and the stride.
COUNTS = {
    "(size - window) // stride": lambda n, w, s: (n - w) // s,
    "ceil((size - window) / stride) + 1": lambda n, w, s: -(-(n - w) // s) + 1,
    "ceil(size / stride)": lambda n, w, s: -(-n // s),
    "size // stride": lambda n, w, s: n // s,
    "(size - window + 1) // stride": lambda n, w, s: (n - w + 1) // s,
    "size // window": lambda n, w, s: n // w,
    "size - window + 1": lambda n, w, s: n - w + 1,
    "(size - window) // stride + 2": lambda n, w, s: (n - w) // s + 2,
}


def _wrong_count(found: tuple[int, ...], shape: tuple[int, ...], stride: tuple[int, int]) -> str:
    """Which formula gives the student's number of windows; empty if it is right or unknown."""
    right = tuple((n - w) // s + 1 for n, w, s in zip(shape[2:], WINDOW, stride, strict=True))
    if len(found) != 4 or found[2:] == right:
        return ""
    axes = [k for k in range(2) if found[2 + k] != right[k]]
    for words, count in COUNTS.items():
        if all(count(shape[2 + k], WINDOW[k], stride[k]) == found[2 + k] for k in axes):
            where = f" along {'yx'[axes[0]]}" if len(axes) == 1 else ""
            return f"the number of windows{where} is {words}; it is (size - window) // stride + 1: {right}, not {found[2:]}"
    return ""


def pooling(probe: Probe, cls: Any) -> None:
    """Check Pooling: overlapping windows, windows that do not fill the image, and ties."""
    shape, window = (2, 3, 8, 9), WINDOW

    def outputs() -> None:
        for stride in ((2, 2), (2, 3), (1, 1)):
            layer, x = probe.call("__init__", cls, stride, window), probe.rng.normal(size=shape)
            y = probe.do(layer, "forward", x)
            variants = [
                Variant("wrong-function", "takes the mean of a window; it is the maximum", _pool(x, stride, np.mean)),
                Variant("wrong-function", "takes the minimum of a window; it is the maximum", _pool(x, stride, np.min)),
                Variant("wrong-function", "takes the maximum of the absolute values", _pool(np.abs(x), stride)),
                Variant("stride", "the strides of y and x are exchanged", _pool(x, stride[::-1])),
                Variant("stride", "the stride is ignored", _pool(x, (1, 1))),
                Variant("stride", "the stride is the size of the window", _pool(x, window)),
                Variant(
                    "window-swapped", "the sizes of the window are exchanged", _pool(x, stride, kernel=window[::-1])
                ),
            ]
            words = _wrong_count(np.shape(y), shape, stride)
            if words and not any(near(y, variant.result()) for variant in variants):
                probe.fault("wrong-shape", words, "forward")
                return
            if not probe.compare("forward", y, _pool(x, stride), variants, what="the output"):
                return

    def errors() -> None:
        for stride in ((2, 2), (1, 1), (3, 3)):
            layer, x0, x = probe.call("__init__", cls, stride, window), *probe.rng.normal(size=(2, *shape))
            probe.do(layer, "forward", x0)
            probe.do(layer, "forward", x)
            e = probe.rng.normal(size=_pool(x, stride).shape)
            variants = [
                Variant("missing-sum", "where windows overlap, errors overwrite each other; they must be summed", _unpool(x, e, stride, "overwritten")),
                Variant("wrong-derivative", "the error is spread over the window; only its maximum gets it", _unpool(x, e, stride, "spread")),
                Variant("wrong-derivative", "every cell of the window gets the error; only its maximum does", _unpool(x, e, stride, "every")),
                Variant("wrong-position", "row and column of the maximum are computed with the height of the window; it must be its width", _unpool(x, e, stride, "height")),
                Variant("wrong-position", "row and column of the maximum are exchanged", _unpool(x, e, stride, "swapped")),
                Variant("wrong-position", "row and column of the maximum are exchanged", _unpool(x, e, stride, "height swapped")),
                Variant("wrong-position", "the error goes to the minimum of each window; it belongs to the maximum", _unpool(x, e, stride, "minimum")),
                Variant("wrong-position", "the error goes to the last cell of each window, not to its maximum", _unpool(x, e, stride, "end")),
                *wrong_errors(e, partial(_unpool, x, stride=stride)),
                *(Variant("wrong-position", f"the positions of the maxima are those {which}, for all", _unpool(x, e, stride, which))
                  for which in ("of the first image", "of the first channel")),
                Variant("wrong-position", "the positions of the maxima are those of the first image's first channel, for all", _unpool(x, e, stride, "of the first")),
                Variant("wrong-position", "the error goes to the first cell of each window, not to its maximum", _unpool(x, e, stride, "corner")),
                Variant("state-not-stored", "the positions are those of an earlier forward", _unpool(x0, e, stride)),
                Variant("error-missing", "returns the maxima instead of the errors", _unpool(x, _pool(x, stride), stride)),
            ]  # fmt: skip
            actual = probe.do(layer, "backward", e)
            if not probe.compare("backward", actual, _unpool(x, e, stride), variants, what="the error for the input"):
                return

    def ties() -> None:
        if not probe.contract or probe.faults:
            return
        layer, x = probe.call("__init__", cls, (3, 2), window), np.ones(shape)
        probe.do(layer, "forward", x)
        e = probe.rng.normal(size=_pool(x, (3, 2)).shape)
        variants = [Variant("ties", "every maximum of a tie gets the error; the first one must", _unpool(x, e, (3, 2), "all")),
                    Variant("ties", "the last maximum of a tie gets the error; the first one must", _unpool(x, e, (3, 2), "last"))]  # fmt: skip
        probe.compare(
            "backward", probe.do(layer, "backward", e), _unpool(x, e, (3, 2)), variants, what="the error of a tie"
        )

    probe.stages(outputs, errors, ties)
