"""``graphnet.report``: a model or a run as one file of HTML."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from graphnet.core.arguments import explained
from graphnet.core.checks import integer
from graphnet.core.describe.graph import Graph
from graphnet.core.errors import ConfigError
from graphnet.inspect.drawing import draw
from graphnet.inspect.summary import summary
from graphnet.io import atomic
from graphnet.io.json_files import json_object
from graphnet.io.model_folder import VERSIONS
from graphnet.io.run_folder import SUMMARY
from graphnet.io.run_history import read_history
from graphnet.io.versions import versions
from graphnet.metrics import ConfusionMatrix
from graphnet.models.loading import load
from graphnet.models.model import Model
from graphnet.models.pages.compared import compared_data
from graphnet.models.pages.details import class_data, node_data
from graphnet.models.pages.equation_data import equation_data
from graphnet.models.pages.facts import (
    compiler_data,
    confusion_data,
    cost_data,
    curve_data,
    environment_data,
    test_data,
    training_data,
)
from graphnet.models.pages.graphs import graph_data
from graphnet.models.pages.html import page
from graphnet.models.pages.own_data import own_data
from graphnet.models.pages.recorded import record_data
from graphnet.models.pages.work_data import work_data
from graphnet.models.pages.worst import MOST, worst_data
from graphnet.models.train_file import tested
from graphnet.training.config import TrainingConfig
from graphnet.training.history import History


@explained
def report(
    target: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    history: History | None = None,
    confusion: ConfusionMatrix | bool | None = None,
    example: Any = None,
    worst: int = 0,
    data: tuple[Any, Any] | None = None,
    measure: bool = True,
    batch: int = 8,
    steps: int = 20,
    force: bool = False,
) -> str:
    """Return a page of HTML that shows a model or a run; write it to a file if ``path`` is given.

    The page is one file, without a server: it loads nothing, and a content security policy forbids it to. It shows the
    graph, opened at a click down to each gate; of each node the docstring, the distribution, settings, weights, and, if
    measured, time and bytes; curves, versions, and what the compiler did.

    Parameters
    ----------
    target : Model, Graph, Runner, composite layer, History, or path of a run, a saved model or a model file
        A History alone is a page of its curves. A list of runs, Models or Histories: the page of the first one, with
        the curves of all over each other, and a table of the settings in which they differ.
    path : path, optional
    history : History, optional
        Default: that of the run, or of the model since its last training.
    confusion : ConfusionMatrix or bool, optional
        As :meth:`graphnet.Model.confusion_matrix` returns it. By default, and if ``measure``, that of a run of classes
        on the first 5,000 examples of its test split; False: none.
    example : array or mapping of input name to array, optional
        A batch, of which the first row is run: the page then shows what each node computes over time, and the norm of
        the gradient of the summed outputs at each step. These values are in the page, so mind whose data they are.
        Without it, and if ``measure``, an example of the test split of a run is used; then the page has the norms, and
        the share of each gate's values that are saturated, but no values.
    worst : int
        How many of the examples with the largest loss are shown, at most 50, with their inputs and labels: these are in
        the page as well.
    data : (inputs, targets), optional
        The examples from which ``worst`` chooses, as in :meth:`graphnet.Model.evaluate`. Default: the test split of
        the run's data.
    measure : bool
        Whether the graph is profiled and compiled, with random inputs; a few seconds.
    batch, steps : int
        The sizes for that, where the inputs leave them open.
    force : bool
        Whether an existing file is replaced.

    Raises
    ------
    ConfigError
        If ``target`` is none of these.
    FileError
        If ``path`` exists, or something cannot be read or written.
    GraphError, ShapeError
        If the graph cannot be compiled, or the example does not fit.
    PluginError
        If graphlay, which places the nodes, is not installed.
    """
    sizes = integer("report", "batch", batch, 1), integer("report", "steps", steps, 1)
    if path is not None:
        atomic.refuse_existing(Path(path), force=force)
    worst = min(integer("report", "worst", worst, 0), MOST)
    content: dict[str, Any] = {}
    compared = list(target) if isinstance(target, (list, tuple)) else []
    target = compared[0] if compared else target
    source = target
    if isinstance(target, (str, os.PathLike)):
        content, history, target = _run_data(Path(target), history)
    if isinstance(target, History):
        history, graph = target, None
    else:
        graph = _graph(target)
    content.setdefault("environment", environment_data(versions()))
    if graph is not None:
        content = _model_data(graph, measure, *sizes) | _training(target) | content
        if example is not None:
            content |= {"recorded": record_data(graph, example), "recorded_of": "the example"}
        if measure and isinstance(source, (str, os.PathLike)) and os.path.isdir(source):
            content |= own_data(source, recorded=example is None, confusion=confusion is None)
    history = getattr(target, "history", None) if history is None else history
    if isinstance(history, History):
        content["history"] = curve_data(history)
    if len(compared) > 1:
        content["compared"] = compared_data(compared)
    if worst:
        content["worst"] = _worst_data(source, target, data, worst)
    if confusion is not None and confusion is not False:
        content["confusion"] = confusion_data(confusion)
    text = page(content, "history" if graph is None else graph.name)
    if path is not None:
        atomic.write(Path(path), text.encode())
    return text


def _worst_data(source: Any, model: Any, data: tuple[Any, Any] | None, count: int) -> dict[str, Any]:
    """The worst examples of the given data, or of the run's."""
    if not isinstance(model, Model):
        raise ConfigError("there is no loss", where="report, worst", expected="a Model or the folder of a run")
    if data is None:
        if model is source or not os.path.isdir(source):
            raise ConfigError(
                "there are no examples to choose from",
                where="report, worst",
                expected="the folder of a run with data, or the argument data",
                remedy="report(model, worst=5, data=(inputs, targets)).",
            )
        model, dataset = tested(source, None)
        data = dataset.test.inputs, dataset.test.targets
    if not isinstance(data, tuple) or len(data) != 2:
        raise ConfigError("not a pair", where="report, data", expected="(inputs, targets)", received=repr(data)[:80])
    inputs, targets = data
    return worst_data(model, inputs, targets, count)


def _run_data(path: Path, history: History | None) -> tuple[dict[str, Any], History | None, Any]:
    """What the folder of a run says about itself, its history, and its model."""
    model = load(path)
    if not path.is_dir():
        return {}, history, model
    data: dict[str, Any] = {}
    found = json_object(path / VERSIONS)
    if found is not None:
        data["environment"] = environment_data(found)
    results = test_data(json_object(path / SUMMARY))
    if results:
        data["test"] = results
    return data, read_history(path) if history is None else history, model


def _graph(target: Any) -> Graph:
    graph = getattr(target, "graph", target)
    if isinstance(graph, Graph):
        return graph
    raise ConfigError(
        "there is nothing to report on",
        where="report",
        expected="a Model, a Graph, a Runner, a layer made of layers, a History, or the path of a run or a model",
        received=repr(target)[:200],
    )


def _training(target: Any) -> dict[str, Any]:
    """The settings of a model's training, if it has any."""
    config = getattr(target, "config", None)
    return {"training": training_data(config)} if isinstance(config, TrainingConfig) else {}


def _model_data(graph: Graph, measure: bool, batch: int, steps: int) -> dict[str, Any]:
    drawing = draw(summary(graph))
    data: dict[str, Any] = {
        "graphs": graph_data(drawing),
        "classes": class_data(drawing),
        "nodes": node_data(drawing),
        "equations": equation_data(graph),
        "work": work_data(graph, steps),
    }
    if measure:
        data |= {"costs": cost_data(graph, batch, steps), "compiler": compiler_data(graph, batch, steps)}
    return data
