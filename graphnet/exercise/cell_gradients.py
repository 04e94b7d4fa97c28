"""The backward passes of the oracles of RNN and LSTM, with named faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise.cells import Trace, Weights, sigmoid
from graphnet.exercise.matching import Variant

Array = npt.NDArray[Any]

#: Faults that both cells can have in the error that goes from step to step.
CARRY = {
    "no carry": ("missing-sum", "the error that comes from the next step's hidden state is missing: the errors of output "
                 "and next step must be added"),
    "carry only": ("missing-sum", "the error of a step's own output is missing; only the one from the next step is used"),
    "minus carry": ("sign", "the error from the next step has the wrong sign"),
    "forwards": ("wrong-step", "the backward pass runs from the first step to the last; it must start at the last"),
    "carry before": ("wrong-step", "the error from the next step is multiplied by the derivative of the wrong step"),
    "late": ("wrong-step", "a step uses the error of the output of the step before it"),
    "early": ("wrong-step", "a step uses the error of the output of the step after it"),
    "untransposed": ("transposed", "the error goes back through the recurrent weights without their transposition"),
    "no derivative": ("derivative-missing", "the derivative of the activation is missing"),
    "last activations": ("state-not-stored", "every step uses the activations of the last step: those of each step must be "
                         "stored"),
    "averaged carry": ("factor", "the two errors are averaged instead of added"),
    "unscaled carry": ("derivative-missing", "the error from the next step is not multiplied by the derivative of the "
                       "activation: add it before the activation's backward"),
    "no first": ("loop", "the backward loop leaves out the first step"),
    "no last": ("loop", "the backward loop leaves out the last step"),
    "growing carry": ("wrong-state", "the error from the next step is accumulated over the steps; each step replaces it"),
    "last error": ("wrong-step", "every step uses the output error of the last step"),
    "first error": ("wrong-step", "every step uses the output error of the first step"),
    "late, kept": ("wrong-step", "a step uses the error of the output of the step before it"),
    "late, round": ("wrong-step", "a step uses the error of the output of the step before it; the first one that of the last"),
    "early, round": ("wrong-step", "a step uses the error of the output of the step after it; the last one that of the first"),
    "split x": ("wrong-part", "the error for the input is cut out of the wrong place: input and hidden part of the joined error "
                "are exchanged"),
    "split h": ("wrong-part", "the error of the hidden state is cut out of the wrong place: input and hidden part of the joined "
                "error are exchanged"),
    "split both": ("wrong-part", "input and hidden part of the joined error are exchanged"),
    "truncated": ("truncation", "the errors for the input are truncated too: only the gradient of the weights is"),
}  # fmt: skip

RNN_BACKWARD = {
    "1 - h": ("wrong-derivative", "the derivative of TanH is computed as 1 - h; it is 1 - h²"),
    "1 - raw^2": (
        "wrong-derivative",
        "the derivative of TanH is computed from its input; it is 1 - h² of its activation",
    ),
    "h (1 - h)": ("wrong-derivative", "the derivative of the Sigmoid, h · (1 - h), stands for that of TanH, 1 - h²"),
    "1 + h^2": ("sign", "the derivative of TanH is computed as 1 + h²; it is 1 - h²"),
    "(1 - h)^2": ("wrong-derivative", "the derivative of TanH is computed as (1 - h)²; it is 1 - h²"),
    "h^2": ("wrong-derivative", "the derivative of TanH is computed as h²; it is 1 - h²"),
    "h before": (
        "wrong-step",
        "the derivative of TanH uses the hidden state of the step before; it needs its own step's",
    ),
    "h after": (
        "wrong-step",
        "the derivative of TanH uses the hidden state of the step after; it needs its own step's",
    ),
    "unscaled own": (
        "brackets",
        "the error of the output is not multiplied by the derivative of TanH, only that of the next step: brackets",
    ),
    "product": ("missing-sum", "the errors of output and next step are multiplied; they must be added"),
    "h": ("wrong-derivative", "the derivative of TanH is computed as h; it is 1 - h²"),
    "twice": ("derivative-twice", "the derivative of TanH is multiplied twice"),
    "raw": ("wrong-derivative", "the derivative of TanH is computed as 1 - tanh of its input; it is 1 - h²"),
    "tanh again": ("wrong-derivative", "TanH is applied to the hidden state again in the derivative"),
}

LSTM_BACKWARD = {
    **{f"{gate} as tanh": ("wrong-derivative", f"the {name} gate is differentiated as 1 - x², the derivative of TanH; its "
                           "Sigmoid has x · (1 - x)") for gate, name in zip("ifo", ("input", "forget", "output"), strict=True)},
    **{f"{gate} without": ("derivative-missing", f"the derivative of the Sigmoid of the {name} gate is missing")
       for gate, name in zip("ifo", ("input", "forget", "output"), strict=True)},
    **{f"{gate} zero": ("missing-sum", f"no error reaches the {name}") for gate, name in
       zip("ifgo", ("input gate", "forget gate", "candidate", "output gate"), strict=True)},
    "gates as tanh": ("wrong-derivative", "the gates are differentiated as 1 - x², the derivative of TanH; a Sigmoid has x · (1 - x)"),
    "gates without": ("derivative-missing", "the derivative of the Sigmoid of the gates is missing"),
    "g as sigmoid": ("wrong-derivative", "the candidate is differentiated as x · (1 - x), the derivative of a Sigmoid; its TanH "
                     "has 1 - x²"),
    "g without": ("derivative-missing", "the derivative of the candidate's TanH is missing"),
    "no cell carry": ("missing-sum", "the error of the cell state from the next step is missing"),
    "cell carry only": ("missing-sum", "the hidden state's error does not reach the cell state; only that of the next step does"),
    "cell carry unscaled": ("gate-missing", "the cell state's error goes to the step before without the forget gate"),
    "cell carry after": ("wrong-step", "the cell state's error is scaled by the forget gate of the wrong step"),
    "cell carry input": ("gate-order", "the cell state's error is scaled by the input gate; it should be the forget gate"),
    "no cell derivative": ("derivative-missing", "the derivative of the cell state's TanH is missing"),
    "1 - c^2": ("wrong-derivative", "the derivative of the cell state's TanH is computed from the cell state; it is 1 - tanh(c)²"),
    "1 - tanh": ("wrong-derivative", "the derivative of the cell state's TanH is computed as 1 - tanh(c); it is 1 - tanh(c)²"),
    "no output gate": ("gate-missing", "the hidden state's error reaches the cell state without the output gate"),
    "o from c": ("wrong-derivative", "the output gate's error is multiplied by the cell state; it should be by its TanH"),
    "f from c": ("wrong-step", "the forget gate's error is multiplied by the new cell state; it should be by the one before"),
    "swap i g": ("gate-order", "the factors of input gate and candidate are exchanged in their errors"),
    "minus cell": ("sign", "the error of the cell state has the wrong sign"),
    "swap i f": ("gate-order", "input gate and forget gate are exchanged in backward"),
    "swap i o": ("gate-order", "input gate and output gate are exchanged in backward"),
    "swap f o": ("gate-order", "forget gate and output gate are exchanged in backward"),
    "o from dc": ("wrong-error", "the output gate gets the cell state's error; it should get the hidden state's"),
    "o from h": ("wrong-derivative", "the output gate's error is multiplied by the hidden state; it should be by TanH of the cell "
                 "state"),
    "slope on all": ("brackets", "the cell state's error from the next step is also multiplied by the derivative of TanH: brackets"),
    "gate on all": ("brackets", "the cell state's error from the next step is also multiplied by the output gate: brackets"),
    "f from h": ("wrong-state", "the forget gate's error is multiplied by the hidden state; it should be by the old cell state"),
    "carry sigmoid": ("activation-twice", "the forget gate goes through the Sigmoid a second time in backward"),
    "c unsquashed": ("derivative-twice", "the derivative of the cell state's TanH is taken of tanh(tanh(c))"),
    **{f"{gate} 1-": ("missing-factor", f"the derivative of the {name} is computed as 1 - x") for gate, name in
       zip("ifgo", ("input gate", "forget gate", "candidate", "output gate"), strict=True)},
    **{f"{gate} x": ("missing-factor", f"the derivative of the {name} is computed as x") for gate, name in
       zip("ifgo", ("input gate", "forget gate", "candidate", "output gate"), strict=True)},
    **{f"{gate} raw": ("input-instead-of-activation", f"the derivative of the {name} is computed from its input") for gate, name in
       zip("ifgo", ("input gate", "forget gate", "candidate", "output gate"), strict=True)},
    **{
        f"{gate} last": ("state-not-stored", f"the {name} is differentiated with its activation of the last step: that of each step must be stored")
        for gate, name in zip("ifgo", ("input gate", "forget gate", "candidate", "output gate"), strict=True)
    },
    "gates last": ("state-not-stored", "the gates are differentiated with their activations of the last step: those of each step must be stored"),
    "c last": ("state-not-stored", "TanH of the cell state is differentiated with its activation of the last step: that of each step must be stored"),
    **{f"{gate} bare": ("missing-factor", f"the error of the {name} lacks its factor: {factor}") for gate, name, factor in
       (("i", "input gate", "the candidate"), ("f", "forget gate", "the old cell state"), ("g", "candidate", "the input gate"),
        ("o", "output gate", "TanH of the cell state"))},
    **{f"{gate} from carry": ("wrong-error", f"the error of the {name} uses the cell state's error of the step after") for gate, name in
       zip("ifg", ("input gate", "forget gate", "candidate"), strict=True)},
    "cell carry before": ("wrong-step", "the cell state's error is scaled by the forget gate of the step before"),
    "all raw": ("input-instead-of-activation", "the derivatives of the gates are computed from their inputs"),
    "all again": ("activation-twice", "the activations of the gates are computed a second time in backward"),
    "early carry": ("wrong-step", "the cell state's error of the step after is lost for the gates: it is added too late"),
}  # fmt: skip

BACKWARD = {"RNN": {**CARRY, **RNN_BACKWARD}, "LSTM": {**CARRY, **LSTM_BACKWARD}}


def backward(
    kind: str, weights: Weights, trace: Trace, errors: Array, *, fault: str = "", window: int | None = None,
    order: tuple[int, ...] | None = None, rows: str = "xh",
) -> tuple[Array, Array]:  # fmt: skip
    """The errors for the inputs, ``(time, features)``, and those before the activations, ``(time, gates · units)``.

    ``errors`` are those of the hidden states that come from the output, ``(time, units)``, of one sequence. ``order``:
    the gates' errors are put together in this order of blocks.
    """
    steps = len(errors)
    h = np.stack([row[0] for row in trace.h])
    errors = _shifted(errors, fault)
    sequence = range(steps) if fault == "forwards" else range(steps - 1, -1, -1)
    carry, cell = np.zeros(h.shape[1]), np.zeros(h.shape[1])
    raw_errors: list[Any] = [None] * steps
    for t in sequence:
        if fault == "truncated" and window is not None and t < steps - window:
            raw_errors[t] = np.zeros(weights[0].shape[1])
            continue
        if t == {"no first": 0, "no last": steps - 1}.get(fault):
            raw_errors[t] = np.zeros(weights[0].shape[1])
            continue
        own = errors[t]
        total = {
            "no carry": own, "carry only": carry if t < steps - 1 else own, "minus carry": own - carry,
            "averaged carry": 0.5 * (own + carry) if t < steps - 1 else own,
        }.get(fault, own + carry)  # fmt: skip
        if kind == "RNN":
            raw = _rnn_errors(trace, h, t, (own, carry, total), fault)
        else:
            raw, cell = _lstm_errors(trace, t, total, cell, fault)
        if order is not None:
            raw = np.concatenate([np.split(raw, len(order))[i] for i in order])
        raw_errors[t] = raw
        carry = weights[1] @ raw + (carry if fault == "growing carry" else 0.0)
        if fault in ("split h", "split both"):
            joined = _joined(weights, raw, rows)
            carry = joined[: len(carry)] if rows.index("x") < rows.index("h") else joined[-len(carry) :]
        if fault == "untransposed" and kind == "RNN":
            carry = weights[1].T @ raw
    stacked = np.stack(raw_errors)
    if fault in ("split x", "split both"):
        width, joined = len(weights[0]), np.stack([_joined(weights, raw, rows) for raw in stacked])
        return joined[:, -width:] if rows.index("x") < rows.index("h") else joined[:, :width], stacked
    return stacked @ weights[0].T, stacked


def _shifted(errors: Array, fault: str) -> Array:
    """The errors of the hidden states as a fault of their steps makes them."""
    zero = np.zeros_like(errors[:1])
    cases = {
        "late": lambda: np.concatenate([zero, errors[:-1]]),
        "late, kept": lambda: np.concatenate([errors[:1], errors[:-1]]),
        "late, round": lambda: np.roll(errors, 1, 0),
        "early, round": lambda: np.roll(errors, -1, 0),
        "early": lambda: np.concatenate([errors[1:], zero]),
        "last error": lambda: np.repeat(errors[-1:], len(errors), 0),
        "first error": lambda: np.repeat(errors[:1], len(errors), 0),
    }
    return cases[fault]() if fault in cases else errors


def _rnn_errors(trace: Trace, h: Array, t: int, parts: tuple[Array, Array, Array], fault: str) -> Array:
    """The error before TanH; ``parts``: that of the output, that from the next step, and their sum."""
    own, carry, total = parts
    if fault == "unscaled own":
        return own + carry * (1 - h[t] ** 2)
    if fault == "product":
        return own * carry * (1 - h[t] ** 2)
    if fault == "unscaled carry":
        return own * (1 - h[t] ** 2) + carry
    if fault == "carry before":
        return own * (1 - h[t] ** 2) + carry * (1 - h[min(t + 1, len(h) - 1)] ** 2)
    return total * _tanh_derivative(trace, h, t, fault)


def _joined(weights: Weights, raw: Array, rows: str) -> Array:
    """The error of input and hidden state as one vector, in the order of the rows of the weights."""
    parts = {"x": weights[0] @ raw, "h": weights[1] @ raw}
    return np.concatenate([parts[name] for name in rows if name != "b"])


def _tanh_derivative(trace: Trace, h: Array, t: int, fault: str) -> Array:
    steps = len(h)
    before, after = trace.h_before[t][0], h[min(t + 1, steps - 1)]
    raw = trace.gates[t]["raw"][0]
    table = {
        "1 - h": 1 - h[t], "1 - raw^2": 1 - raw**2, "h (1 - h)": h[t] * (1 - h[t]), "1 + h^2": 1 + h[t] ** 2,
        "(1 - h)^2": (1 - h[t]) ** 2, "h^2": h[t] ** 2, "h before": 1 - before**2, "h after": 1 - after**2,
        "h": h[t], "twice": (1 - h[t] ** 2) ** 2, "raw": 1 - np.tanh(raw),
        "tanh again": 1 - np.tanh(h[t]) ** 2, "no derivative": np.ones_like(h[t]), "last activations": 1 - h[-1] ** 2,
    }  # fmt: skip
    result: Array = table.get(fault, 1 - h[t] ** 2)
    return result


def _lstm_errors(trace: Trace, t: int, dh: Array, cell: Array, fault: str) -> tuple[Array, Array]:
    """The errors before the gates' activations, and the cell state's error for the step before."""
    at = len(trace.h) - 1 if fault == "last activations" else t
    gates = {name: value[0] for name, value in trace.gates[at].items()}  # with "raw", before the activations
    i, f, g, o = (gates[name] for name in "ifgo")
    c, before = trace.c[at][0], trace.c_before[at][0]
    squashed = np.tanh(c)
    last = {name: value[0] for name, value in trace.gates[-1].items()}
    slope = {
        "c last": 1 - np.tanh(trace.c[-1][0]) ** 2,"no cell derivative": np.ones_like(c), "no derivative": np.ones_like(c), "1 - c^2": 1 - c**2,
             "1 - tanh": 1 - squashed, "c unsquashed": 1 - np.tanh(squashed) ** 2}.get(fault, 1 - squashed**2)  # fmt: skip
    from_hidden = dh * slope * (1.0 if fault == "no output gate" else o)
    dc = {"no cell carry": from_hidden, "cell carry only": cell if t < len(trace.h) - 1 else from_hidden,
          "minus cell": -from_hidden + cell}.get(fault, from_hidden + cell)  # fmt: skip
    for_gates = from_hidden if fault == "early carry" else dc
    if fault == "slope on all":
        dc = for_gates = (dh * o + cell) * slope
    elif fault == "gate on all":
        dc = for_gates = (dh * slope + cell) * o
    hidden = {"o from h": trace.h[at][0], "o from c": c}.get(fault, squashed)
    old = {"f from c": c, "f from h": trace.h_before[at][0]}.get(fault, before)
    parts = {
        "i": for_gates * (i if fault == "swap i g" else g), "g": for_gates * (g if fault == "swap i g" else i),
        "f": for_gates * old, "o": (dc if fault == "o from dc" else dh) * hidden,
    }  # fmt: skip
    for name in "ifgo":
        if fault == f"{name} bare":
            parts[name] = dh if name == "o" else for_gates
        elif fault == f"{name} from carry":
            parts[name] = cell * {"i": g, "f": before, "g": i}[name]
    if fault.startswith("swap ") and fault != "swap i g":
        one, other = fault.split()[1:]
        exchanged = {one: gates[other], other: gates[one]}
        now = {**gates, **exchanged}
        from_hidden = dh * slope * now["o"]
        dc = from_hidden + cell
        parts = {"i": dc * g, "g": dc * now["i"], "f": dc * before, "o": dh * squashed}
        parts[one], parts[other] = parts[other], parts[one]
        f = now["f"]
    inputs = dict(zip("ifgo", np.split(gates["raw"], 4), strict=True))
    activations = {name: last[name] if fault in (f"{name} last", "gates last") else gates[name] for name in "ifgo"}
    raw = np.concatenate([parts[name] * _slope(name, activations[name], fault, inputs[name]) for name in "ifgo"])
    scale = {"cell carry unscaled": np.ones_like(f), "cell carry input": i, "carry sigmoid": sigmoid(f)}.get(fault, f)
    if fault == "cell carry after":
        scale = trace.gates[min(t + 1, len(trace.h) - 1)]["f"][0]
    elif fault == "cell carry before":
        scale = trace.gates[t - 1]["f"][0]
    return raw, dc * scale


def _slope(name: str, value: Array, fault: str, raw: Array) -> Array:
    """The derivative of a gate's activation."""
    if fault == f"{name} 1-":
        return 1 - value
    if fault == f"{name} x":
        return value
    if fault in (f"{name} raw", "all raw"):
        value = raw
    elif fault == "all again":
        value = np.tanh(value) if name == "g" else sigmoid(value)
    if fault == f"{name} zero":
        return np.zeros_like(value)
    if fault in (f"{name} without", "no derivative") or (fault == "gates without" and name != "g"):
        return np.ones_like(value)
    as_tanh = name == "g" and fault != "g as sigmoid"
    if fault == f"{name} as tanh" or (fault == "gates as tanh" and name != "g"):
        as_tanh = True
    return 1 - value**2 if as_tanh else value * (1 - value)


# ---------------------------------------------------------------------- the gradient of the weights
def weight_gradient(trace: Trace, raw_errors: Array, steps: Any) -> dict[str, Array]:
    """The gradient over some steps: the blocks of the rows of x, of h and of the bias."""
    rows = list(steps)
    x, h = np.stack([a[0] for a in trace.x])[rows], np.stack([a[0] for a in trace.h_before])[rows]
    errors = raw_errors[rows]
    return {"x": x.T @ errors, "h": h.T @ errors, "b": errors.sum(0)}


def gradient_variants(trace: Trace, errors: Array, window: int | None, join: Any) -> Iterator[Variant]:
    """What the gradient of the weights would be with one fault; ``join`` puts the blocks together."""
    steps = len(errors)
    used = range(0 if window is None else max(0, steps - window), steps)
    right = weight_gradient(trace, errors, used)
    if window is not None and window < steps:
        for shift, words in ((1, "one step too many"), (-1, "one step too few")):
            rows = range(max(0, steps - window - shift), steps)
            yield Variant("truncation-off-by-one", f"the truncation is off by one: the gradient of the weights covers {words}",
                          join(weight_gradient(trace, errors, rows)))  # fmt: skip
        whole = join(weight_gradient(trace, errors, range(steps)))
        yield Variant(
            "truncation-missing", "the gradient of the weights covers all steps: bptt_length is ignored", whole
        )
        first = join(weight_gradient(trace, errors, range(window)))
        yield Variant(
            "truncation", "the gradient covers the first bptt_length steps; it should be the last ones", first
        )
        late = join(weight_gradient(trace, errors, range(window, steps)))
        yield Variant("truncation", "the gradient covers the steps from number bptt_length on; it should be the last bptt_length "
                      "ones", late)  # fmt: skip
        reverse = join(weight_gradient(trace, errors, range(steps - window + 1)))
        yield Variant("truncation", "the comparison with bptt_length is the wrong way round: the gradient leaves out the last steps "
                      "instead of the first ones", reverse)  # fmt: skip
        skipped = join(weight_gradient(trace, errors, range(steps - window)))
        yield Variant("truncation", "the gradient covers the steps before the last bptt_length ones", skipped)
    else:
        words = "the gradient of the weights is zero if bptt_length is larger than the number of steps"
        yield Variant("zero", words, join({block: 0 * value for block, value in right.items()}))
    x, before = np.stack([a[0] for a in trace.x]), np.stack([a[0] for a in trace.h_before])
    after = np.stack([a[0] for a in trace.h])
    at, e = list(used), errors[list(used)]

    def with_rows(xs: Array, hs: Array) -> Any:
        return join({"x": xs[at].T @ e, "h": hs[at].T @ e, "b": e.sum(0)})

    yield Variant("wrong-step", "the gradient of the weights uses the hidden state after the step; it needs the one before it",
                  with_rows(x, after))  # fmt: skip
    yield Variant("wrong-step", "the gradient of the weights uses the hidden state of two steps before",
                  with_rows(x, np.concatenate([before[:1], before[:-1]])))  # fmt: skip
    yield Variant("state-not-stored", "every step uses the last step's input and hidden state in the gradient of the weights",
                  with_rows(np.repeat(x[-1:], steps, 0), np.repeat(before[-1:], steps, 0)))  # fmt: skip
    yield Variant("state-not-stored", "every step uses the last hidden state in the gradient of the weights",
                  with_rows(x, np.repeat(before[-1:], steps, 0)))  # fmt: skip
    yield Variant("state-not-stored", "every step uses the last step's input in the gradient of the weights",
                  with_rows(np.repeat(x[-1:], steps, 0), before))  # fmt: skip
    for shift, words in ((1, "before"), (-1, "after")):
        message = f"the gradient of the weights uses input and hidden state of the step {words}"
        yield Variant("wrong-step", message, with_rows(np.roll(x, shift, 0), np.roll(before, shift, 0)))
        other = np.clip(np.arange(steps) - shift, 0, steps - 1)
        yield Variant("wrong-step", message, with_rows(x[other], before[other]))
    yield Variant("wrong-step", "the gradient of the weights uses the input of the step before",
                  with_rows(np.concatenate([x[:1] * 0, x[:-1]]), before))  # fmt: skip
    yield Variant("wrong-step", "the gradient of the weights uses the input of the step after",
                  with_rows(np.concatenate([x[1:], x[-1:]]), before))  # fmt: skip
    zeros = np.zeros_like(before)
    yield Variant("hidden-part-missing", "the gradient of the recurrent weights is zero: the hidden state before a step is not "
                  "used", with_rows(x, zeros))  # fmt: skip
    first_zero = np.concatenate([zeros[:1], before[1:]])
    yield Variant("wrong-state", "the gradient of the first step uses a zero hidden state; the step started from the one kept in "
                  "memory", with_rows(x, first_zero))  # fmt: skip
    yield from _accumulation(trace, errors, used, right, join)
    for count in range(2, steps):
        rows = range(steps - count, steps)
        words = (
            f"the gradient of the weights covers the last {count} of {steps} steps only; it should cover {len(used)}"
        )
        yield Variant("truncation", words, join(weight_gradient(trace, errors, rows)))
        words = f"the gradient of the weights covers the first {count} of {steps} steps only"
        yield Variant("truncation", words, join(weight_gradient(trace, errors, range(count))))


def _accumulation(trace: Trace, errors: Array, used: range, right: dict[str, Array], join: Any) -> Iterator[Variant]:
    one = "the gradient of the weights is that of {} only: the gradients of the steps must be summed"
    for rows in ((len(errors) - 1,), (used.start,), (0,)):
        name = "the last step" if rows[0] == len(errors) - 1 else f"step {rows[0]}"
        yield Variant("missing-sum", one.format(name), join(weight_gradient(trace, errors, rows)))
    for count, name in ((len(used), "steps used"), (len(errors), "steps")):
        mean = {block: value / count for block, value in right.items()}
        yield Variant(
            "mean", f"the gradient of the weights is divided by the number of {name}; it is their sum", join(mean)
        )
    yield Variant("bias-missing", "the gradient of the bias is missing", join({**right, "b": right["b"] * 0}))
    yield Variant("mean", "the gradient of the bias is a mean; it is a sum over the steps",
                  join({**right, "b": right["b"] / len(used)}))  # fmt: skip
    yield Variant(
        "missing-sum", "the gradient of the bias is that of the last step only", join({**right, "b": errors[-1]})
    )
    yield Variant("missing-sum", "the gradient of the bias is that of the first step used only",
                  join({**right, "b": errors[used.start]}))  # fmt: skip
    yield Variant(
        "input-part-missing", "the gradient of the input's weights is zero", join({**right, "x": right["x"] * 0})
    )
    yield Variant(
        "hidden-part-missing", "the gradient of the recurrent weights is zero", join({**right, "h": right["h"] * 0})
    )
    yield Variant("gradient-not-reset", "the gradient of the weights is added to that of the backward pass before: it must "
                  "start from zero", join({block: 2 * value for block, value in right.items()}))  # fmt: skip
