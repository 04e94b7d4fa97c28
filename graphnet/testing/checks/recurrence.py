"""Recurrent layers: memory between calls, and truncated backpropagation through time."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from graphnet.core.errors import StateError
from graphnet.core.run.runner import Runner
from graphnet.testing.check import check
from graphnet.testing.derivatives import check_derivatives
from graphnet.testing.failures import fault, short
from graphnet.testing.harness import Harness
from graphnet.testing.variants import LONG, accepted_steps


def _layer(harness: Harness, *, memory: bool = False, **changes: Any) -> Any:
    """Return a layer with the case's weights; the weights do not depend on the changes of the configuration."""
    layer: Any = harness.make(**changes)
    harness.prepare(Runner(harness.graph(layer), backend="reference"))
    layer.phase = harness.deterministic_phase
    if memory:
        layer.toggle_memory()
    return layer


def _sequence(harness: Harness) -> np.ndarray:
    name = next(n for n in harness.names if n not in harness.optional)
    return harness.values(3, steps=accepted_steps(harness, max(harness.steps or 1, 5)))[name]


@check("sequence", "memory")
def chunked_sequence(harness: Harness) -> None:
    """With memory, a sequence in chunks gives the output of the whole sequence; without, each forward starts from the
    initial state."""
    _check_long_chunks(harness)
    x = _sequence(harness)
    whole = _layer(harness).forward(x)
    for cut in (1, len(x) // 2, len(x) - 1):
        layer = _layer(harness, memory=True)
        outputs = []
        for part in (x[:cut], x[cut : cut + 1], x[cut + 1 :]):
            if len(part):
                argument = part.copy()
                returned = layer.forward(argument)
                outputs.append(returned.copy())
                returned[...], argument[...] = np.nan, np.nan  # both arrays belong to the caller
        harness.assert_close(np.concatenate(outputs), whole, f"with memory, in chunks cut at step {cut}")
    layer = _layer(harness)
    for _ in range(2):
        harness.assert_close(layer.forward(x), whole, "without memory, a second forward")


def _check_long_chunks(harness: Harness) -> None:
    """A sequence of more than 64 steps equals two shorter ones with memory."""
    name = next(n for n in harness.names if n not in harness.optional)
    x = harness.values(3, rows=min(harness.batch or 1, 2), steps=LONG)[name]
    layer = _layer(harness, memory=True)
    parts = [layer.forward(part) for part in (x[: LONG // 2], x[LONG // 2 :])]
    harness.assert_close(_layer(harness).forward(x), np.concatenate(parts), f"{LONG} steps, and with memory in halves")


@check("sequence", "memory")
def memory(harness: Harness) -> None:
    """toggle_memory switches memory on and off, reset_state clears it, and a state with another number of rows is
    refused."""
    x = _sequence(harness)
    whole = _layer(harness).forward(x)
    layer = _layer(harness)
    harness.expect(layer.memory is False, "memory is on in a new layer", expected=False, received=layer.memory)
    layer.toggle_memory()
    first, second = layer.forward(x), layer.forward(x)
    harness.assert_close(first, whole, "with memory, the first forward")
    harness.expect(not np.allclose(second, whole), "with memory, a second forward starts from the initial state")
    layer.toggle_memory()
    harness.assert_close(layer.forward(x), whole, "with memory switched off again")
    layer.toggle_memory()
    layer.forward(x)
    if callable(getattr(layer, "reset_state", None)):
        layer.reset_state()
        harness.assert_close(layer.forward(x), whole, "after reset_state")
    try:
        layer.forward(np.concatenate([x, x[:, :1]], axis=1))
    except StateError as error:
        harness.expect("reset" in str(error), f"the error does not say how to reset the state: {short(error)}")
    except Exception as error:
        raise fault(f"another number of rows: {type(error).__name__}", expected="a StateError") from error
    else:
        raise fault("another number of rows than the state: no error", expected="a StateError that says how to reset")


@check("sequence", "memory", "ragged")
def memory_of_ragged_rows(harness: Harness) -> None:
    """With memory, each row of a ragged batch continues from the state at its own end."""
    parameters = inspect.signature(harness.case.layer.forward).parameters
    harness.require("lengths" in parameters, "forward has no argument 'lengths'")
    x = _sequence(harness)
    lengths = np.minimum(len(x), 1 + np.arange(x.shape[1]) % len(x))
    layer = _layer(harness, memory=True)
    layer.forward(x, lengths)
    after = layer.forward(x)
    for row, length in enumerate(lengths):
        alone = _layer(harness, memory=True)
        alone.forward(x[:length, row : row + 1])
        expected = alone.forward(x[:, row : row + 1])
        harness.assert_close(after[:, row : row + 1], expected, f"after a row of length {length}")


@check("sequence", "memory")
def one_sequence(harness: Harness) -> None:
    """A 2-D input is one sequence: it gives the results of a batch of one."""
    x = _sequence(harness)[:, :1]
    batch, single = _layer(harness), _layer(harness)
    expected, output = batch.forward(x), single.forward(x[:, 0])
    harness.assert_close(output, expected[:, 0], "a 2-D input")
    error = np.random.default_rng(1).standard_normal(expected.shape)
    input_error = batch.backward(error)
    harness.assert_close(single.backward(error[:, 0]), input_error[:, 0], "the error for a 2-D input")


@check("sequence", "truncation", "weights")
def truncation(harness: Harness) -> None:
    """bptt_length of all steps is exact backpropagation; a smaller one sums the weight gradient over the last steps
    only, and still propagates the error for the input through every step."""
    x = _sequence(harness)
    exact = _error_and_gradient(_layer(harness, bptt_length=len(x)), x)
    longer = _error_and_gradient(_layer(harness, bptt_length=len(x) + 7), x)
    for actual, desired, what in zip(longer, exact, ("error for the input", "gradient"), strict=True):
        harness.assert_close(actual, desired, f"bptt_length greater than the number of steps: the {what}")
    for k in (1, 2, len(x) - 1):
        input_error, gradient = _error_and_gradient(_layer(harness, bptt_length=k), x)
        harness.assert_close(input_error, exact[0], f"bptt_length={k}: the error for the input")
        if "memory" in harness.capabilities:
            layer = _layer(harness, memory=True, bptt_length=len(x))
            layer.forward(x[:-k])
            layer.backward(_output_error(layer.forward(x[-k:]), len(x)))
            expected = _flat(layer.get_gradient_weights())
            harness.assert_close(gradient, expected, f"bptt_length={k}: the gradient of the weights")


def _output_error(output: np.ndarray, steps: int) -> np.ndarray:
    """Return the end of one random error for a sequence of the given number of steps."""
    rng = np.random.default_rng(2)
    return rng.standard_normal((steps, *output.shape[1:]))[steps - len(output) :]


def _error_and_gradient(layer: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    output = layer.forward(x)
    return layer.backward(_output_error(output, len(x))), _flat(layer.get_gradient_weights())


def _flat(gradient: Any) -> np.ndarray:
    """Return a gradient, or a dictionary of gradients, as one array."""
    if isinstance(gradient, dict):
        return np.concatenate([array.ravel() for array in gradient.values()])
    return np.asarray(gradient)


@check("derivative", "sequence", "truncation", "weights")
def exact_truncation(harness: Harness) -> None:
    """With a bptt_length of all steps, the gradients are the derivatives."""
    x = _sequence(harness)
    layer = _layer(harness, bptt_length=len(x))
    runner = harness.set_weights(Runner(harness.graph(layer), backend="reference"))
    values, where = harness.values(3, steps=len(x)), "with bptt_length of all steps"
    check_derivatives(harness, values, runner=runner, where=where, elementwise=False)
