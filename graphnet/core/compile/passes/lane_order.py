"""Search the order of lanes that needs the fewest calls: the search of ``layout``.

With the calls ``tanh(i f g o)`` and ``sigmoid(i f o)``, the order ``i f o g`` needs one call for each. Up to SEARCHED
lanes, every order is tried; up to IMPROVED, a local search moves runs of lanes until no move helps. Costs one
evaluation of all calls for each order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, permutations

SEARCHED, IMPROVED = 5, 12

#: An allocation, as its class and lane.
Position = tuple[int, int]
#: The weight of a call, its members, and the same as a set.
Call = tuple[int, list[tuple[Position, ...]], set[tuple[Position, ...]]]


def best_order(lanes: tuple[int, ...], calls: Sequence[Call], occupied: Mapping[int, set[int]]) -> tuple[int, ...]:
    """Return the order with the lowest cost; ``occupied`` holds the lanes of each class."""
    best, lowest = lanes, _cost(lanes, calls, occupied, float("inf"))
    evaluated = {lanes}
    least = sum(weight for weight, _, _ in calls)  # each in one call: no order is better
    candidates: Iterable[tuple[int, ...]] = permutations(lanes) if len(lanes) <= SEARCHED else _moves(best)
    while candidates and lowest > least:
        before = lowest
        for order in candidates:
            if lowest <= least:
                break
            if order in evaluated:
                continue
            evaluated.add(order)
            cost = _cost(order, calls, occupied, lowest)
            if cost < lowest:
                best, lowest = order, cost
        candidates = _moves(best) if lowest < before and len(lanes) > SEARCHED else ()
    return best


def _moves(order: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every order that results from moving a run of one to three lanes, as it is or reversed."""
    orders = []
    for size in (1, 2, 3):
        for i in range(len(order) - size + 1):
            moved, rest = order[i : i + size], order[:i] + order[i + size :]
            for j in range(len(rest) + 1):
                if j != i:
                    orders += [rest[:j] + moved + rest[j:], rest[:j] + moved[::-1] + rest[j:]]
    return orders


def _cost(order: tuple[int, ...], calls: Sequence[Call], occupied: Mapping[int, set[int]], limit: float) -> float:
    """The weighted number of calls that an order needs; at least ``limit`` if it exceeds that."""
    follows: dict[Position, Position] = {}
    for c, lanes in occupied.items():
        here = [lane for lane in order if lane in lanes]
        follows.update({(c, a): (c, b) for a, b in pairwise(here)})
    cost: float = 0.0
    for weight, chains, members in calls:
        count = len(chains)
        for chain in chains:
            if tuple([follows.get(position) for position in chain]) in members:
                count -= 1
        cost += weight * count
        if cost >= limit:
            break
    return cost
