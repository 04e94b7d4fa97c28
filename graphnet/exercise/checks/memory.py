"""RNN and LSTM: memory between sequences, updates and regularization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise import cells
from graphnet.exercise.cell_gradients import backward, weight_gradient
from graphnet.exercise.checks.dense import repeated
from graphnet.exercise.checks.recurrent import OUTPUTS, STEPS, UNITS, WINDOW, Recurrent
from graphnet.exercise.matching import Variant, near
from graphnet.exercise.probe import Probe
from graphnet.exercise.tools import RATE, RecordingOptimizer, SquareNorm, check_updates, set_optimizer

Array = npt.NDArray[Any]


def check(kind: str, probe: Probe, cls: Any) -> None:
    """Check an RNN or an LSTM."""
    recurrent = Recurrent(probe, kind, cls)
    later = Memory(recurrent)
    probe.stages(
        recurrent.forward, recurrent.backward, recurrent.again, recurrent.setting, later.memory, later.lengths,
        later.update, later.regularization, later.initializers,
    )  # fmt: skip


class Memory:
    """Further stages, which need a right forward pass."""

    def __init__(self, recurrent: Recurrent) -> None:
        self.recurrent, self.probe, self.kind = recurrent, recurrent.probe, recurrent.kind

    def switch(self, layer: Any) -> None:
        """Turn the memory on, or off again, as the edition does it."""
        if callable(getattr(layer, "toggle_memory", None)):
            self.probe.call("toggle_memory", layer.toggle_memory)
        elif self.probe.contract:
            self.probe.do(layer, "toggle_memory")
        else:
            if not hasattr(layer, "memorize"):
                self.probe.fault("missing-property", "has no property memorize", "memorize")
            self.probe.call("memorize", setattr, layer, "memorize", not getattr(layer, "memorize", False))

    def memory(self) -> None:
        """Which state does a sequence start from?"""
        r, method = self.recurrent, "memory"
        match = r.needed()
        layer = r.make()
        if not self.probe.contract and getattr(layer, "memorize", False):
            self.probe.fault("memory-default", "memorize is True at first; it must be False", method)
        self.switch(layer)
        x1, x2 = r.sequence(), r.sequence()
        y1, y2 = r.run(layer, x1), r.run(layer, x2)
        first = r.oracle(layer, x1)
        if match.fault and not near(y1, match.outputs(first)):
            return
        right = match.outputs(r.oracle(layer, x2, first.end()))
        if not self.probe.compare(method, y2, right, self._starts(layer, first, x2), what="the second output"):
            return
        if not any(f.method in ("backward", "gradient of the weights") for f in self.probe.faults):
            r.pass_back(layer, None, "backward with memory", r.oracle(layer, x2, first.end()).end())
        self.switch(layer)
        x3 = r.sequence()
        y3 = r.run(layer, x3)
        if not near(y3, match.outputs(r.oracle(layer, x3))) and not match.fault:
            words = "after the memory has been switched off again, forward does not start from zeros"
            self.probe.fault("memory-not-reset", words, method)

    def _starts(self, layer: Any, first: cells.Trace, x: Array) -> Iterator[Variant]:
        r = self.recurrent
        match = r.needed()
        zeros = np.zeros((1, UNITS))
        starts = [
            ("memory-ignored", "the state is not kept although memory is on: the next forward starts from zeros", (zeros, zeros)),
            ("wrong-step", "the state kept is that of the first step, not of the last", (first.h[0], first.c[0])),
            ("wrong-step", "the state kept is that before the last step", (first.h_before[-1], first.c_before[-1])),
            ("state-not-stored", "only the hidden state is kept, the cell state starts from zeros", (first.h[-1], zeros)),
            ("state-not-stored", "only the cell state is kept, the hidden state starts from zeros", (zeros, first.c[-1])),
            ("wrong-state", "TanH of the cell state is kept in the memory instead of the cell state", (first.h[-1], np.tanh(first.c[-1]))),
            ("wrong-state", "the hidden state stands for the cell state in the memory", (first.h[-1], first.h[-1])),
            ("wrong-state", "the hidden state that is kept goes through TanH a second time", (np.tanh(first.h[-1]), first.c[-1])),
            ("wrong-step", "the cell state kept is that before the last step", (first.h[-1], first.c_before[-1])),
            ("wrong-step", "the hidden state kept is that before the last step", (first.h_before[-1], first.c[-1])),
            ("wrong-state", "the mean of the hidden states is kept", (sum(first.h) / len(first.h), first.c[-1])),
            ("wrong-state", "hidden state and cell state are exchanged in the memory", (first.c[-1], first.h[-1])),
        ]  # fmt: skip
        for code, words, start in starts:
            yield Variant(code, words, match.outputs(r.oracle(layer, x, start)))

    def lengths(self) -> None:
        """Sequences of other lengths."""
        r = self.recurrent
        match, layer = r.needed(), r.make()
        for steps in (STEPS, 1, STEPS + 3):
            x = r.sequence(steps)
            y = r.run(layer, x)
            if not match.fault and not near(y, match.outputs(r.oracle(layer, x))):
                words = f"a sequence of {steps} steps after one of another length gives wrong outputs"
                self.probe.fault("length", words, "forward")
                return
            self.probe.do(layer, "backward", np.ones((steps, OUTPUTS)))

    # ------------------------------------------------------------------ updates
    def update(self) -> None:
        """The optimizer: called once for each array, after the errors have been computed with the old weights."""
        r = self.recurrent
        match, layer = r.needed(), r.make()
        optimizer = RecordingOptimizer()
        set_optimizer(self.probe, layer, optimizer)
        x = r.sequence()
        y = r.run(layer, x)
        trace = r.oracle(layer, x)
        before = r.weights(layer).copy()
        errors = self.probe.rng.normal(size=y.shape)
        actual = self.probe.do(layer, "backward", errors)
        hidden = (errors * match.link.slope(y)) @ match.kernel.T
        right, raw = backward(self.kind, match.weights, trace, hidden)
        good = not any(f.method == "backward" for f in self.probe.faults)
        if not check_updates(self.probe, optimizer.log):
            return
        if good and not near(actual, right):
            words = "with an optimizer, backward returns another error: the weights are updated before it is computed"
            self.probe.fault("updated-too-early", words, "backward")
        self._arrays(layer, optimizer, before, trace, raw, errors * match.link.slope(y), good)

    def _arrays(
        self, layer: Any, optimizer: RecordingOptimizer, before: Array, trace: cells.Trace, raw: Array, errors: Array,
        good: bool,
    ) -> None:  # fmt: skip
        r = self.recurrent
        match, after = r.needed(), r.weights(layer)
        step = RATE * match.layout.join(weight_gradient(trace, raw, range(STEPS)))
        if near(after, before):
            words = "the optimizer is called, but its result is not stored: the weights do not change"
            self.probe.fault("update-not-stored", words, "update")
        elif good and not any(f.method == "gradient of the weights" for f in self.probe.faults):
            variants = (Variant("sign", "the weights go up the gradient", before + step),
                        Variant("updated-repeatedly", "the weights are updated twice", before - 2 * step),
                        Variant("arguments-swapped", "weights and gradient are exchanged in the call of calculate_update",
                                step / RATE - RATE * before))  # fmt: skip
            self.probe.compare("update", after, before - step, variants, what="the new weights")
        x = r.sequence()
        y, now = r.run(layer, x), r.oracle(layer, x)
        if near(y, match.outputs(now)):
            self.probe.fault("output-not-updated", "the weights of the output layer are not updated", "update")
            return
        if not match.fault:
            self._output_gradient(y, now, trace, errors)

    def _output_gradient(self, y: Array, now: cells.Trace, trace: cells.Trace, errors: Array) -> None:
        """The step of the output layer, seen in the outputs after it."""
        r = self.recurrent
        match = r.needed()
        hidden = trace.hidden[:, 0]

        def outputs(rows: Any, scale: float = 1.0, bias: float = 1.0, states: Array = hidden) -> Array:
            kernel = match.kernel - RATE * scale * states[rows].T @ errors[rows]
            shift = match.bias - RATE * scale * errors[rows].sum(0) * bias
            return match._replace(kernel=kernel, bias=shift).outputs(now)

        every = slice(None)
        before = np.concatenate([trace.h_before[0], hidden[:-1]])
        if near(y, outputs(slice(STEPS - WINDOW, None))):
            return
        variants = (
            Variant("missing-sum", "the output layer learns from the last step only", outputs(slice(-1, None))),
            Variant("missing-sum", "the output layer learns from the first step only", outputs(slice(0, 1))),
            Variant("mean", "the output layer's gradient is a mean over the steps; it is their sum", outputs(every, 1 / STEPS)),
            Variant("mean", "the gradient of the output layer's bias is a mean; it is a sum", outputs(every, bias=1 / STEPS)),
            Variant("sign", "the output layer goes up the gradient", outputs(every, -1.0)),
            Variant("bias-missing", "the bias of the output layer is not updated", outputs(every, bias=0.0)),
            Variant("wrong-step", "the output layer's gradient uses the hidden state of the step before",
                    outputs(every, states=before)),
            Variant("state-not-stored", "the output layer's gradient uses the last hidden state for every step",
                    outputs(every, states=np.repeat(hidden[-1:], STEPS, 0))),
        )  # fmt: skip
        if not any(f.method == "backward" for f in self.probe.faults):
            self.probe.compare(
                "update of the output layer", y, outputs(every), variants, what="the output after a step"
            )

    def regularization(self) -> None:
        """``calculate_regularization_loss``: the norm of the weights, 0 without a regularizer."""
        r, name = self.recurrent, "calculate_regularization_loss"
        match, layer = r.needed(), r.make()
        function = self.probe.method(layer, name, required=self.probe.contract)
        if function is None:
            return
        optimizer = RecordingOptimizer()
        set_optimizer(self.probe, layer, optimizer)
        without = self.probe.call(name, function)
        if not near(without, 0.0):
            self.probe.fault("regularization", "without a regularizer the regularization loss is not 0", name)
        optimizer = RecordingOptimizer()
        optimizer.add_regularizer(SquareNorm())
        set_optimizer(self.probe, layer, optimizer)
        loss = self.probe.call(name, function)
        if not optimizer.regularizer.calls and not near(loss, 0.0):
            self.probe.fault("regularization", "does not call the regularizer's norm", name)
            return
        hidden = SquareNorm().norm(r.weights(layer))
        output = SquareNorm().norm(match.kernel) + SquareNorm().norm(match.bias)
        without_bias = hidden - SquareNorm().norm(match.weights[2])
        if any(near(loss, right) for right in (hidden, hidden + output)):
            repeated(self.probe, name, function, loss)
            return
        variants = (
            Variant("regularization-missing", "the regularization loss is always 0", 0.0),
            Variant("regularization", "the regularization loss leaves out the bias", without_bias),
            Variant("regularization", "the regularization loss is that of the output layer only", output),
        )
        self.probe.compare(name, loss, hidden + output, variants, what="the regularization loss")

    def initializers(self) -> None:
        """``initialize`` asks both initializers."""
        r = self.recurrent
        layer = r.make()
        self._all_initialized(layer)
        for made, name in ((r.kernels, "weights_initializer"), (r.biases, "bias_initializer")):
            if not made.calls:
                self.probe.fault("initializer-not-used", f"initialize does not use the {name}", "initialize")

    def _all_initialized(self, layer: Any) -> None:
        """Every weight comes from an initializer, kernels and biases from their own."""
        r = self.recurrent
        asked = sum(call[3].size for made in (r.kernels, r.biases) for call in made.calls)
        # An LSTM's forget gate may start with a bias of its own.
        needed = r.weights(layer).size + (UNITS + 1) * OUTPUTS
        if r.kernels.calls and r.biases.calls and asked < needed - (UNITS if self.kind == "LSTM" else 0):
            words = f"initialize fills {asked} of {needed} weights: those of the output layer, or of the cell, stay as they are"
            self.probe.fault("initializer-not-used", words, "initialize")
        if r.match is None or "b" not in r.match.layout.rows:
            return
        x, h, b = r.match.layout.split(r.weights(layer))
        drawn = {
            made: np.concatenate([call[3].ravel() for call in made.calls] or [np.zeros(0)])
            for made in (r.kernels, r.biases)
        }
        if np.isin(b, drawn[r.kernels]).all() and drawn[r.biases].size:
            words = "the bias of the cell comes from the weights_initializer; it must come from the bias_initializer"
            self.probe.fault("arguments-swapped", words, "initialize")
            return
        if np.isin(h, drawn[r.biases]).all() or np.isin(x, drawn[r.biases]).all():
            words = "weights of the cell come from the bias_initializer; they must come from the weights_initializer"
            self.probe.fault("arguments-swapped", words, "initialize")
            return
        if (b < 0).any() and (x > 0).all() and (h > 0).all():
            self.probe.fault(
                "arguments-swapped", "weights_initializer and bias_initializer are exchanged", "initialize"
            )
