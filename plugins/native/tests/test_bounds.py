"""Native code writes inside its arrays alone: every array lies between guard bytes."""

from __future__ import annotations

import numpy as np
import pytest
from test_backend import scan

from graphnet import Runner
from graphnet.core.run.numpy_backend import bound_program, workspace
from graphnet_native import executable

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


def test_guards_notice_a_write_beyond_the_end():
    guarded = GuardedNumpy()
    array = guarded.zeros((4,), "float32")
    assert guarded.damaged() == 0
    np.lib.stride_tricks.as_strided(array, (5,), (4,))[4] = 1
    assert guarded.damaged() == 1
