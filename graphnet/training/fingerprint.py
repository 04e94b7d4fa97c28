"""What must be equal when a run is resumed: model, settings, data, seed, dtype, backend and versions."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from graphnet.core.checks import is_python_int
from graphnet.core.describe.graph import Graph, subgraph
from graphnet.core.describe.node import Input
from graphnet.core.distribution import VERSION
from graphnet.core.errors import ConfigError, StateError, unknown
from graphnet.training.config import TrainingConfig

#: What ``allow`` may name, with what it is about.
NAMES = {
    "model": "the graph: its nodes, their configurations and connections",
    "settings": "the training configuration",
    "data": "the contents of the training or validation data",
    "seed": "the seed",
    "dtype": "the dtype of the data",
    "backend": "the backend",
    "versions": "versions of graphnet, Python, numpy or plugins",
    "callbacks": "callbacks whose state was kept",
    "schedule": "a learning rate whose past depends on the number of epochs",
}
#: Settings that are compared under other names, or may change.
ELSEWHERE = frozenset(
    {"data", "epochs", "seed", "dtype", "backend", "callbacks"}
    | {"checkpoint_epochs", "checkpoint_steps", "checkpoint_seconds", "keep_checkpoints"}
)


def fingerprint(graph: Graph, config: TrainingConfig, backend: str) -> dict[str, Any]:
    """Everything but the hash of the data, as JSON."""
    nodes = dict(_nodes(graph))
    return {
        "model": _hash(nodes),
        "nodes": nodes,
        "settings": {
            field.name: text(getattr(config, field.name))
            for field in dataclasses.fields(config)
            if field.name not in ELSEWHERE
        },
        "seed": int(config.seed),
        "dtype": config.dtype,
        "backend": backend,
        "versions": versions(graph, config, backend),
    }


def model_hash(graph: Graph) -> str:
    """SHA-256 of the nodes of a graph, their configurations and connections; sizes of its inputs do not count."""
    return _hash(dict(_nodes(graph)))


def _hash(nodes: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(nodes.items())).encode()).hexdigest()


def versions(graph: Graph, config: TrainingConfig, backend: str) -> dict[str, str]:
    """The versions of graphnet, Python and numpy, and of the plugins that the run uses."""
    from graphnet.plugins import manager

    things = [layer for _, layer in graph.walk()]
    things += [getattr(config, field.name) for field in dataclasses.fields(config)]
    packages = {type(thing).__module__.partition(".")[0] for thing in things} - {"graphnet", "builtins"}
    used = {"graphnet": VERSION, "python": platform.python_version(), "numpy": np.__version__}
    for plugin in manager().plugins:
        for entry in plugin.entries:
            package = str(getattr(entry.object, "__module__", "")).partition(".")[0]
            if package in packages or (entry.kind == "backends" and entry.name == backend):
                used[plugin.distribution] = plugin.version
    return used


def differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What differs: its name, the saved value, and the present one."""
    for name in ("model", "settings", "data", "seed", "dtype", "backend", "versions"):
        before, now = saved.get(name), current.get(name)
        if before == now or name not in current:
            continue
        if name == "model":
            before, now = saved.get("nodes", {}), current["nodes"]
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            yield name, *_differing(before, now)
        else:
            yield name, str(before), str(now)


def refuse(found: Iterable[tuple[str, str, str]], allow: Iterable[str]) -> None:
    """Raise a StateError that names the differences, unless they are allowed.

    Raises
    ------
    StateError
    """
    refused = [difference for difference in found if difference[0] not in allow]
    if not refused:
        return
    names = [name for name, _, _ in refused]
    raise StateError(
        f"the run cannot be continued: its {' and '.join(names)} differ{'s' if len(names) == 1 else ''}",
        where="resume",
        expected="; ".join(f"{name} {before}" for name, before, _ in refused),
        received="; ".join(f"{name} {now}" for name, _, now in refused),
        remedy=f"Restore what differs; or allow it, by {', '.join(map(repr, names))} in allow: the result is then "
        "not that of the run that was never stopped.",
    )


def checked_names(allow: Any) -> frozenset[str]:
    """The names in ``allow``: one of them, or several.

    Raises
    ------
    ConfigError, UnknownNameError
        If it is anything else.
    """
    names = (allow,) if isinstance(allow, str) else allow
    if not isinstance(names, Iterable):
        raise ConfigError("not names", where="resume, allow", expected=", ".join(NAMES), received=repr(allow))
    names = frozenset(names)
    for name in names:
        if name not in NAMES:
            raise unknown("difference", name, NAMES, where="resume, allow", error=ConfigError)
    return names


def text(value: Any) -> str:
    """A value of a configuration as text, independent of the process.

    Examples
    --------
    >>> from graphnet.initializers import Constant
    >>> text({"rule": Constant(0.5)})
    "{'rule': Constant(value=0.5)}"
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {text(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(text, value))})"
    if isinstance(value, np.ndarray):
        return f"array {hashlib.sha256(value.tobytes()).hexdigest()[:16]} {value.dtype} {value.shape}"
    if value is None or isinstance(value, (bool, str, float, np.generic)) or is_python_int(value):
        return repr(value)
    config = getattr(value, "config", None)
    fields = config() if callable(config) else getattr(value, "__dict__", {})
    plain = {name: item for name, item in fields.items() if not name.startswith("_")}
    if not isinstance(value, type) and plain:
        return f"{type(value).__qualname__}({', '.join(f'{name}={text(item)}' for name, item in plain.items())})"
    shown = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{shown}()" if re.search(r" at 0x[0-9a-f]+", repr(value)) else repr(value)


def _nodes(graph: Graph, path: str = "", first: dict[int, str] | None = None) -> Iterator[tuple[str, str]]:
    """Inputs, nodes and outputs by path as text, those of graphs inside layers included; sizes of inputs are open."""
    first = {} if first is None else first
    for name, declared in graph.inputs.items():
        yield f"{path}{name}", _input(declared)
    for node in graph.nodes.values():
        here = f"{path}{node.name}"
        inputs = ", ".join("nothing" if ref is None else str(ref) for ref in node.inputs)
        shared = first.setdefault(id(node.layer), here)
        layer = f"shares {shared}" if shared != here else _layer(node.layer)
        yield here, f"{layer} of {inputs}"
        inner = subgraph(node.layer)
        if inner is not None and shared == here:
            yield from _nodes(inner, f"{here}/", first)
    yield f"{path}*outputs", ", ".join(f"{name}: {ref}" for name, ref in graph.outputs.items())


def _input(declared: Input) -> str:
    names = None if declared.shape is None else declared.shape.names
    return f"input {names}{' integer' * declared.integer}{' optional' * declared.optional}"


def _layer(layer: Any) -> str:
    # Callbacks may freeze layers; what is frozen is not a property of the model.
    config = {name: value for name, value in layer.config().items() if name != "trainable"}
    fields = {name: value for name, value in config.items() if not _holds_graph(value)}
    return f"{type(layer).__qualname__}({', '.join(f'{name}={text(value)}' for name, value in fields.items())})"


def _holds_graph(value: Any) -> bool:
    return isinstance(value, Graph) or (isinstance(value, tuple) and any(map(_holds_graph, value)))


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, str]:
    """The entries that differ, the first few of them."""
    names = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)]
    shown = [", ".join(f"{name}: {part.get(name, 'nothing')}" for name in names[:3]) for part in (before, now)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown[0]}{more}", f"{shown[1]}{more}"
