"""Curves, costs, the compiler's notes and the environment, as data for a page."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError, GraphnetError
from graphnet.inspect.explain import explain
from graphnet.inspect.profile import profile
from graphnet.metrics import ConfusionMatrix
from graphnet.training.config import TrainingConfig
from graphnet.training.history import HELD_OUT, History, ending

#: What is left out of curves; and the fields of the environment that a page shows.
NO_CURVES = ("epoch", "best", "examples", "seconds", "skipped_batches")
#: The most points of a curve.
POINTS = 1000
#: The settings that may name files.
WITH_PATHS = ("data", "save_bad_batch")
#: A path in a text: of these only the last part is shown.
PATH = re.compile(r"(?<![\w.)])(?:[A-Za-z]:)?(?:[\\/~][^\s\\/'\",;:]+)+[\\/]?")


def curve_data(history: History) -> dict[str, Any]:
    """The figures of a history by name: training and held-out values under one name.

    Of more than 1,000 epochs, a curve has the least and the greatest value of each stretch, in their order.
    """
    figures = history.to_dict()
    curves: dict[str, dict[str, list[float | None]]] = {}
    for name, values in figures.items():
        if name not in NO_CURVES:
            kind = "validation" if name.startswith(HELD_OUT) else "training"
            curves.setdefault(name.removeprefix(HELD_OUT), {})[kind] = thinned([_finite(value) for value in values])
    words = ending(history) if history.epochs else "no epoch was completed"
    return {"epochs": len(history), "best": history.best_epoch, "ending": words, "curves": curves}


def thinned(values: Sequence[float | None]) -> list[float | None]:
    """At most 1,000 points of a curve: of each stretch the least and the greatest value, and a gap if it has one.

    Examples
    --------
    >>> thinned([1.0, None])
    [1.0, None]
    >>> curve = thinned([float(i % 7) for i in range(10_000)])
    >>> len(curve), curve[:4]
    (1000, [0.0, 6.0, 0.0, 6.0])
    """
    if len(values) <= POINTS:
        return list(values)
    ends = np.linspace(0, len(values), POINTS // 2 + 1).astype(int)
    points: list[float | None] = []
    for first, last in itertools.pairwise(ends):
        stretch = values[first:last]
        present = [(value, i) for i, value in enumerate(stretch) if value is not None]
        if not present:
            points += [None, None]
            continue
        ordered = sorted((min(present), max(present)), key=lambda pair: pair[1])
        points += [ordered[0][0], ordered[1][0] if len(present) == len(stretch) else None]
    return points


def _finite(value: Any) -> float | None:
    return float(f"{value:.6g}") if isinstance(value, (int, float)) and math.isfinite(value) else None


def cost_data(graph: Graph, batch: int, steps: int) -> dict[str, Any]:
    """The time and the bytes of each node, by path; or the reason why there are none."""
    try:
        found = profile(graph, batch=batch, steps=steps, repeat=3)
    except GraphnetError as error:
        return {"missing": cleaned(str(error))}
    nodes = {}
    for cost in found.costs:
        times = _finite(cost.forward * 1e3), _finite(cost.backward * 1e3)
        nodes[cost.path] = [*times, cost.calls, cost.output_bytes, cost.saved_bytes]
    compiled = [_finite(found.compiled_forward * 1e3), _finite(found.compiled_backward * 1e3)]
    parts = [[p.path, list(p.nodes), _finite(p.forward * 1e3), _finite(p.backward * 1e3)] for p in found.parts]
    return {"setting": found.setting, "nodes": nodes, "compiled": compiled, "parts": parts}


def compiler_data(graph: Graph, batch: int, steps: int) -> dict[str, Any]:
    """What the compiler did with each part of a graph; or the reason why that is not known."""
    try:
        found = explain(graph, batch=batch, steps=steps)
    except GraphnetError as error:
        return {"missing": cleaned(str(error))}
    parts = []
    for part in found.parts:
        head, *lines = part.lines()
        kept = [line.strip() for line in lines if not line.startswith("      ")]  # without the single calls
        parts.append(
            {
                "path": part.path,
                "nodes": list(part.nodes),
                "head": head,
                "lines": [cleaned(line) for line in kept],
                "madds": part.loop + part.outside,
            }
        )
    return {"setting": found.setting, "parts": parts}


def confusion_data(confusion: Any) -> dict[str, Any]:
    """The names of the classes and the counts, of at most 60 classes.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    if not isinstance(confusion, ConfusionMatrix):
        raise ConfigError(
            "not a confusion matrix",
            where="report",
            expected="what Model.confusion_matrix returns",
            received=repr(confusion)[:200],
        )
    counts = np.asarray(confusion.counts)[:60, :60]
    return {"classes": [str(name) for name in confusion.classes[: len(counts)]], "counts": counts.tolist()}


def environment_data(versions: Mapping[str, Any]) -> list[list[str]]:
    """The versions of a run as rows of two texts: without host names, paths and command lines."""
    rows = [[name, versions.get(name)] for name in ("graphnet", "python", "platform", "backend", "threads")]
    for name, version in _mapping(versions.get("packages")).items():
        rows.append([str(name), version])
    plugins = versions.get("plugins")
    for plugin in plugins if isinstance(plugins, list) else []:
        entry = _mapping(plugin)
        state = "" if entry.get("status") == "loaded" else f" ({entry.get('status')})"
        rows.append([f"plugin {entry.get('name')}", f"{entry.get('distribution')} {entry.get('version')}{state}"])
    libraries = versions.get("blas")
    for library in libraries if isinstance(libraries, list) else []:
        entry = _mapping(library)
        fields = [entry.get(key) for key in ("internal_api", "version", "architecture")]
        rows.append([str(entry.get("user_api")), " ".join(str(field) for field in fields if field)])
    return [[cleaned(str(name))[:200], cleaned(str(value))[:200]] for name, value in rows if value is not None]


def test_data(summary: Mapping[str, Any] | None) -> list[list[Any]]:
    """The results on the test set, from the summary of a run."""
    results = _mapping((summary or {}).get("test"))
    return [[str(name), value] for name, value in results.items() if isinstance(value, (int, float))]


def training_data(config: TrainingConfig) -> list[list[Any]]:
    """The settings of a training run: name, value as text, and whether it differs from the default.

    Of the paths of data, callbacks and files only the last part is shown.
    """
    default, rows = TrainingConfig(), []
    for each in dataclasses.fields(config):
        value, usual = getattr(config, each.name), getattr(default, each.name)
        text = _repr(value if each.name not in WITH_PATHS else _without_folders(value))
        if each.name == "callbacks":
            text = re.sub(r"[^\s'\"=(,]*[\\\\/]", "", text)
        rows.append([each.name, cleaned(text)[:300], _repr(value) != _repr(usual)])
    return rows


def _repr(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_repr(each)}" for name, each in value.items()) or "none"
    return value if isinstance(value, str) else repr(value)


def _without_folders(value: Any) -> Any:
    if isinstance(value, str):
        return re.split(r"[\\/]", value.rstrip("\\/"))[-1]
    if isinstance(value, Mapping):
        return {name: _without_folders(each) for name, each in value.items()}
    return [_without_folders(each) for each in value] if isinstance(value, (list, tuple)) else value


def cleaned(text: str) -> str:
    """A text without folders: of a path, the last part.

    Examples
    --------
    >>> cleaned("no such file /home/ada/secret/data.npz, x/y")
    'no such file data.npz, x/y'
    """
    return PATH.sub(lambda found: re.split(r"[\\\\/]", found.group().rstrip("\\/"))[-1], text)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
