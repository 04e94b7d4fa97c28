"""The objects of a training run that may have a state of their own: layers, callbacks, losses, metrics and others."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import is_, is_not, itemgetter
from typing import Any

from graphnet.core.describe.graph import Graph, subgraph
from graphnet.losses import Loss
from graphnet.training.callbacks.base import Callback
from graphnet.training.checkpoints import Checkpoints
from graphnet.training.config import TrainingConfig
from graphnet.training.guards import guarded
from graphnet.training.object_kinds import CONTAINERS, attributes_of, pair
from graphnet.training.object_reader import ObjectReader
from graphnet.training.object_writer import ObjectWriter

#: Attributes that every layer has, which a pass or a run sets.
OF_LAYERS = frozenset({"store", "_delta", "_phase", "_runner", "_last_forward", "_steps", "_constructed"})
#: Values that are replaced, never changed in place.
PLAIN = (str, int, float, bool, type(None))
#: Objects of a configuration that may have a state.
OF_CONFIG = ("optimizer", "regularizer", "weights_initializer", "bias_initializer")


class RunObjects:
    """Reads and sets the state of the objects of a run.

    Parameters
    ----------
    graph : Graph
    config : TrainingConfig
    callbacks : sequence of Callback
        Those that are Checkpoints are left out.
    """

    def __init__(self, graph: Graph, config: TrainingConfig, callbacks: Sequence[Callback]) -> None:
        paths: dict[int, tuple[str, Any]] = {}
        for path, layer in graph.walk():
            paths.setdefault(id(layer), (path, layer))
        self.layers = dict(paths.values())
        #: The configuration of each primitive layer before training, which the model file has.
        self._fields = {p: _fields(layer) for p, layer in self.layers.items() if subgraph(layer) is None}
        self.config = dict(_of_config(config))
        self._written: dict[str, tuple[list[Any] | None, Any]] = {}
        self._unchanged: dict[str, tuple[Any, ...]] = {}
        self.callbacks = dict(_numbered([c for c in callbacks if not isinstance(c, Checkpoints)]))

    # ------------------------------------------------------------------ reading
    def written(self, writer: ObjectWriter) -> dict[str, Any]:
        """The state of all objects, as JSON.

        Raises
        ------
        ConfigError
            If one cannot be kept; the message names the object and the attribute.
        """
        callbacks = {}
        for name, callback in self.callbacks.items():
            with guarded("callback", callback, "state"):
                state = writer.object(callback, f"callback {name}")
            if state.get("state", state.get("attributes")) not in ({}, {"dict": {}}, None):
                callbacks[name] = state
        return {
            "callbacks": callbacks,
            "config": {name: self._of_config(writer, name, thing) for name, thing in self.config.items()},
            "deltas": {path: layer.delta for path, layer in self.layers.items() if layer.delta != 1.0},
            "layers": {p: kept for p, before in self._fields.items() if (kept := self._layer(writer, p, before))},
        }

    def _of_config(self, writer: ObjectWriter, name: str, thing: Any) -> Any:
        """An object of the configuration; one that has the same plain attributes as before is not read again."""
        values = _plain_values(thing)
        before, written = self._written.get(name, (None, None))
        if values is None or before is None or len(before) != len(values) or any(map(is_not, before, values)):
            own = ObjectWriter(calling=writer.calling)
            written = own.object(thing, name)
            writer.arrays.update(own.arrays)
            self._written[name] = values, written
        return written

    def _layer(self, writer: ObjectWriter, path: str, before: Mapping[str, Any]) -> dict[str, Any]:
        """What a layer keeps: attributes that are not its configuration, and configuration that has changed."""
        layer = self.layers[path]
        attributes = vars(layer)
        count, names, values = self._unchanged.get(path, (0, None, ()))
        if count == len(attributes) and all(map(is_, names(attributes), values)):
            return {}
        if pair(layer):
            return dict(writer.object(layer, f"layer {path}"))
        same = {name for name, value in vars(layer).items() if name in OF_LAYERS or before.get(name, layer) is value}
        if len(same) == len(attributes):
            own = [*(same - OF_LAYERS), "store", "_delta"]
            self._unchanged[path] = len(attributes), itemgetter(*own), itemgetter(*own)(attributes)
            return {}
        kept = writer.attributes(layer, f"layer {path}", without=same)
        return {"attributes": kept} if kept else {}

    # ------------------------------------------------------------------ restoring
    def missing(self, written: Mapping[str, Any]) -> list[str]:
        """The callbacks whose state was kept, and which are not part of this run."""
        return [name for name in written["callbacks"] if name not in self.callbacks]

    def restore(self, written: Mapping[str, Any], reader: ObjectReader) -> None:
        """Put the states back, in the order in which they were read."""
        for name, state in written["callbacks"].items():
            if name in self.callbacks:
                with guarded("callback", self.callbacks[name], "load_state"):
                    reader.object(state, self.callbacks[name], f"callback {name}")
        for name, thing in self.config.items():
            if name in written["config"]:
                ObjectReader(reader.arrays).object(written["config"][name], thing, name)
        for path, layer in self.layers.items():
            if layer.delta != written["deltas"].get(path, 1.0):
                layer.delta = written["deltas"].get(path, 1.0)
            kept = written["layers"].get(path)
            if kept is not None:
                where = f"layer {path}"
                if "state" in kept:
                    reader.object(kept, layer, where)
                else:
                    reader.attributes(kept["attributes"], layer, where)


def _fields(layer: Any) -> dict[str, Any]:
    """The configuration of a layer, without values that can change in place."""
    fields = {field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)}
    return {name: value for name, value in fields.items() if isinstance(value, PLAIN)}


def _plain_values(thing: Any) -> list[Any] | None:
    """The attributes of an object, in their order, if all are immutable or empty; None otherwise."""
    if pair(thing):
        return None
    values = [None if type(value) in CONTAINERS and not value else value for _, value in attributes_of(thing)]
    return values if all(isinstance(value, PLAIN) for value in values) else None


def _of_config(config: TrainingConfig) -> Iterator[tuple[str, Any]]:
    """The objects of a configuration by name."""
    for name in OF_CONFIG:
        if getattr(config, name) is not None:
            yield name, getattr(config, name)
    losses = {"": config.loss} if isinstance(config.loss, Loss) else config.loss
    yield from ((f"loss {name}".strip(), loss) for name, loss in losses.items())
    yield from ((f"metric {metric.name}", metric) for metric in config.metrics)


def _numbered(callbacks: Sequence[Callback]) -> Iterator[tuple[str, Callback]]:
    """Callbacks by class, and number where there are several of one class: their order does not matter otherwise."""
    count: Counter[str] = Counter()
    for callback in callbacks:
        name = type(callback).__qualname__
        count[name] += 1
        yield (name if count[name] == 1 else f"{name} {count[name]}"), callback
