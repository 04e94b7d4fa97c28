"""Layers that keep a state: memory, and truncated backpropagation through time."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphnet.core.errors import StateError
from graphnet.core.run.runner import Runner
from graphnet.testing import derivatives
from graphnet.testing.check import check, fault, short
from graphnet.testing.subject import Subject


def _layer(s: Subject, **changes: Any) -> Any:
    """A layer with the case's weights; the same ones whatever the changes."""
    layer: Any = s.make(**changes)
    graph = s.graph(layer)

    s.filled(Runner(graph, backend="reference"))
    layer.phase = s.steady
    return layer


def _x(s: Subject, seed: int = 3, steps: int | None = None) -> np.ndarray:
    name = next(n for n in s.names if n not in s.optional)
    return s.values(seed, steps=max(s.steps or 1, 5) if steps is None else steps)[name]


@check("sequence", "memory")
def halves(s: Subject) -> None:
    """With memory, a sequence in two parts comes out as in one; without, each forward starts anew."""
    x = _x(s)
    whole = _layer(s).forward(x)
    for cut in (1, len(x) // 2, len(x) - 1):
        layer = _layer(s)
        layer.toggle_memory()
        parts = []
        for part in (x[:cut], x[cut : cut + 1], x[cut + 1 :]):
            if len(part):
                given = part.copy()
                returned = layer.forward(given)
                parts.append(returned.copy())
                returned[...], given[...] = np.nan, np.nan  # the caller's own
        s.agree(np.concatenate(parts), whole, f"with memory, in parts at step {cut}")
    layer = _layer(s)
    for _ in range(2):
        s.agree(layer.forward(x), whole, "without memory, a second forward")


@check("sequence", "memory")
def memory(s: Subject) -> None:
    """toggle_memory goes on and off, reset_state forgets, a state with another number of rows is refused."""
    x = _x(s)
    whole = _layer(s).forward(x)
    layer = _layer(s)
    s.expect(layer.memory is False, "memory is not off at first", expected=False, received=layer.memory)
    layer.toggle_memory()
    first, second = layer.forward(x), layer.forward(x)
    s.agree(first, whole, "with memory, the first forward")
    s.expect(not np.allclose(second, whole), "with memory, a second forward starts from zeros")
    layer.toggle_memory()
    s.agree(layer.forward(x), whole, "with memory switched off again")
    layer.toggle_memory()
    layer.forward(x)
    if callable(getattr(layer, "reset_state", None)):
        layer.reset_state()
        s.agree(layer.forward(x), whole, "after reset_state")
    more = np.concatenate([x, x[:, :1]], axis=1)
    try:
        layer.forward(more)
    except StateError as error:
        s.expect("reset" in str(error), f"the error does not say how to reset: {short(error)}")
    except Exception as error:
        raise fault(f"a state with other rows: {type(error).__name__}", expected="a StateError") from error
    else:
        raise fault("a state with another number of rows is taken", expected="a StateError that says how to reset")


@check("sequence", "memory", "ragged")
def memory_of_ragged_rows(s: Subject) -> None:
    """With memory, a ragged batch goes on, row by row, from where each row ended."""
    import inspect

    s.require("lengths" in inspect.signature(s.case.layer.forward).parameters, "forward takes no lengths")
    x = _x(s)
    lengths = np.minimum(len(x), 1 + np.arange(x.shape[1]) % len(x))
    layer = _layer(s)
    layer.toggle_memory()
    layer.forward(x, lengths)
    after = layer.forward(x)
    for row, length in enumerate(lengths):
        alone = _layer(s)
        alone.toggle_memory()
        alone.forward(x[:length, row : row + 1])
        s.agree(after[:, row : row + 1], alone.forward(x[:, row : row + 1]), f"after a row of length {length}")


@check("sequence", "memory")
def one_sequence(s: Subject) -> None:
    """A 2-D input is one sequence: the same numbers as a batch of one."""
    x = _x(s)[:, :1]
    batch, single = _layer(s), _layer(s)
    expected, found = batch.forward(x), single.forward(x[:, 0])
    s.agree(found, expected[:, 0], "a 2-D input")
    error = np.random.default_rng(1).standard_normal(expected.shape)
    back = batch.backward(error)
    s.agree(single.backward(error[:, 0]), back[:, 0], "the error for a 2-D input")


@check("sequence", "truncation", "weights")
def truncation(s: Subject) -> None:
    """bptt_length: all steps is exact backpropagation; fewer count the weights' uses in the last steps alone, and the
    error for the input goes back through every step."""
    x = _x(s)
    exact = _gradients(_layer(s, bptt_length=len(x)), x)
    longer = _gradients(_layer(s, bptt_length=len(x) + 7), x)
    for found, expected, what in zip(longer, exact, ("error for the input", "gradient"), strict=True):
        s.agree(found, expected, f"bptt_length beyond the sequence: the {what}")
    for k in (1, 2, len(x) - 1):
        back, gradient = _gradients(_layer(s, bptt_length=k), x)
        s.agree(back, exact[0], f"bptt_length={k}: the error for the input")
        if "memory" in s.capabilities:
            layer = _layer(s, bptt_length=len(x))
            layer.toggle_memory()
            layer.forward(x[:-k])
            error = _error(layer.forward(x[-k:]), len(x))
            layer.backward(error)
            s.agree(gradient, _flat(layer.get_gradient_weights()), f"bptt_length={k}: the gradient of the weights")


def _error(output: np.ndarray, steps: int) -> np.ndarray:
    """The last steps of one error for a sequence of so many steps."""
    rng = np.random.default_rng(2)
    return rng.standard_normal((steps, *output.shape[1:]))[steps - len(output) :]


def _gradients(layer: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    output = layer.forward(x)
    return layer.backward(_error(output, len(x))), _flat(layer.get_gradient_weights())


def _flat(gradient: Any) -> np.ndarray:
    """A gradient as one array, also where it is a dictionary of several."""
    if isinstance(gradient, dict):
        return np.concatenate([array.ravel() for array in gradient.values()])
    return np.asarray(gradient)


@check("derivative", "sequence", "truncation", "weights")
def exact_truncation(s: Subject) -> None:
    """With a bptt_length of all steps or more, the gradients are the derivatives."""
    x = _x(s)
    values = s.values(3, steps=len(x))
    layer = _layer(s, bptt_length=len(x))

    runner = s.with_weights(Runner(s.graph(layer), backend="reference"))
    s.looked += derivatives.check(s, values, runner=runner, where="with bptt_length of all steps", full=False)
