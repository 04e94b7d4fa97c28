"""What a caller does to arrays that it gave or received changes no later result."""

import numpy as np
import pytest
from helpers.random_models import Tanh

from graphnet import Add, Builder, Cell, FullyConnected, Runner, Scan, Split, State, concatenate, seed

BACKENDS = ("reference", "numpy", "native")


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "native":
        pytest.importorskip("graphnet_native")
    return request.param


def nodes_graph():
    """Rules that save their inputs and outputs; an output that is an input, one that is given twice, and two views."""
    g = Builder("nodes")
    x = g.input("x", "time, batch, feature=4")
    y = Tanh()(FullyConnected(4, 4)(x, name="dense"))
    left, right = Split(2)(y)
    return g.build(y=y, again=y, x_itself=x, left=left, right=right, product=x * y)


def scan_graph():
    """A Scan whose outputs another node reads, and whose final state is an output."""
    c = Cell("cell", sequences="x", states={"h": 3})
    h = Tanh()(FullyConnected(None, 3)(concatenate(c.x, c.h), name="gate"))
    g = Builder("scan")
    scan = Scan(c.build(output=h, h=h))(g.input("x", "time, batch, feature=4"), name="scan")
    return g.build(hidden=scan["output"], last=scan["h"], y=FullyConnected(3, 2)(scan["output"], name="top"))


def results(graph, backend, rows, repeats, change):
    """Errors and gradients after some equal passes; ``change`` gets the inputs and outputs of the last one."""
    seed(3)
    runner = Runner(graph(), backend=backend)
    rng = np.random.default_rng(rows)
    given = rng.normal(size=(3, rows, 4))
    for _ in range(repeats):
        inputs = {"x": given.copy()}
        outputs = runner.forward(inputs)
    errors = {name: np.cos(array) for name, array in outputs.items()}
    change([*inputs.values()], [*outputs.values()])
    returned = runner.backward(errors)
    return [returned["x"], *(parameter.gradient for parameter in runner.parameters.values())]


def overwritten(arrays):
    for array in arrays:
        array[...] = 7.0


@pytest.mark.parametrize("graph", [nodes_graph, scan_graph])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("repeats", [1, 3])
def test_arrays_overwritten_between_forward_and_backward(backend, graph, rows, repeats):
    expected = results(graph, backend, rows, repeats, lambda inputs, outputs: None)
    for change in (lambda inputs, outputs: overwritten(inputs), lambda inputs, outputs: overwritten(outputs)):
        for actual, wanted in zip(results(graph, backend, rows, repeats, change), expected, strict=True):
            np.testing.assert_array_equal(actual, wanted)


def test_each_output_has_memory_of_its_own(backend):
    seed(3)
    inputs = {"x": np.random.default_rng(0).normal(size=(2, 3, 4))}
    runner = Runner(nodes_graph(), backend=backend)
    for keep in (True, True, False, False):
        outputs = runner.forward(inputs, keep=keep)
        arrays = [*inputs.values(), *outputs.values()]
        for i, one in enumerate(arrays):
            assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])


def test_a_final_state_that_is_an_output_is_not_the_one_that_is_carried(backend):
    seed(3)
    runner = Runner(scan_graph(), backend=backend)
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    state = State()
    for _ in range(3):
        outputs, state = runner.resume({"x": x}, state)
        kept = {name: array.copy() for name, array in state.arrays.items()}
        overwritten(outputs.values())
        for name, array in state.arrays.items():
            np.testing.assert_array_equal(array, kept[name])


def test_errors_of_inputs_are_neither_the_errors_given_nor_each_other(backend):
    g = Builder("sum")
    a, b = g.input("a", "batch, feature=2"), g.input("b", "batch, feature=2")
    runner = Runner(g.build(y=Add()(a, b)), backend=backend)
    for _ in range(3):
        runner.forward({"a": np.ones((3, 2)), "b": np.ones((3, 2))})
        error = np.arange(6.0).reshape(3, 2)
        returned = runner.backward({"y": error})
        assert not np.shares_memory(returned["a"], returned["b"])
        assert not any(np.shares_memory(error, array) for array in returned.values())
        np.testing.assert_array_equal(returned["a"], error)
        np.testing.assert_array_equal(returned["b"], error)
