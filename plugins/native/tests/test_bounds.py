"""Native code writes inside its arrays alone: every array lies between guard bytes."""

from __future__ import annotations

import numpy as np
import pytest
from test_backend import everything, scan

from graphnet import Runner
from graphnet.core.compile.program import InvalidProgram
from graphnet.core.run.numpy_backend import bound_program, workspace
from graphnet_native import bounds, executable

GUARD, BYTE = 1024, 0xA5


class GuardedNumpy:
    """numpy, with guard bytes around every array that ``zeros`` and ``empty`` return."""

    def __init__(self):
        self.blocks = []

    def __getattr__(self, name):
        return getattr(np, name)

    def zeros(self, shape, dtype=float):
        dtype = np.dtype(dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        block = np.full(size + 2 * GUARD, BYTE, np.uint8)
        self.blocks.append((block, size))
        array = block[GUARD : GUARD + size].view(dtype).reshape(shape)
        array[...] = 0
        return array

    empty = zeros

    def damaged(self):
        """The number of arrays whose guard bytes have changed."""
        return sum(
            bool((block[:GUARD] != BYTE).any() or (block[GUARD + size :] != BYTE).any()) for block, size in self.blocks
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("steps", "batch", "features", "units"),
    [(30, 1, 7, 9), (11, 8, 16, 16), (9, 5, 3, 13), (21, 3, 130, 70), (7, 40, 60, 48)],
)
def test_guard_bytes_are_untouched(steps, batch, features, units, dtype, monkeypatch):
    guarded = GuardedNumpy()
    for module in (executable, workspace, bound_program):
        monkeypatch.setattr(module, "np", guarded)
    rng = np.random.default_rng(units)
    runner = Runner(scan(units, features, dtype), backend="native")
    x = rng.normal(size=(steps, batch, features)).astype(dtype)
    for lengths in (None, rng.integers(1, steps + 1, batch)):
        outputs = runner.forward({"x": x}, lengths=lengths)
        runner.backward({name: rng.normal(size=y.shape).astype(dtype) for name, y in outputs.items()})
        runner.forward({"x": x}, lengths=lengths, keep=False)
    assert len(guarded.blocks) > 10
    assert guarded.damaged() == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("batch", "units"), [(1, 9), (3, 13), (8, 16)])
def test_checked_code_gives_the_same_bits(batch, units, dtype, monkeypatch):
    x = np.random.default_rng(units).normal(size=(6, batch, 5)).astype(dtype)
    found = []
    for setting in ("0", "1"):
        monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", setting)
        found.append(everything(scan(units, 5, dtype), {"x": x}, dtype, "native", [6, 2, 0, 4, 1, 6, 3, 5][:batch]))
    for name, array in found[0].items():
        np.testing.assert_array_equal(found[1][name], array, err_msg=name)


@pytest.mark.parametrize(("first", "last"), [(0, 8), (8, 0)])
def test_access_outside_an_array_names_the_step(first, last, monkeypatch):
    monkeypatch.setenv("GRAPHNET_NATIVE_DEBUG", "1")
    runner = Runner(scan(7, 5, "float64"), backend="native")
    inputs = {"x": np.ones((4, 3, 5))}
    runner.forward(inputs)
    made = next(iter(runner.last_pass.bound.programs())).executable()
    size = made.places.size
    for entry in range(made.places.buffers):  # as if every buffer were shorter than it is
        made.table[entry + size] += first
        made.table[entry + 2 * size] -= last
    with pytest.raises(bounds.BoundsError, match="outside its array") as raised:
        runner.forward(inputs)
    assert raised.value.where and ("scan/" in raised.value.where or "arrays of" in raised.value.where)
    assert "bytes" in str(raised.value)


def test_wrong_shapes_do_not_reach_native_code():
    runner = Runner(scan(7, 5, "float64"), backend="native")
    x = np.ones((4, 3, 5))
    y = runner.forward({"x": x})
    made = next(iter(runner.last_pass.bound.programs())).executable()
    for wrong in (x[:2], x[:, :2], x[..., :4], np.ones((4, 3, 6)), np.ones(60)):
        with pytest.raises((InvalidProgram, ValueError)):
            made.run_block(0, {("sequence", 0): wrong}, [np.empty((4, 3, 7))], None, None)
    with pytest.raises(ValueError):
        runner.backward({"output": y["output"][:2]})
    path, parameter = next(iter(runner.parameters.items()))
    arrays = {p: {n: a.value for n, a in layer.params.items()} for p, layer in runner.layers.items()}
    owner, name = path.rsplit("/", 1)
    arrays[owner][name] = parameter.value[:-1]
    with pytest.raises((InvalidProgram, ValueError)):
        made.load_weights(arrays)


def test_arrays_of_every_layout_give_the_same_bits():
    graph, rng = scan(7, 5, "float64"), np.random.default_rng(0)
    x = rng.normal(size=(6, 4, 5))
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float64).reshape(x.shape)
    wide, read_only = np.zeros((6, 8, 10)), x.copy()
    wide[:, ::2, ::2] = x
    read_only.flags.writeable = False
    expected = everything(graph, {"x": x}, "float64", "native")
    others = [unaligned, wide[:, ::2, ::2], read_only, np.asfortranarray(x), x.astype(">f8"), x[::-1].copy()[::-1]]
    for other in others:
        found = everything(graph, {"x": other}, "float64", "native")
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_guards_notice_a_write_beyond_the_end():
    guarded = GuardedNumpy()
    array = guarded.zeros((4,), "float32")
    assert guarded.damaged() == 0
    np.lib.stride_tricks.as_strided(array, (5,), (4,))[4] = 1
    assert guarded.damaged() == 1
