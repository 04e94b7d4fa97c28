"""Where rows end: which steps are read in place of those that do not exist."""

import numpy as np
import pytest

from graphnet.core.describe.shapes import Shape
from graphnet.core.run.padding import Padding, RowEnds, row_ends

LENGTHS, STEPS = np.array([2, 0, 4, 1]), 4


def numbered():
    """Each element tells its step and row."""
    return np.arange(STEPS)[:, None, None] * 10.0 + np.arange(4)[:, None] + np.zeros(2)


def test_zeroed_selects():
    x = numbered() + 1
    x[2, 0] = np.nan
    found = RowEnds(LENGTHS, STEPS).zeroed(x)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(found[:length, row], x[:length, row])
        assert not found[length:, row].any()


def test_repeated_reads_the_last_step():
    found = RowEnds(LENGTHS, STEPS).repeated(numbered())[:, :, 0]
    np.testing.assert_array_equal(found.T, [[0, 10, 10, 10], [0, 0, 0, 0], [2, 12, 22, 32], [3, 3, 3, 3]])


def test_reversing_begins_at_each_end():
    order = RowEnds(LENGTHS, STEPS).reversing
    found = numbered().reshape(16, 2)[order].reshape(4, 4, 2)[:, :, 0]
    np.testing.assert_array_equal(found.T, [[10, 0, 0, 0], [10, 10, 10, 10], [32, 22, 12, 2], [3, 3, 3, 3]])


@pytest.mark.parametrize(("reverse", "expected"), [(False, [0, 1, 1, 1]), (True, [2, 3, 3, 3])])
def test_draws_begin_with_the_longest_row(reverse, expected):
    steps, rows = RowEnds(LENGTHS, STEPS).drawing(reverse)
    np.testing.assert_array_equal(steps[:, 0], expected)
    np.testing.assert_array_equal(steps[:, 2], [0, 1, 2, 3])
    np.testing.assert_array_equal(rows[0], [0, 0, 2, 3])


def test_lent_follows_batch_axis():
    ends, x = RowEnds(LENGTHS, STEPS), np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(ends.lent(x)[1], x[0])
    np.testing.assert_array_equal(ends.lent(x, Shape.parse("feature=4, batch=4"))[:, 1], x[:, 0])
    assert ends.lent(x, Shape.parse("place=4, feature=4")) is x
    assert ends.lent(x, Shape.parse("batch=4, feature=4"), 2) is x  # meets the time axis of (time, batch)
    assert RowEnds(np.array([1, 2]), 2).lent(x) is x


def test_equal_lengths_share_their_ends():
    class Shapes:
        slots = tuple(Shape.parse(f"time={n}, batch=2, feature=1") for n in (3, 3, 4, 3))

    found = row_ends([np.array([1, 3]), np.array([1, 3]), np.array([1, 3]), None], Shapes)
    assert found[0] is found[1]
    assert found[0] is not found[2]
    assert found[3] is None
    assert row_ends([None, None], Shapes) == []


def test_forms_serve():
    for form in Padding:
        assert form.serves(form)
        assert form.serves(Padding.ANY)
    assert Padding.ZEROS.serves(Padding.FINITE)
    assert Padding.REPEATED.serves(Padding.FINITE)
    assert not Padding.ANY.serves(Padding.FINITE)
    assert not Padding.FINITE.serves(Padding.ZEROS)
    assert not Padding.ZEROS.serves(Padding.REPEATED)
