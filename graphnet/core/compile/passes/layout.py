"""The order of units in the buffers: homes that want to be neighbours share one, in the order that saves most calls.

Four gates ``i f g o`` whose ``i f o`` become sigmoids in one call are laid out ``i f o g``. With few lanes every order
is tried, with more of them what moving lanes about leads to; very many stay as they are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

from graphnet.core.compile.program import RING_BUFFER, STATIC_BUFFER, Buffer

if TYPE_CHECKING:
    from graphnet.core.compile.passes.allocate import Allocation

#: Up to so many lanes every order is tried; up to so many more, exchanges of two and moves of one; more stay as drawn.
SEARCHED, IMPROVED = 5, 12

#: What a group wants: how much one call counts, and for each member the homes it touches (the output's first).
Want = tuple[int, list[tuple[int, ...]]]


def runs(members: Sequence[int], chains: Mapping[int, tuple[Any, ...]]) -> list[list[int]]:
    """The members in runs: within one, each touches what follows what the one before touched."""
    ordered = sorted(members, key=lambda m: (chains[m][0].buffer, chains[m][0].start))
    found: list[list[int]] = []
    for member in ordered:
        if found and _follows(chains[found[-1][-1]], chains[member]):
            found[-1].append(member)
        else:
            found.append([member])
    return found


def _follows(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    return all(
        a.buffer == b.buffer and a.stop == b.start and a.shift == b.shift for a, b in zip(before, after, strict=True)
    )


def _changed(order: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The order with any run of one to three lanes moved elsewhere: all that exchanges and moves can do in one go."""
    found = []
    for size in (1, 2, 3):
        for i in range(len(order) - size + 1):
            moved, rest = order[i : i + size], order[:i] + order[i + size :]
            for j in range(len(rest) + 1):
                if j != i:
                    found += [rest[:j] + moved + rest[j:], rest[:j] + moved[::-1] + rest[j:]]
    return found


class BufferLayout:
    """Buffers, and the place of each home in them.

    Parameters
    ----------
    wants : list of (weight, chains)
    homes : list of Allocation
    search : bool
        Whether homes may share buffers at all.
    """

    def __init__(self, wants: Sequence[Want], homes: Sequence[Allocation], search: bool) -> None:
        self.homes = homes
        self.wants = [w for w in wants if len(w[1]) > 1] if search else []
        self.parent = list(range(len(homes)))
        self.lane = list(range(len(homes)))
        self._join()
        self.classes = self._classes()
        self._link()
        self.buffers: list[Buffer] = []
        self.places: dict[int, tuple[int, int]] = {}
        self._lay(self._searched())

    # ------------------------------------------------------------------ sets of homes
    @staticmethod
    def _root(parent: list[int], item: int) -> int:
        while parent[item] != item:  # no shortcuts: a link may be taken back
            item = parent[item]
        return item

    def _sort(self, home: int) -> tuple[Any, ...]:
        """What homes must have in common to share a buffer."""
        h = self.homes[home]
        return (h.kind, h.boolean, h.kind == RING_BUFFER and home)

    def _join(self) -> None:
        """Put homes that want to be neighbours into one class."""
        for _, chains in self.wants:
            for column in zip(*chains, strict=True):
                if len(set(column)) < len(column) or len({self._sort(h) for h in column}) > 1:
                    continue
                roots = [self._root(self.parent, h) for h in column]
                for root in roots[1:]:
                    self.parent[self._root(self.parent, root)] = self._root(self.parent, roots[0])

    def _classes(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for home in range(len(self.homes)):
            found.setdefault(self._root(self.parent, home), []).append(home)
        return found

    def _link(self) -> None:
        """Homes in different classes that one member of a group touches keep the same lane, where that is possible."""
        members = {c: set(homes) for c, homes in self.classes.items()}
        for _, chains in sorted(self.wants, key=lambda w: -len(w[1])):
            for i in range(1, len(chains[0])):
                pairs = [(chain[0], chain[i]) for chain in chains]
                self._link_pairs(pairs, members)

    def _link_pairs(self, pairs: list[tuple[int, int]], members: dict[int, set[int]]) -> None:
        changed: list[tuple[int, int]] = []
        for a, b in pairs:
            root = self._root(self.lane, b)
            changed.append((root, self.lane[root]))
            self.lane[root] = self._root(self.lane, a)
        touched = {self._root(self.parent, h) for pair in pairs for h in pair}
        for c in touched:
            lanes = [self._root(self.lane, h) for h in members[c]]
            if len(set(lanes)) < len(lanes):
                for root, old in reversed(changed):
                    self.lane[root] = old
                return

    # ------------------------------------------------------------------ the order
    def _searched(self) -> dict[int, float]:
        """The rank of each lane."""
        bundles: dict[int, set[int]] = {}
        together = list(range(len(self.homes)))
        for homes in self.classes.values():
            lanes = [self._root(self.lane, h) for h in homes]
            for lane in lanes[1:]:
                together[self._root(together, lane)] = self._root(together, lanes[0])
        for home in range(len(self.homes)):
            lane = self._root(self.lane, home)
            bundles.setdefault(self._root(together, lane), set()).add(lane)
        rank = self._appearance()
        touching: dict[int, list[Want]] = {}
        for want in self.wants:
            touching.setdefault(self._root(self.lane, want[1][0][0]), []).append(want)
        for bundle in bundles.values():
            if 2 < len(bundle) <= IMPROVED:
                ordered = sorted(bundle, key=rank.__getitem__)
                self._best(ordered, rank, [want for lane in ordered for want in touching.get(lane, ())])
        return rank

    def _appearance(self) -> dict[int, float]:
        """The lanes in the order in which calls name them."""
        found: dict[int, float] = {}
        for _, chains in self.wants:
            for chain in chains:
                for home in chain:
                    found.setdefault(self._root(self.lane, home), len(found))
        for home in range(len(self.homes)):
            found.setdefault(self._root(self.lane, home), len(found))
        return found

    def _best(self, lanes: list[int], rank: dict[int, float], touching: list[Want]) -> None:
        """Give some lanes the order with the fewest calls."""
        wants = []
        for weight, chains in touching:
            placed = [tuple((self._root(self.parent, h), self._root(self.lane, h)) for h in chain) for chain in chains]
            wants.append((weight, placed, set(placed)))
        classes = {c for _, placed, _ in wants for chain in placed for c, _ in chain}
        occupied = {c: {self._root(self.lane, h) for h in self.classes[c]} for c in classes}
        best, lowest = tuple(lanes), self._cost(tuple(lanes), wants, occupied, float("inf"))
        candidates: Iterable[tuple[int, ...]] = permutations(lanes) if len(lanes) <= SEARCHED else _changed(best)
        while candidates:
            before = lowest
            for order in candidates:
                cost = self._cost(order, wants, occupied, lowest)
                if cost < lowest:
                    best, lowest = order, cost
            candidates = _changed(best) if lowest < before and len(lanes) > SEARCHED else ()
        first = rank[lanes[0]]
        for position, lane in enumerate(best):
            rank[lane] = first + position / (len(lanes) + 1)

    @staticmethod
    def _cost(order: tuple[int, ...], wants: Any, occupied: dict[int, set[int]], limit: float) -> float:
        """Calls, weighted, with the lanes in some order."""
        follows: dict[tuple[int, int], tuple[int, int]] = {}
        for c, lanes in occupied.items():
            here = [lane for lane in order if lane in lanes]
            follows.update({(c, a): (c, b) for a, b in pairwise(here)})
        cost: float = 0.0
        for weight, placed, members in wants:
            calls = len(placed)
            for chain in placed:
                if tuple([follows.get(home) for home in chain]) in members:
                    calls -= 1
            cost += weight * calls
            if cost >= limit:
                break
        return cost

    def _lay(self, rank: dict[int, float]) -> None:
        """Buffers with their homes in order."""
        for homes in self.classes.values():
            ordered = sorted(homes, key=lambda h: (rank[self._root(self.lane, h)], h))
            start = 0
            for home in ordered:
                self.places[home] = (len(self.buffers), start)
                start += self.homes[home].width
            first = self.homes[ordered[0]]
            ahead = any(self.homes[h].shift for h in ordered)
            self.buffers.append(Buffer(first.kind, start, first.boolean, ahead))


__all__ = ["STATIC_BUFFER", "BufferLayout", "runs"]
