"""Labels at their lines: those for which the layout found room only far away are moved to where there is some."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from graphnet.core.array_types import Array

Point = tuple[float, float]
#: Labels nearer than this to their line stay; the room beside a line; the distance of the places that are tried.
NEAR, BESIDE, STEP = 5.0, 3.0, 7.0
#: The most places that are tried along a line.
PLACES = 60


def beside_lines(
    boxes: Array, lines: Sequence[Sequence[Point]], sizes: Sequence[Point | None], anchors: Sequence[Point | None]
) -> list[Point | None]:
    """The centres of the labels: those near their lines stay; others go to a free place on or beside the line.

    A place is free if the label covers no box and no other label there. Of the free ones that is taken at which it
    covers the fewest other lines; on the line rather than beside it; near the middle of the line. A label for which
    none is free stays.

    Parameters
    ----------
    boxes : array (n, 4)
        The edges of the boxes: left, top, right, bottom.
    lines : sequence of sequence of point
    sizes, anchors : sequence of point or None
        Of the label of each line: width and height, and the centre that the layout has found.
    """
    found = list(anchors)
    labels = np.array([
        (0.0, 0.0, 0.0, 0.0) if size is None or anchor is None else _rectangles(np.array([anchor]), size)[0]
        for size, anchor in zip(sizes, anchors, strict=True)
    ]).reshape(-1, 4)  # fmt: skip
    pieces = [_pieces(line) for line in lines]
    owners = np.repeat(np.arange(len(lines)), [len(each) for each in pieces])
    everything = np.concatenate([*pieces, np.zeros((0, 4))])
    for i, (size, anchor) in enumerate(zip(sizes, anchors, strict=True)):
        if size is None or anchor is None or not len(pieces[i]) or _distance(labels[i], pieces[i]) <= NEAR:
            continue
        centres, costs = _places(pieces[i], size)
        room = _rectangles(centres, size)
        others = np.delete(labels, i, axis=0)
        free = ~(_meets(room, boxes).any(1) | _meets(room, others).any(1))
        if free.any():
            crossed = _meets(room[free], everything[owners != i], open_ends=False).sum(1)
            best = np.flatnonzero(free)[np.argmin(costs[free] + 10.0 * crossed)]
            found[i] = (float(centres[best, 0]), float(centres[best, 1]))
            labels[i] = room[best]
    return found


def _pieces(line: Sequence[Point]) -> Array:
    """The pieces of a line, which are horizontal or vertical, as (left, top, right, bottom)."""
    pairs = [(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])) for a, b in itertools.pairwise(line)]
    return np.array(pairs, np.float64).reshape(-1, 4)


def _places(pieces: Array, size: Point) -> tuple[Array, Array]:
    """Centres to try, on and beside each piece, and the cost of each: least in the middle of the line."""
    width, height = size
    lengths = pieces[:, 2] - pieces[:, 0] + pieces[:, 3] - pieces[:, 1]
    step = max(STEP, float(lengths.sum()) / PLACES)
    middle, before = lengths.sum() / 2, 0.0
    centres, costs = [], []
    for (left, top, right, bottom), length in zip(pieces, lengths, strict=True):
        upright = bottom - top >= right - left
        away = (width if upright else height) / 2 + BESIDE
        end = (height if upright else width) / 2  # a label on a line leaves some of it to be seen
        for along in np.arange(step / 2, length, step):
            x, y = (left, top + along) if upright else (left + along, top)
            far = abs(before + along - middle) / max(middle, 1.0)
            if end + BESIDE <= along <= length - end - BESIDE:
                centres.append((x, y))
                costs.append(far)
            for side in (-away, away):
                centres.append((x + side, y) if upright else (x, y + side))
                costs.append(1.0 + far)
        before += float(length)
    return np.array(centres).reshape(-1, 2), np.array(costs)


def _rectangles(centres: Array, size: Point) -> Array:
    half = np.array(size) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def _meets(one: Array, other: Array, *, open_ends: bool = True) -> Array:
    """Which of some rectangles overlap which of others, (len(one), len(other)); lines have no area and are closed."""
    left, right = np.maximum(one[:, None, :2], other[None, :, :2]), np.minimum(one[:, None, 2:], other[None, :, 2:])
    overlapping = (left < right) if open_ends else (left <= right)
    return np.asarray(overlapping[..., 0] & overlapping[..., 1])


def _distance(label: Array, pieces: Array) -> float:
    gaps = np.maximum(np.maximum(pieces[:, :2] - label[2:], label[:2] - pieces[:, 2:]), 0.0)
    return float(np.hypot(gaps[:, 0], gaps[:, 1]).min())
