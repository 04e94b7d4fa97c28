"""RNN and LSTM: which oracle computes the student's outputs, errors and gradients?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphnet.exercise import cells
from graphnet.exercise.cell_gradients import BACKWARD, backward, gradient_variants, weight_gradient
from graphnet.exercise.checks import explain
from graphnet.exercise.finding import FAULT
from graphnet.exercise.layouts import Layout, layouts, one_array
from graphnet.exercise.matching import SINGLE, TOLERANCE, Variant, as_numbers, diagnose, near
from graphnet.exercise.probe import Probe, Stop
from graphnet.exercise.tools import RecordingInitializer, get_gradient, get_weights, put_weights

Array = npt.NDArray[Any]
INPUTS, UNITS, OUTPUTS, STEPS, WINDOW = 3, 5, 2, 7, 5


#: Faults of the forward pass whose outputs depend on later steps.
WHOLE = ("last output", "reversed", "same output")
#: Faults of the forward pass with which a single pass of a new layer is right.
WORKING = ("", "kept", "kept h", "kept c")


class Link(NamedTuple):
    """What stands between the output layer and the output, and the derivative that ``backward`` needs."""

    name: str
    inverse: Any
    slope: Any


def _logit(y: Array) -> Array:
    return np.log(y / (1 - y))


LINKS = (
    Link("", lambda y: y, lambda y: np.ones_like(y)),
    Link("Sigmoid", _logit, lambda y: y * (1 - y)),
    Link("TanH", np.arctanh, lambda y: 1 - y**2),
)


class Match(NamedTuple):
    """An oracle that computes the student's outputs: its fault, the layout, the link and the output layer."""

    fault: str
    layout: Layout
    weights: cells.Weights
    link: Link
    kernel: Array
    bias: Array

    def outputs(self, trace: cells.Trace) -> Array:
        """The student's outputs for one sequence."""
        z: Array = trace.hidden[:, 0] @ self.kernel + self.bias
        return {"": z, "Sigmoid": cells.sigmoid(z), "TanH": np.tanh(z)}[self.link.name]


class Recurrent:
    """The stages of the check of one class.

    Parameters
    ----------
    probe : Probe
    kind : 'RNN' or 'LSTM'
    cls : type
        The student's.
    """

    def __init__(self, probe: Probe, kind: str, cls: Any) -> None:
        self.probe, self.kind, self.cls = probe, kind, cls
        self.with_window: bool | None = None
        self.match: Match | None = None
        self.single = False
        self.explained = False

    # ------------------------------------------------------------------ making layers
    def make(self, window: int = STEPS + 2) -> Any:
        """A new layer with weights by our initializers."""
        np.random.seed(11)  # noqa: NPY002  # what the initializers do not fill is the same in each layer
        layer = self._construct(window)
        self.kernels = RecordingInitializer(-0.9, 0.9, 1)
        self.biases = RecordingInitializer(0.2, 0.7, 2)
        initialize = self.probe.method(layer, "initialize")
        if initialize is not None:
            self.probe.call("initialize", initialize, self.kernels, self.biases)
        return layer

    def _construct(self, window: int) -> Any:
        sizes = INPUTS, UNITS, OUTPUTS
        if self.with_window is None:
            self.with_window = self.probe.contract
            if self.probe.contract and not _accepts(self.cls, 4):
                words = "the constructor takes no bptt_length: (input_size, hidden_size, output_size, bptt_length)"
                self.probe.fault("bptt-length-missing", words, "__init__")
                self.with_window = False
            elif not self.probe.contract and not _accepts(self.cls, 3):
                self.with_window = True
        return self.probe.call("__init__", self.cls, *sizes, *((window,) if self.with_window else ()))

    def sequence(self, steps: int = STEPS) -> Array:
        """A new input."""
        return self.probe.rng.normal(size=(steps, INPUTS))

    def run(self, layer: Any, x: Array) -> Array:
        """The student's output, with its shape checked."""
        y = self.probe.do(layer, "forward", x)
        array = as_numbers(y)
        expected = (len(x), OUTPUTS)
        if array is None or array.shape != expected:
            got = "None" if y is None else type(y).__name__ if array is None else f"shape {array.shape}"
            self.probe.fault(
                "wrong-shape", f"forward returns {got}, expected shape {expected}: one output a step", "forward"
            )
            raise Stop
        if not np.isfinite(array).all():
            self.probe.fault("not-finite", "forward returns NaN or infinity", "forward")
            raise Stop
        self.single |= getattr(y, "dtype", None) == np.float32
        return array

    def weights(self, layer: Any) -> Array:
        """The student's weights of the cell as one array."""
        columns = len(cells.GATES[self.kind]) * UNITS
        found = get_weights(self.probe, layer)
        array = one_array(found, columns)
        if array is None:
            words = f"the weights are {type(found).__name__} without an array of {columns} columns"
            self.probe.fault("wrong-shape", words, "get_weights")
            raise Stop
        return array

    # ------------------------------------------------------------------ forward
    def forward(self) -> None:
        """Find the oracle that computes the student's outputs."""
        layer = self.make()
        given = self.weights(layer)
        xs = [self.sequence() for _ in range(4)]
        ys = [self.run(layer, x) for x in xs]
        if near(ys[1], ys[1][:1] + 0 * ys[1]) and np.ptp(ys[1]) < 1e-9:
            self.probe.fault("constant", "the output does not depend on the input", "forward")
            raise Stop
        for at, which in ((0, "first"), (-1, "last")):
            if not np.any(np.stack(ys)[:, at]):
                self.probe.fault("loop", f"the output of the {which} step is zero: the loop leaves it out", "forward")
                raise Stop
        candidates = list(layouts(self.kind, given.shape, INPUTS, UNITS))
        if not candidates:
            rows, columns = INPUTS + UNITS + 1, len(cells.GATES[self.kind]) * UNITS
            words = f"the weights have shape {given.shape}, expected {(rows, columns)}"
            self.probe.fault("wrong-shape", words, "get_weights")
            raise Stop
        self.match = self._search(given, candidates, xs, ys)
        if self.match is None:
            for at, which in ((0, "first"), (-1, "last")):
                if np.ptp(np.stack(ys)[:, at], axis=0).max() < 1e-9:
                    words = (
                        f"the output of the {which} step does not depend on the input: the loop leaves this step out"
                    )
                    self.probe.fault("loop", words, "forward")
                    raise Stop
            order = "any order of the gates and rows" if self.kind == "LSTM" else "any order of the rows"
            words = f"the outputs are not those of an {self.kind} with these weights, in {order}"
            other = self.make()
            if not near(self.run(other, xs[0]), self.run(other, xs[0])):
                words = "forward gives another result each time: the hidden state does not start from zeros"
                self.probe.fault("initial-state", words, "forward")
                raise Stop
            self.probe.fault("differs", f"{words}; {self._first_step(given, candidates, xs[0], ys[0])}", "forward")
            raise Stop
        self._report_forward(self.match)

    def _report_forward(self, match: Match) -> None:
        if match.fault in WORKING[1:]:
            words = (
                "the hidden state is carried over to the next forward although memory is off: it must start from zeros"
            )
            self.probe.fault("memory-not-reset", words, "forward")
        elif match.fault:
            self.probe.fault(*cells.FORWARD[self.kind][match.fault], "forward")
        if match.link.name:
            words = f"the output goes through a {match.link.name} after the output layer"
            severe = self.probe.contract or match.link.name != "Sigmoid"
            (self.probe.fault if severe else self.probe.note)("output-activation", words, "forward")
        if self.biases.calls and np.max(np.abs(match.bias)) < 1e-6:
            self.probe.fault("bias-missing", "the bias of the output layer is missing", "forward")
        if "b" not in match.layout.rows and match.fault != "no bias":
            words = "the weights of the hidden state have no rows for the bias"
            self.probe.fault("bias-missing", words, "get_weights")
        if match.fault not in (*WORKING, "no bias"):
            raise Stop

    def _search(self, given: Array, candidates: list[Layout], xs: list[Array], ys: list[Array]) -> Match | None:
        stacked, outputs = np.stack(xs, axis=1), np.stack(ys, axis=1)
        kept = ("kept",) if self.kind == "RNN" else ("kept", "kept h", "kept c")
        split = [(layout, layout.split(given)) for layout in candidates]
        for fault in ("", *kept, *cells.FORWARD[self.kind]):
            for layout, weights in split:
                if fault.startswith("kept"):
                    read = self._kept(weights, xs, fault)
                else:
                    # A few steps exclude nearly every pair of fault and layout.
                    some = cells.forward(self.kind, weights, stacked[:3], None, fault).hidden
                    if fault not in WHOLE and not any(self._fit(some, outputs[:3], link) for link in LINKS):
                        continue
                    read = cells.forward(self.kind, weights, stacked, None, fault).hidden
                for link in LINKS:
                    fitted = self._fit(read, outputs, link)
                    if fitted is not None:
                        return Match(fault, layout, weights, link, *fitted)
        return None

    def _kept(self, weights: cells.Weights, xs: list[Array], fault: str) -> Array:
        """What the output layer reads if a sequence starts where the one before it ended, or with one of both states."""
        hidden, state = [], None
        for x in xs:
            trace = cells.forward(self.kind, weights, x[:, None], state)
            h, c = trace.end()
            state = (h if fault != "kept c" else 0 * h), (c if fault != "kept h" else 0 * c)
            hidden.append(trace.hidden[:, 0])
        return np.stack(hidden, axis=1)

    def _fit(self, read: Array, outputs: Array, link: Link) -> tuple[Array, Array] | None:
        """The output layer that turns what the oracle reads into the outputs; None if there is none."""
        with np.errstate(all="ignore"):
            wanted = link.inverse(outputs.reshape(-1, OUTPUTS))
        if not np.isfinite(wanted).all():
            return None
        rows = np.hstack([read.reshape(-1, UNITS), np.ones((wanted.shape[0], 1))])
        if not np.isfinite(rows).all():
            return None
        solution = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        error = np.max(np.abs(rows @ solution - wanted))
        if error > (SINGLE if self.single else TOLERANCE) * max(1e-3, np.max(np.abs(wanted))):
            return None
        if np.max(np.abs(solution[:-1])) < 1e-6:
            return None
        return solution[:-1], solution[-1]

    def _first_step(self, given: Array, candidates: list[Layout], x: Array, y: Array) -> str:
        """Whether single steps are right, which leaves the recurrence."""
        layer = self.make()
        firsts = [self.sequence(1) for _ in range(12)]
        outputs = np.stack([self.run(layer, first) for first in firsts], axis=1)
        if self._search(given, candidates, firsts, list(outputs.swapaxes(0, 1))) is not None:
            return "sequences of one step are right, so look at what passes from step to step"
        return "sequences of one step are wrong already, so look at the cell itself"

    # ------------------------------------------------------------------ backward
    def needed(self) -> Match:
        """The match of the forward pass.

        Raises
        ------
        Stop
            If the forward pass is not right.
        """
        if self.match is None or self.match.fault not in WORKING:
            raise Stop
        return self.match

    def oracle(self, layer: Any, x: Array, start: Any = None) -> cells.Trace:
        """The right forward pass with a layer's present weights."""
        weights = self.needed().layout.split(self.weights(layer))
        return cells.forward(self.kind, weights, x[:, None], start)

    def backward(self) -> None:
        """Errors for the input and gradients of the weights, exact and truncated."""
        self.needed()
        self.pass_back(self.make(), None, "backward")
        if self.with_window and self.probe.contract:
            self.pass_back(self.make(WINDOW), WINDOW, "backward")

    def pass_back(self, layer: Any, window: int | None, method: str, start: Any = None) -> None:
        """Compare one backward pass."""
        match, x = self.needed(), self.sequence()
        y = self.run(layer, x)
        errors = self.probe.rng.normal(size=y.shape)
        trace = self.oracle(layer, x, start)
        actual = self.probe.do(layer, "backward", errors)
        raw = self.input_error(actual, trace, errors, y, window, method)
        gradient = one_array(get_gradient(self.probe, layer), match.weights[0].shape[1])
        if raw is None:
            return  # its fault has been named
        self.weight_gradient(gradient, trace, raw, window, (errors * match.link.slope(y)) @ match.kernel.T)

    def hidden_errors(self, errors: Array, y: Array) -> Iterator[tuple[str, Array, bool]]:
        """The errors of the hidden states; then what they are with a fault of the output, and whether a second is likely."""
        match = self.needed()
        name = match.link.name
        yield "", (errors * match.link.slope(y)) @ match.kernel.T, True
        if not name:
            return
        yield f"the derivative of the output's {name} is missing", errors @ match.kernel.T, True
        wrong = LINKS[2] if name == "Sigmoid" else LINKS[1]
        yield f"the output's {name} is differentiated as if it were a {wrong.name}", (errors * wrong.slope(y)) @ match.kernel.T, True  # fmt: skip
        z, slope = match.link.inverse(y), match.link.slope
        again = cells.sigmoid(y) if name == "Sigmoid" else np.tanh(y)
        steps = np.arange(len(y))
        factors: tuple[tuple[str, Array], ...] = (
            ("uses the activation of the last step in every step: that of each step must be stored", slope(y[-1:])),
            ("uses the activation of the first step in every step", slope(y[:1])),
            ("uses the activation of the step before", slope(y[np.maximum(steps - 1, 0)])),
            ("uses the activation of the step before", slope(np.roll(y, 1, 0))),
            ("uses the activation of the step after", slope(y[np.minimum(steps + 1, len(y) - 1)])),
            ("is computed from its input, not from its activation", slope(z)),
            ("is computed of an activation that went through it twice", slope(again)),
            ("is multiplied twice", slope(y) ** 2),
            ("is computed as y", y), ("is computed as 1 - y", 1 - y), ("has the wrong sign", -slope(y)),
        )  # fmt: skip
        for words, factor in factors:
            yield f"the derivative of the output's {name} {words}", (errors * factor) @ match.kernel.T, False

    def input_error(
        self, actual: Any, trace: cells.Trace, errors: Array, y: Array, window: int | None, method: str
    ) -> Array | None:
        """Compare the error for the input; returns the errors before the activations, by the oracle that fits."""
        match = self.needed()
        right: tuple[Array, Array] | None = None
        variants = []
        for words, hidden, more in self.hidden_errors(errors, y):
            for fault, named in {"": ("", ""), **(BACKWARD[self.kind] if more else {})}.items():
                if fault == "truncated" and window is None:
                    continue
                pair = backward(
                    self.kind, match.weights, trace, hidden, fault=fault, window=window, rows=match.layout.rows
                )
                right = right or pair
                if near(actual, pair[0]):
                    if fault:
                        self.probe.fault(*named, method)
                    if words:
                        code = "state-not-stored" if "step" in words else "wrong-derivative"
                        self.probe.fault("derivative-missing" if "missing" in words else code, words, method)
                    return pair[1]
                variants.append(pair)
            if self.kind == "LSTM":
                pair_or_none = self._gate_order(actual, trace, hidden, method)
                if pair_or_none is not None:
                    return pair_or_none
        assert right is not None
        return self._unnamed(actual, right, window, method)

    def _unnamed(self, actual: Any, right: tuple[Array, Array], window: int | None, method: str) -> Array | None:
        """No oracle fits: search for a wrong factor, or say where the numbers differ; None if the fault was found."""
        if self.explained:
            return None
        found = diagnose(actual, right[0], (), {"steps": STEPS})
        if found is None:
            return right[1]
        if found.code == "differs" and window is None:
            for named in explain.search(self):
                self.explained = True
                self.probe.add(FAULT, named.code, named.message, method)
            if self.explained:
                return None
        self.probe.compare(method, actual, right[0], (), {"steps": STEPS}, "the error for the input")
        if window is None:
            explain.locate(self, actual, right[0], method)
        return right[1]

    def _gate_order(self, actual: Any, trace: cells.Trace, hidden: Array, method: str) -> Array | None:
        import itertools

        for order in itertools.permutations(range(4)):
            pair = backward(self.kind, self.needed().weights, trace, hidden, order=order)
            if near(actual, pair[0]) and order != (0, 1, 2, 3):
                words = "the gates' errors are put together in another order than the gates of the forward pass"
                self.probe.fault("gate-order", words, method)
                return pair[1]
        return None

    def weight_gradient(self, actual: Any, trace: cells.Trace, raw: Array, window: int | None, hidden: Array) -> None:
        """Compare the gradient of the weights."""
        match, method = self.needed(), "gradient of the weights"
        if actual is None:
            self.probe.fault("returns-nothing", "there is no gradient of the weights after backward", method)
            return
        steps = range(0 if window is None else STEPS - window, STEPS)
        right = match.layout.join(weight_gradient(trace, raw, steps))

        def others() -> Iterator[Variant]:
            yield from gradient_variants(trace, raw, window, match.layout.join)
            for fault, named in BACKWARD[self.kind].items():
                wrong = backward(self.kind, match.weights, trace, hidden, fault=fault, window=window)[1]
                yield Variant(*named, match.layout.join(weight_gradient(trace, wrong, steps)))
            if self.kind == "RNN":
                total = hidden + np.vstack([raw[1:] @ match.weights[1].T, 0 * hidden[:1]])
                for errors in (total, hidden):
                    words = "the gradient of the weights uses the error of the hidden state: the derivative of TanH is missing in it"
                    yield Variant("derivative-missing", words, match.layout.join(weight_gradient(trace, errors, steps)))
            if self.kind == "LSTM":
                import itertools

                for order in itertools.permutations(range(4)):
                    wrong = np.concatenate([np.split(raw, 4, axis=1)[i] for i in order], axis=1)
                    words = "the gates' gradients are in another order than the gates of the weights"
                    yield Variant("gate-order", words, match.layout.join(weight_gradient(trace, wrong, steps)))

        sizes = {"steps": STEPS, "steps used": len(steps)}
        found = diagnose(actual, right, others(), sizes)
        if found is not None and found.code == "differs":
            part = explain.partial(actual, right, others(), match.layout)
            if part is not None:
                self.probe.fault(part.code, part.message, method)
                return
        self.probe.compare(method, actual, right, others(), sizes, "the gradient of the weights")

    def again(self) -> None:
        """A second pass must not add to the gradient of the first; the weights can be set."""
        match, layer = self.needed(), self.make()
        method, passes = "gradient of the weights", []
        for _ in range(2):
            x = self.sequence()
            y = self.run(layer, x)
            errors = self.probe.rng.normal(size=y.shape)
            error = self.probe.do(layer, "backward", errors)
            trace = self.oracle(layer, x)
            hidden = (errors * match.link.slope(y)) @ match.kernel.T
            right_error, raw = backward(self.kind, match.weights, trace, hidden)
            passes.append(match.layout.join(weight_gradient(trace, raw, range(STEPS))))
        actual = one_array(get_gradient(self.probe, layer), match.weights[0].shape[1])
        if near(actual, passes[0] + passes[1]):
            words = "the gradient of the weights is added to that of the backward pass before: it must start from zero"
            self.probe.fault("gradient-not-reset", words, method)
        elif not match.fault and not self.probe.faults and not near(error, right_error):
            words = "a second forward and backward gives wrong errors: something is left over from the first, such as the error " \
                "of the hidden state, or lists that are not emptied"  # fmt: skip
            self.probe.fault("left-over", words, "backward")
        elif not match.fault and not self.probe.faults:
            stale = Variant("state-not-stored", "the gradient of the weights is that of the first backward", passes[0])
            self.probe.compare(method, actual, passes[1], (stale,), what="the second gradient of the weights")

    def setting(self) -> None:
        """Weights that are set are used, and come back."""
        match, layer = self.needed(), self.make()
        found = get_weights(self.probe, layer)
        if not isinstance(found, np.ndarray) or found.ndim != 2:
            return
        new: Array = np.asarray(self.probe.rng.uniform(-0.8, 0.8, found.shape))
        put_weights(self.probe, layer, new)
        if not near(self.weights(layer), new):
            words = "the weights are not those that have been set"
            self.probe.fault("weights-not-set", words, "set_weights")
            return
        x = self.sequence()
        trace = cells.forward(self.kind, match.layout.split(new), x[:, None])
        y = self.run(layer, x)
        if not near(y, match.outputs(trace)):
            old = cells.forward(self.kind, match.layout.split(np.array(found, dtype=float)), x[:, None])
            words = "set weights do not change what forward computes" if near(y, match.outputs(old)) else \
                "forward does not use all of the weights that have been set"  # fmt: skip
            self.probe.fault("weights-not-set", words, "set_weights")


def _accepts(cls: Any, count: int) -> bool:
    import inspect

    try:
        inspect.signature(cls).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True
