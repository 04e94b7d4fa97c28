"""Everything public can be pickled and copied: every name, and an object of every class."""

import copy
import importlib
import inspect
import io
import pickle
from functools import lru_cache
from pathlib import Path

import joblib
import numpy as np
import pytest

import graphnet
import graphnet_onnx
from graphnet import Builder, Cell, FullyConnected, TrainingConfig, concatenate, dense
from graphnet.plugins import manager
from graphnet_activations import relu
from graphnet_recurrent import LSTM, tanh

#: Public names that are modules, which pickle refuses, as it does everywhere.
MODULES = {"graphnet.io.atomic"}
#: Classes whose objects hold what only one process has, protocols, and functions of the user's.
WITHOUT = {
    "graphnet.Runner": "tested below",
    "graphnet.callbacks.TrainingRun": "a protocol",
    "graphnet.optimizers.RegularizerLike": "a protocol",
    "graphnet.plugins.Entry": "holds the object that is registered",
    "graphnet.plugins.Plugin": "holds a module",
    "graphnet_recurrent.RNNBase": "a base class",
    "graphnet_recurrent.RecurrentLayer": "a base class",
    "graphnet_onnx.TracedArray": "a value of a file that is being written",
    "graphnet.testing.Case": "may hold functions of the user's",
}


def found(name):
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


LINES = (Path(__file__).parent / "public_names.txt").read_text(encoding="utf-8").splitlines()
OBJECTS = {name: found(name) for name in LINES if not name.startswith("hook ")}
CLASSES = {thing: name for name, thing in reversed(OBJECTS.items()) if isinstance(thing, type)}


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def stored(value):
    file = io.BytesIO()
    joblib.dump(value, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {"pickle": pickled, "joblib": stored, "copy": copy.copy, "deepcopy": copy.deepcopy}


def graph():
    g = Builder()
    return g.build(y=relu(dense(tanh(dense(g.input("x", "batch, feature=3"), 4)), 2)))


def cell():
    c = Cell("plain", sequences="x", states={"h": 3})
    return c.build(h=tanh(dense(concatenate(c.x, c.h), 3)))


@lru_cache
def layers_of_cases():
    made = {}
    for entry in manager().registry.entries("cases"):
        for case in entry.object():
            made.setdefault(case.layer, case.layer(**case.config))
    return made


def arrays():
    return np.random.default_rng(3).normal(size=(5, 3))


def network():
    layers = graphnet.NeuralNetwork(
        graphnet.optimizers.Sgd(0.1), graphnet.initializers.Xavier(), graphnet.initializers.Xavier()
    )
    layers.append_layer(FullyConnected(3, 2))
    return layers


def epoch():
    return graphnet.training.EpochRecord(1, 0.5, {"accuracy": 0.75}, seconds=0.1)


def split():
    return graphnet.datasets.Split({"x": arrays()}, np.arange(5))


#: An object of each class that has required arguments and no conformance case.
MADE = {
    "graphnet.CellGraph": cell,
    "graphnet.Graph": graph,
    "graphnet.Model": lambda: graphnet.Model(
        graph(), TrainingConfig(loss=graphnet.losses.MeanSquaredError(), epochs=1)
    ),
    "graphnet.NeuralNetwork": network,
    "graphnet.Phase": lambda: graphnet.Phase.test,
    "graphnet.Scan": lambda: graphnet.Scan(cell()),
    "graphnet.Shape": lambda: graphnet.Shape(("batch", "feature"), (None, 3)),
    "graphnet.Subgraph": lambda: graphnet.Subgraph(graph()),
    "graphnet.Trainer": lambda: graphnet.Trainer(graph(), TrainingConfig(loss=graphnet.losses.MeanSquaredError())),
    "graphnet.Value": lambda: Builder().input("x", "batch, feature=3"),
    "graphnet.Weight": lambda: graphnet.Weight((3, 2)),
    "graphnet.authoring.Buffer": lambda: graphnet.authoring.Buffer((2,)),
    "graphnet.authoring.Node": lambda: next(iter(graph().nodes.values())),
    "graphnet.authoring.Operation": lambda: next(iter(graphnet.authoring.Operation)),
    "graphnet.authoring.Parameter": lambda: FullyConnected(3, 2).params["weights"],
    "graphnet.authoring.Ref": lambda: graphnet.authoring.Ref("x"),
    "graphnet.callbacks.TimeLimit": lambda: graphnet.callbacks.TimeLimit(60),
    "graphnet.datasets.Dataset": lambda: graphnet.datasets.Dataset("small", split(), split()),
    "graphnet.datasets.Piece": lambda: graphnet.datasets.Piece(arrays(), arrays()),
    "graphnet.datasets.Split": split,
    "graphnet.datasets.Stream": lambda: graphnet.datasets.Stream(arrays(), arrays(), batch=1),
    "graphnet.datasets.Windows": lambda: graphnet.datasets.windows(arrays(), 2),
    "graphnet.exercise.Finding": lambda: graphnet.exercise.Finding("RNN", "memory-not-reset", "The state is kept."),
    "graphnet.exercise.Report": lambda: graphnet.exercise.Report("2025", ["RNN"]),
    "graphnet.initializers.Constant": lambda: graphnet.initializers.Constant(0.5),
    "graphnet.io.ModelFile": lambda: graphnet.io.ModelFile(graph()),
    "graphnet.regularizers.L1_Regularizer": lambda: graphnet.regularizers.L1_Regularizer(0.1),
    "graphnet.regularizers.L2_Regularizer": lambda: graphnet.regularizers.L2_Regularizer(0.1),
    "graphnet.regularizers.Regularizer": lambda: graphnet.regularizers.Regularizer(0.1),
    "graphnet.schedules.CosineRestarts": lambda: graphnet.schedules.CosineRestarts(4),
    "graphnet.schedules.ExponentialDecay": lambda: graphnet.schedules.ExponentialDecay(0.9),
    "graphnet.schedules.Milestones": lambda: graphnet.schedules.Milestones((2, 5)),
    "graphnet.schedules.StepDecay": lambda: graphnet.schedules.StepDecay(3),
    "graphnet.schedules.Warmup": lambda: graphnet.schedules.Warmup(5),
    "graphnet.sweeps.Sweep": lambda: graphnet.sweeps.Sweep(
        "m.yaml", parameters={"training.batch_size": [1, 2]}, search="grid"
    ),
    "graphnet.sweeps.SweepResult": lambda: graphnet.sweeps.SweepResult(
        Path("s"), "loss", "minimize", 1, "finished", []
    ),
    "graphnet.sweeps.TrialResult": lambda: graphnet.sweeps.TrialResult(0, "finished", {"training.batch_size": 2}, 0.5),
    "graphnet_onnx.Report": lambda: graphnet_onnx.Report("m.onnx", (("dense", "FullyConnected"),), (), (), {"x": 0}),
    "graphnet.testing.Check": lambda: next(iter(graphnet.testing.CHECKS.values())),
    "graphnet.testing.Outcome": lambda: graphnet.testing.Outcome("ReLU()", "runs", "passed"),
    "graphnet.training.EpochRecord": epoch,
    "graphnet.training.History": lambda: graphnet.training.History([epoch()], 1),
    "graphnet.training.RateCurve": lambda: graphnet.training.RateCurve(
        np.geomspace(0.1, 1, 4), np.array([3.0, 2, 1, 5])
    ),
}


def made(kind):
    """An object of a public class."""
    name = CLASSES[kind]
    if name in MADE:
        return MADE[name]()
    if issubclass(kind, BaseException):
        return kind("no such node", where="node 'a'") if issubclass(kind, graphnet.GraphnetError) else kind("slow")
    cases = layers_of_cases() if issubclass(kind, graphnet.Layer) else {}
    return cases[kind] if kind in cases else kind()


def is_base(kind):
    """Whether a class is only derived from: it has no objects."""
    return inspect.isabstract(kind) or kind in (graphnet.Layer, graphnet.Composite) or CLASSES[kind] in WITHOUT


def test_public_names_are_found_by_pickle():
    for name in set(OBJECTS) - MODULES:
        copied = pickled(OBJECTS[name])
        assert copied is OBJECTS[name] or copied == OBJECTS[name] or type(copied).__name__ == "HookimplMarker", name


@pytest.mark.parametrize("name", sorted(name for kind, name in CLASSES.items() if not is_base(kind)))
def test_objects_of_public_classes_can_be_copied(name):
    original = made(OBJECTS[name])
    for copied in (make(original) for make in COPIES.values()):
        assert type(copied) is type(original)
        assert repr(copied).split(" at 0x")[0] == repr(original).split(" at 0x")[0]
        if isinstance(original, graphnet.Layer) and original.params:
            assert {key: each.value.tolist() for key, each in copied.params.items()} == {
                key: each.value.tolist() for key, each in original.params.items()
            }


@pytest.mark.parametrize("how", ["pickle", "joblib", "deepcopy"])
def test_a_copy_in_the_middle_of_training_goes_on_alike_and_apart(how):
    graphnet.seed(4)
    x = np.random.default_rng(5).normal(size=(6, 4, 3))
    layer = LSTM(3, 5, 2, learn_initial=True)
    layer.set_optimizer(graphnet.optimizers.Adam(0.1))

    def step(one):
        output = one.forward(x)
        one.backward(np.cos(output))
        return output

    step(layer)
    copied = COPIES[how](layer)
    before = copied.forward(x)
    first = [step(layer) for _ in range(3)]
    np.testing.assert_array_equal(copied.forward(x), before)
    np.testing.assert_array_equal([step(copied) for _ in range(3)], first)


@pytest.mark.parametrize("how", ["pickle", "joblib", "deepcopy"])
def test_copies_of_a_runner_and_a_trained_model_compute_the_same(how):
    x, y = arrays(), np.random.default_rng(6).normal(size=(5, 2))
    model = graphnet.Model(graph(), TrainingConfig(loss=graphnet.losses.MeanSquaredError(), epochs=2))
    model.fit(x, y)
    runner = graphnet.Runner(model.graph)
    outputs = runner.forward({"x": x})
    np.testing.assert_array_equal(COPIES[how](model).predict(x), model.predict(x))
    np.testing.assert_array_equal(COPIES[how](runner).forward({"x": x})["y"], outputs["y"])
    assert COPIES[how](model).history.epochs == model.history.epochs
