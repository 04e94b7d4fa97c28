"""Named axes."""

import pytest

from graphnet import Shape, ShapeError
from graphnet.authoring import broadcast


@pytest.mark.parametrize("text", ["(time, batch, feature=12)", "(batch)", "()", "(batch, channel=3, y=28, x=28)"])
def test_shape_text_round_trip(text):
    assert str(Shape.parse(text)) == text


@pytest.mark.parametrize("text", ["time batch", "batch=", "batch=-1", "3", "batch=2.5"])
def test_shape_invalid_text_raises(text):
    with pytest.raises(ShapeError, match="not an axis"):
        Shape.parse(text)


def test_axes_by_name_and_position():
    shape = Shape.parse("time, batch=2, feature=3")
    assert shape.size("batch") == shape.size(1) == shape.size(-2) == 2
    assert shape.without("batch") == Shape.parse("time, feature=3")
    assert shape.resized(-1, 5, "unit") == Shape.parse("time, batch=2, unit=5")
    assert shape.preceded("layer", None).extended("x", 1) == Shape.parse("layer, time, batch=2, feature=3, x=1")
    for wrong in ("unit", 3, -4):
        with pytest.raises(ShapeError, match="no such axis"):
            shape.axis(wrong)


def test_fits_ignores_free_sizes():
    shape = Shape.parse("batch, feature=3")
    assert shape.fits((7, 3))
    assert shape.fits(Shape.parse("batch=2, feature"))
    assert not shape.fits((7, 4))
    assert not shape.fits((3,))


def test_broadcast_follows_numpy():
    assert broadcast([Shape.parse("batch=4, feature=3"), Shape.parse("feature=3")]) == Shape.parse("batch=4, feature=3")
    assert broadcast([Shape.parse("batch, feature=1"), Shape.parse("batch=2, feature=5")]).sizes == (2, 5)
    assert broadcast([Shape.parse("batch, feature=1"), Shape.parse("batch, feature=1")]).sizes == (None, 1)
    with pytest.raises(ShapeError, match="do not fit together"):
        broadcast([Shape.parse("batch=4, feature=3"), Shape.parse("batch=4, feature=2")])
