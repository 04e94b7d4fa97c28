"""Lay out allocations in buffers: those that should be neighbours share a buffer, in the order that saves most calls.

Four gates ``i f g o`` whose ``i f o`` become sigmoids in one call are laid out ``i f o g``. Up to SEARCHED lanes, every
order is tried; up to IMPROVED, a local search moves lanes; more keep the order of the calls. A part of ``allocate``;
without ``batch_calls`` and ``merge`` each allocation is a buffer. Costs that search, for each set of lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from graphnet.core.compile.assignment import Allocation
from graphnet.core.compile.passes.lane_order import IMPROVED, best_order
from graphnet.core.compile.program import RING_BUFFER, Buffer, BufferSlice, InvalidProgram

#: The weight of one call, and for each of its members the allocations that it uses (the output's first).
Request = tuple[int, list[tuple[int, ...]]]


def runs(members: Sequence[int], chains: Mapping[int, tuple[Any, ...]]) -> list[list[int]]:
    """Split members into runs of neighbours, in which each slice follows that of the member before."""
    ordered = sorted(members, key=lambda m: (chains[m][0].buffer, chains[m][0].start))
    result: list[list[int]] = []
    for member in ordered:
        if result and _follows(chains[result[-1][-1]], chains[member]):
            result[-1].append(member)
        else:
            result.append([member])
    return result


def _follows(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    return all(
        a.buffer == b.buffer and a.stop == b.start and a.shift == b.shift for a, b in zip(before, after, strict=True)
    )


class BufferLayout:
    """Buffers, and the offset of each allocation in them.

    Allocations that should be neighbours form a *class*, which becomes one buffer. A *lane* is a position shared by
    several classes: the gates ``i f o g`` and their errors have the same order.

    Parameters
    ----------
    requests : list of Request
    allocations : list of Allocation
    share : bool
        Whether allocations may share buffers.

    Attributes
    ----------
    buffers : list of Buffer
    offsets : dict
        Buffer and first unit of each allocation.
    """

    def __init__(self, requests: Sequence[Request], allocations: Sequence[Allocation], share: bool) -> None:
        self.allocations = allocations
        self.requests = [r for r in requests if len(r[1]) > 1] if share else []
        self.parent = list(range(len(allocations)))
        self.lane = list(range(len(allocations)))
        self._join()
        self.classes = self._classes()
        self._link()
        self.lanes = [self._root(self.lane, number) for number in range(len(allocations))]
        self.buffers: list[Buffer] = []
        self.offsets: dict[int, tuple[int, int]] = {}
        self._place(self._ranks())

    # ------------------------------------------------------------------ classes and lanes
    @staticmethod
    def _root(parent: list[int], item: int) -> int:
        while parent[item] != item:  # no shortcuts: a link may be taken back
            item = parent[item]
        return item

    def _sharing_key(self, number: int) -> tuple[Any, ...]:
        """What allocations must have in common to share a buffer."""
        a = self.allocations[number]
        return (a.kind, a.boolean, a.kind == RING_BUFFER and number)

    def _join(self) -> None:
        """Join allocations that should be neighbours into one class."""
        for _, chains in self.requests:
            for column in zip(*chains, strict=True):
                if len(set(column)) < len(column) or len({self._sharing_key(a) for a in column}) > 1:
                    continue
                roots = [self._root(self.parent, a) for a in column]
                for root in roots[1:]:
                    self.parent[self._root(self.parent, root)] = self._root(self.parent, roots[0])

    def _classes(self) -> dict[int, list[int]]:
        classes: dict[int, list[int]] = {}
        for number in range(len(self.allocations)):
            classes.setdefault(self._root(self.parent, number), []).append(number)
        return classes

    def _link(self) -> None:
        """Give allocations of different classes that one member of a group uses the same lane where possible."""
        members = {c: set(numbers) for c, numbers in self.classes.items()}
        for _, chains in sorted(self.requests, key=lambda request: -len(request[1])):
            for i in range(1, len(chains[0])):
                pairs = [(chain[0], chain[i]) for chain in chains]
                self._link_pairs(pairs, members)

    def _link_pairs(self, pairs: list[tuple[int, int]], members: dict[int, set[int]]) -> None:
        changed: list[tuple[int, int]] = []
        for a, b in pairs:
            root = self._root(self.lane, b)
            changed.append((root, self.lane[root]))
            self.lane[root] = self._root(self.lane, a)
        for c in {self._root(self.parent, a) for pair in pairs for a in pair}:
            lanes = [self._root(self.lane, a) for a in members[c]]
            if len(set(lanes)) < len(lanes):
                for root, old in reversed(changed):
                    self.lane[root] = old
                return

    # ------------------------------------------------------------------ the order
    def _ranks(self) -> dict[int, float]:
        """The rank of each lane, by which allocations are sorted."""
        bundles: dict[int, set[int]] = {}
        together = list(range(len(self.allocations)))
        for numbers in self.classes.values():
            lanes = [self.lanes[a] for a in numbers]
            for lane in lanes[1:]:
                together[self._root(together, lane)] = self._root(together, lanes[0])
        for number in range(len(self.allocations)):
            lane = self.lanes[number]
            bundles.setdefault(self._root(together, lane), set()).add(lane)
        rank = self._first_uses()
        by_lane: dict[int, list[Request]] = {}
        for request in self.requests:
            by_lane.setdefault(self.lanes[request[1][0][0]], []).append(request)
        for bundle in bundles.values():
            if 2 < len(bundle) <= IMPROVED:
                lanes = sorted(bundle, key=rank.__getitem__)
                self._improve(lanes, rank, [request for lane in lanes for request in by_lane.get(lane, ())])
        return rank

    def _first_uses(self) -> dict[int, float]:
        """The lanes in the order of their first use by a call."""
        rank: dict[int, float] = {}
        for _, chains in self.requests:
            for chain in chains:
                for number in chain:
                    rank.setdefault(self.lanes[number], len(rank))
        for number in range(len(self.allocations)):
            rank.setdefault(self.lanes[number], len(rank))
        return rank

    def _improve(self, lanes: list[int], rank: dict[int, float], requests: list[Request]) -> None:
        """Give some lanes the order with the fewest calls."""
        positioned = []
        for weight, chains in requests:
            members = [tuple((self._root(self.parent, a), self.lanes[a]) for a in chain) for chain in chains]
            positioned.append((weight, members, set(members)))
        classes = {c for _, members, _ in positioned for chain in members for c, _ in chain}
        occupied = {c: {self.lanes[a] for a in self.classes[c]} for c in classes}
        first = rank[lanes[0]]
        for position, lane in enumerate(best_order(tuple(lanes), positioned, occupied)):
            rank[lane] = first + position / (len(lanes) + 1)

    def _place(self, rank: dict[int, float]) -> None:
        """Make one buffer of each class, with its allocations in order."""
        for numbers in self.classes.values():
            ordered = numbers if len(numbers) == 1 else sorted(numbers, key=lambda a: (rank[self.lanes[a]], a))
            start = 0
            for number in ordered:
                self.offsets[number] = (len(self.buffers), start)
                start += self.allocations[number].width
            first = self.allocations[ordered[0]]
            ahead = any(self.allocations[a].shift for a in ordered)
            self.buffers.append(Buffer(first.kind, start, first.boolean, ahead))


def merge_slices(slices: Sequence[BufferSlice]) -> BufferSlice:
    """Return neighbouring slices as one.

    Raises
    ------
    InvalidProgram
        If they are not neighbours, in this order.
    """
    for before, after in pairwise(slices):
        if (before.buffer, before.stop, before.shift) != (after.buffer, after.start, after.shift):
            raise InvalidProgram(f"{before} and {after} are not neighbours")
    return BufferSlice(slices[0].buffer, slices[0].start, slices[-1].stop, slices[0].shift)
