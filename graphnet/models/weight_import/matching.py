"""Which unit of a file goes to which place of a graph: by given names, equal names, then by shapes if they decide."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import networkx as nx

from graphnet.core.errors import ConfigError, FileError, unknown
from graphnet.models.weight_import.conversion import fits
from graphnet.models.weight_import.places import Place
from graphnet.models.weight_import.units import Unit

_NUMBER = re.compile(r"_?(\d+)")


def match(
    units: Sequence[Unit], places: Sequence[Place], names: Mapping[str, str], where: str, *, partial: bool
) -> list[tuple[Unit, Place]]:
    """Pairs of a unit and its place, in the order of the graph.

    Names that are equal but for their separators match. What is left matches by kind and shapes: units that fit only
    one place, and units of one shape whose names differ in numbers alone, in the order of these numbers.

    Parameters
    ----------
    names : mapping of the name of a place to the name of a unit
    partial : bool
        Whether places may be left without a unit.

    Raises
    ------
    UnknownNameError
        If ``names`` has a name that there is not.
    ConfigError
        If a pair of ``names`` does not fit, or shapes do not decide: the message lists the candidates.
    FileError
        If a unit has no place, or a place no unit.
    """
    pairs = _given(units, places, names, where)
    pairs |= _equal(_without(units, pairs.values()), [place for place in places if place.name not in pairs])
    graph: nx.Graph = nx.Graph()
    rest = _without(units, pairs.values())
    free = [place for place in places if place.name not in pairs]
    graph.add_nodes_from(("unit", i) for i in range(len(rest)))
    graph.add_edges_from(
        (("unit", i), ("place", j)) for i, unit in enumerate(rest) for j, place in enumerate(free) if fits(unit, place)
    )
    for component in nx.connected_components(graph):
        inside = [rest[i] for side, i in sorted(component) if side == "unit"]
        around = [free[j] for side, j in sorted(component) if side == "place"]
        pairs |= _ordered(inside, around, places, where, partial)
    left = [place for place in places if place.name not in pairs]
    if left and not partial:
        raise FileError(
            "layers without weights in the file",
            where=where,
            expected="weights for every layer",
            received="none for " + "; ".join(place.described() for place in left[:5]),
            remedy="Give the names, NODE=NAME; or leave these layers as they are: partial.",
        )
    return [(pairs[place.name], place) for place in places if place.name in pairs]


def _without(units: Sequence[Unit], taken: object) -> list[Unit]:
    ids = {id(unit) for unit in taken}  # type: ignore[attr-defined]
    return [unit for unit in units if id(unit) not in ids]


def _given(units: Sequence[Unit], places: Sequence[Place], names: Mapping[str, str], where: str) -> dict[str, Unit]:
    by_place = {place.name: place for place in places}
    pairs: dict[str, Unit] = {}
    for node, name in names.items():
        if node not in by_place:
            raise unknown("layer with weights", node, by_place, where=where)
        named = [unit for unit in units if unit.name == name]
        if not named:
            raise unknown("layer of the file", name, [unit.name for unit in units], where=where)
        place = by_place[node]
        found = next((unit for unit in named if fits(unit, place)), None)
        if found is None:
            raise ConfigError(
                "a layer of the file that does not fit", where=f"{where}: {node}", expected=place.described(),
                received="; ".join(unit.described() for unit in named),
            )  # fmt: skip
        pairs[node] = found
    return pairs


def _equal(units: Sequence[Unit], places: Sequence[Place]) -> dict[str, Unit]:
    """Those with the same name, which is not only a number."""
    by_name = {(unit.name.replace(".", "/"), unit.reverse): unit for unit in units}
    pairs = {}
    for place in places:
        unit = by_name.get((place.name, place.reverse))
        if unit is not None and not place.name.isdigit() and fits(unit, place):
            pairs[place.name] = unit
    return pairs


def _ordered(
    units: list[Unit], places: list[Place], known: Sequence[Place], where: str, partial: bool
) -> dict[str, Unit]:
    """Pairs of units and places that fit each other."""
    if not places:
        kinds = ("linear", "embedding") if units[0].kind == "matrix" else (units[0].kind,)
        same = [place.described() for place in known if place.kind in kinds]
        other = {"gru": "gru_before", "gru_before": "gru"}.get(units[0].kind)
        hint = "The reset gate of this GRU applies " + ("after" if units[0].kind == "gru" else "before")
        raise FileError(
            "no layer for weights of the file",
            where=where,
            expected=f"one of {'; '.join(same[:5])}" if same else f"a layer of kind {' or '.join(kinds)}",
            received=units[0].described(),
            remedy=f"{hint} the product with the state: use gru_cell(units, reset_after={units[0].kind == 'gru'})."
            if any(place.kind == other for place in known)
            else "If the model does not need them, leave them out: skip.",
        )
    alike = len({_NUMBER.sub("", unit.name) for unit in units}) == 1
    decided = len(units) == len(places) and (
        len(units) == 1 or (alike and all(fits(u, p) for u in units for p in places))
    )
    if not decided:
        raise ConfigError(
            "shapes and names do not say which weights belong to which layer",
            where=where,
            expected=f"names for {', '.join(place.name for place in places[:8])}",
            received=f"candidates {', '.join(unit.name for unit in units[:8])}",
            remedy=f"Give the names: {places[0].name}={units[0].name}, and so on.",
        )
    numbered = sorted(units, key=lambda unit: [int(number) for number in _NUMBER.findall(unit.name)])
    return {place.name: unit for place, unit in zip(places, numbered, strict=True)}
