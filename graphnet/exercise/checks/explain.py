"""What is wrong in the errors of RNN and LSTM, if no oracle with a named fault computes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from graphnet.exercise import cells, factors
from graphnet.exercise.cell_gradients import backward
from graphnet.exercise.layouts import Layout, one_array
from graphnet.exercise.matching import Diagnosis, Variant, as_numbers, near
from graphnet.exercise.tools import get_gradient

Array = npt.NDArray[Any]
ROW_NAMES = {"x": "the input", "h": "the hidden state", "b": "the bias"}
CELL_NAMES = {**factors.NAMES, "h": "the hidden state"}


def search(check: Any) -> list[Diagnosis]:
    """Recover the errors of two steps from the gradient of the weights, and look for the wrong factor in them.

    Parameters
    ----------
    check : Recurrent
        With a forward pass that is right.
    """
    match, layer, x = check.needed(), check.make(), check.sequence(factors.STEPS)
    y = check.run(layer, x)
    errors = np.zeros_like(y)
    errors[factors.AT] = check.probe.rng.uniform(0.5, 1.5, y.shape[1])
    error = as_numbers(check.probe.do(layer, "backward", errors))
    gradient = one_array(get_gradient(check.probe, layer), match.weights[0].shape[1])
    if error is None or error.shape != x.shape or gradient is None:
        return []
    trace = check.oracle(layer, x)
    parts = match.layout.split(gradient)
    blocks = parts[0], parts[1], parts[2] if "b" in match.layout.rows else None
    hidden = ((errors * match.link.slope(y)) @ match.kernel.T)[factors.AT]
    return factors.Search(check.kind, match.weights, trace, hidden, blocks, error, match.layout.rows).diagnoses()


def locate(check: Any, actual: Any, right: Array, method: str) -> None:
    """Notes: which step is wrong first, and whether a sequence of one step is right."""
    array = as_numbers(actual)
    if array is None or array.shape != right.shape:
        return
    wrong = np.flatnonzero(np.abs(array - right).max(1) > 1e-5 * np.abs(right).max())
    if len(wrong):
        words = f"going back from the end, the error for the input is first wrong in step {wrong[-1]} of {len(right)} (from 0)"
        check.probe.note("first-wrong-step", words, method)
        _locate_part(check, method)


def _locate_part(check: Any, method: str) -> None:
    """Whether a single step is right, and which gate is not: its bias's gradient is its error."""
    match, layer, x = check.needed(), check.make(), check.sequence(1)
    y = check.run(layer, x)
    errors = np.ones_like(y)
    check.probe.do(layer, "backward", errors)
    trace = check.oracle(layer, x)
    raw = backward(check.kind, match.weights, trace, (errors * match.link.slope(y)) @ match.kernel.T)[1][0]
    gradient = one_array(get_gradient(check.probe, layer), match.weights[0].shape[1])
    if gradient is None or "b" not in match.layout.rows:
        return
    found = match.layout.split(gradient)[2]
    names = cells.GATE_NAMES if check.kind == "LSTM" else {"h": "hidden state"}
    blocks = zip(names.values(), np.split(found, len(names)), np.split(raw, len(names)), strict=True)
    wrong = [name for name, block, expected in blocks if not near(block, expected)]
    words = "a sequence of one step is right: look at what goes from step to step"
    if wrong:
        words = f"a sequence of one step is wrong already, in the error of: {', '.join(wrong)}"
    check.probe.note("part", words, method)


def partial(actual: Any, right: Array, variants: Iterable[Variant], layout: Layout) -> Diagnosis | None:
    """A fault of the gradient in some rows or gates only: which, and which oracle computes those."""
    array = as_numbers(actual)
    if array is None or array.shape != right.shape or not np.isfinite(array).all():
        return None
    found, expected = _parts(array, layout), _parts(right, layout)
    wrong = [key for key in found if not near(found[key], expected[key])]
    if not wrong or len(wrong) == len(found):
        return None
    rows = [name for name in layout.rows if any(key[0] == name for key in wrong)]
    gates = [name for name in sorted(layout.gates, key="hifgo".index) if any(key[1] == name for key in wrong)]
    places = []
    if len(rows) < len(layout.rows):
        places.append("the rows of " + " and ".join(ROW_NAMES[name] for name in rows))
    if len(gates) < len(layout.gates):
        places.append("the columns of " + " and ".join(CELL_NAMES[name] for name in gates))
    place = ", ".join(places) or "some rows and columns"
    for variant in variants:
        value = variant.result()
        if as_numbers(value) is not None and np.shape(value) == right.shape:
            other = _parts(value, layout)
            if all(near(found[key], other[key]) for key in wrong):
                return Diagnosis(variant.code, f"{variant.message} (in {place} only)")
    if all(not np.any(found[key]) for key in wrong):
        return Diagnosis("missing-sum", f"the gradient of the weights is zero in {place}")
    return Diagnosis("differs", f"the gradient of the weights is wrong in {place} only")


def _parts(array: Any, layout: Layout) -> dict[tuple[str, str], Array]:
    """The gradient by rows and gate."""
    canonical = sorted(layout.gates, key="hifgo".index)
    parts = {}
    for name, block in zip("xhb", layout.split(np.asarray(array, dtype=float)), strict=True):
        if name in layout.rows:
            for gate, columns in zip(canonical, np.split(np.atleast_2d(block), len(canonical), axis=1), strict=True):
                parts[name, gate] = columns
    return parts
