"""Cells whose values have several inner axes: compiled programs against the reference backend."""

import numpy as np
import pytest
from helpers.matrix_cells import CELLS, OTHERS, STEPWISE, everything, graph, inputs, same, same_inputs
from helpers.random_models import Tanh

from graphnet import Builder, Cell, Exp, Layer, LearnedArray, Phase, Runner, Scan, Weight, concatenate, dense
from graphnet.core.compile.analysis import wide_values
from graphnet.core.compile.passes import allocate
from graphnet.core.compile.program import BACK_LOOP, FORWARD, LOOP, STEP_BUFFER
from graphnet.core.compile.trace.ir import ROWS, Trace
from graphnet.core.compile.trace.symbol import Symbol
from graphnet.core.compile.trace.untraceable import Untraceable


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("batch", [1, 3])
def test_cell_equals_reference(name, batch):
    same(name, batch=batch)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("how", [{}, {"reverse": True}, {"bptt_length": 2}])
def test_cell_with_ragged_rows_equals_reference(name, how):
    same(name, steps=7, batch=4, lengths=[7, 3, 0, 5], **how)


@pytest.mark.parametrize("name", CELLS)
def test_one_pass_left_out_equals_reference(name):
    for left_out in STEPWISE:
        same(name, steps=3, batch=2, passes=[p for p in STEPWISE if p != left_out])
    same(name, steps=3, batch=2, passes=[])


@pytest.mark.parametrize("name", OTHERS)
def test_other_inputs_equal_reference(name):
    same_inputs(name, "numpy")
    if name == "with_contexts":
        same_inputs(name, "numpy", [4, 0, 2])


class Einsum(Layer):
    """np.einsum of x (batch, 2, 3) and perhaps weights, as a vector; the error goes back through the same subscripts."""

    subscripts: str
    shape: tuple[int, ...] | None
    size: int

    def parameters(self, *inputs):
        return {"w": Weight(self.shape, fan_in=3, fan_out=3)} if self.shape else {}

    def infer(self, x):
        return x.leading(1).extended("feature", self.size)

    def apply(self, x, *, w=None):
        return np.einsum(self.subscripts, x, x if w is None else w).reshape(x.shape[0], -1), x

    def pull(self, x, error, *, w=None):
        return x * error.sum(-1, keepdims=True)[..., None]

    def grad(self, x, error):
        return {"w": np.broadcast_to(error.sum(), self.shape) * 1.0}


@pytest.mark.parametrize(
    ("subscripts", "shape", "size"),
    [
        ("bij,jk->bik", (3, 4), 8),
        ("bij,ki->bjk", (4, 2), 12),
        ("bij,ij->bij", (2, 3), 6),
        ("bij,i->bij", (2,), 6),
        ("bij,ij->bj", (2, 3), 3),
        ("bij,ik->bkji", (2, 4), 24),
        ("...i,ik", (3, 2), 4),
        ("bij,bij->b", None, 1),
        ("bij,bkj->bik", None, 4),
        ("bij,bik->bkj", None, 9),
    ],
)
def test_einsum_equals_reference(subscripts, shape, size):
    c = Cell("c", sequences={"x": "batch, a=2, b=3"}, states={"h": f"batch, feature={size}"})
    h = Tanh()(Einsum(subscripts, shape, size)(c.x) + c.h)
    g = Builder("model")
    made = g.build(y=Scan(c.build(y=h, h=h))(g.input("x", "time, batch, a=2, b=3"), None, name="scan"))
    given = {"x": np.random.default_rng(2).normal(size=(3, 4, 2, 3))}
    ours, scan = everything(made, given, "numpy")
    expected, _ = everything(made, given, "reference")
    assert scan.reason is None
    for key, array in expected.items():
        np.testing.assert_allclose(ours[key], array, rtol=1e-11, atol=1e-12, err_msg=key)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (lambda x: x * x.sum(0), "sums over rows"),
        (lambda x: np.einsum("bij,ckj->bik", x, x), "first letters"),
        (lambda x: np.einsum("bii->bi", x @ np.swapaxes(x, -1, -2)) * 1.0, "np.einsum with 'bii->bi'"),
        (lambda x: x[:1] * x, "selects rows"),
        (lambda x: np.cumsum(x, -1), "np.cumsum"),
        (lambda x: x[..., 0] * x, "rows of different"),
        (lambda x: np.swapaxes(x, 0, 1), "moves the rows"),
    ],
)
def test_what_mixes_rows_is_refused_with_the_reason(rule, reason):
    trace = Trace()
    trace.lead = (4,)
    x = Symbol(trace, trace.leaf("sequence", 0, ROWS, (6,)), (4, 2, 3), (4,), np.float64)
    with pytest.raises(Untraceable, match=reason):
        rule(x)


def test_large_matrices_in_each_row_are_refused():
    trace = Trace()
    trace.lead = (4,)
    x = Symbol(trace, trace.leaf("sequence", 0, ROWS, (32 * 32,)), (4, 32, 32), (4,), np.float64)
    with pytest.raises(Untraceable, match="too large"):
        x @ x
    assert (x[..., :1, :] @ x).shape == (4, 1, 32)
    assert (x[..., :16, :16] @ x[..., :16, :16]).shape == (4, 16, 16)


def test_steps_equal_a_sequence():
    made, given = graph("delta"), inputs(batch=2)
    runner = Runner(made, backend="numpy")
    runner.materialize()
    expected = runner.forward(given, phase=Phase.test)["y"]
    stepper = runner.stepper(batch=2)
    first = {"s0": given["s0"]}
    found = [stepper.step({"x": x} | (first if t == 0 else {}))["y"] for t, x in enumerate(given["x"])]
    np.testing.assert_allclose(np.stack(found), expected, rtol=1e-12)


@pytest.fixture
def _everything_is_wide(monkeypatch):
    monkeypatch.setattr(wide_values, "WIDE", 6)
    monkeypatch.setattr(allocate, "WIDE", 6)


@pytest.mark.usefixtures("_everything_is_wide")
@pytest.mark.parametrize("name", [*CELLS, *range(20, 30)])
def test_wide_values_are_computed_in_the_loops(name):
    """Values that exist for one step share memory, and sums are where their terms are."""
    program = same(name, steps=5, batch=2, lengths=[5, 3])
    if name == "retention":
        assert {i.phase for i in program.instructions if i.output.width == 10} == {LOOP, BACK_LOOP}
        assert sum(b.units == 10 and b.kind == STEP_BUFFER for b in program.buffers) <= 4


@pytest.mark.parametrize("seed", range(16))
def test_random_cell_equals_reference(seed):
    batch = (1, 3, 2, 4)[seed % 4]
    lengths = [4, 1, 3, 0][:batch] if seed % 3 == 0 else None
    passes = None if seed % 2 else [p for i, p in enumerate(STEPWISE) if (seed >> (i % 4)) & 1]
    same(seed, steps=4, batch=batch, lengths=lengths, passes=passes, reverse=bool(seed % 2))


def test_what_depends_on_weights_alone_is_computed_once_a_pass():
    c = Cell("c", sequences={"x": "batch, feature=3"}, states={"h": "batch, feature=4"})
    a, b = LearnedArray(6)(c.x), LearnedArray(4)(c.x)
    turn = Exp()(-Exp()(a))[..., :4] * np.cos(b)
    drive = dense(concatenate(turn, b), 4) / (1.0 + (b * b).sum(-1, keepdims=True))
    h = turn * c.h + drive * dense(c.x, 4)
    g = Builder("model")
    scanned = Scan(c.build(y=h, h=h))(g.input("x", "time, batch, feature=3"), None, name="scan")
    made, given = g.build(y=scanned), {"x": np.random.default_rng(1).normal(size=(5, 3, 3))}
    ours, scan = everything(made, given, "numpy")
    expected, _ = everything(made, given, "reference")
    for key, array in expected.items():
        np.testing.assert_allclose(ours[key], array, rtol=1e-11, atol=1e-12, err_msg=key)
    program = scan.programs[True].program
    names = [i.name for i in program.instructions]
    assert not {"exp", "cos"} & set(names)
    # Forward: one product with the input, its bias, the drive; the rotation and a sum in the loop.
    assert [i.name for i in program.instructions if i.phase in FORWARD] == ["dot", "add", "multiply", "multiply", "add"]
