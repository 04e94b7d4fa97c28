"""Model files: exact round trips, and every way in which a file can be wrong."""

import types
from pathlib import Path

import numpy as np
import pytest
from helpers.random_models import WIDTH, Drawn, Halves, Tanh, recipe

from graphnet import (
    Builder,
    Cell,
    Composite,
    ConfigError,
    FileError,
    FullyConnected,
    Graph,
    GraphError,
    GraphnetError,
    Last,
    Layer,
    LayerNormalization,
    PluginError,
    Reshape,
    Runner,
    Scan,
    ShapeError,
    Split,
    TrainingConfig,
    UnknownNameError,
)
from graphnet.authoring import Subgraph
from graphnet.io import model_text, parse_model, read_model, write_model
from graphnet.losses import CrossEntropy, MeanSquaredError
from graphnet.metrics import Accuracy
from graphnet.optimizers import Adam, SgdWithMomentum
from graphnet.plugins import PluginManager, hookimpl, using
from graphnet.regularizers import L2_Regularizer


class Twice(Composite):
    """One dense layer, two times."""

    size: int

    def build(self):
        g = Builder("twice")
        dense = FullyConnected(self.size, self.size)
        return g.build(dense(dense(g.input("x"), name="a"), name="b"))


class Optional(Layer):
    """x, or x + y."""

    scale: float = 1.0

    def apply(self, x, y=None):
        return (x if y is None else x + y) * self.scale, y is None

    def pull(self, alone, error):
        return (error * self.scale, None if alone else error * self.scale)


@pytest.fixture(scope="module")
def loaded():
    """Only graphnet's own layers, and those of these tests."""

    @hookimpl
    def graphnet_register_layers(register):
        for layer in (Tanh, Halves, Twice, Optional):
            register(layer)

    module = types.ModuleType("test_plugin")
    module.graphnet_register_layers = graphnet_register_layers
    manager = PluginManager()
    manager.load(allow=())
    assert manager.register(module, name="tests", distribution="graphnet-tests", version="1.2.3").status == "loaded"
    return manager


@pytest.fixture(autouse=True)
def plugins(loaded):
    with using(loaded.copy()) as manager:
        yield manager


def there_and_back(graph, training=None):
    text = model_text(graph, training)
    found = parse_model(text)
    assert found.graph == graph
    assert found.training == training
    assert model_text(found.graph, found.training) == text
    return found


@pytest.mark.parametrize("number", range(30))
def test_random_graph_round_trip(number):
    rng = np.random.default_rng(number)
    builder = Builder("random")
    values = Drawn(rng).run(recipe(rng, depth=2), [builder.input("x", f"time, batch, feature={WIDTH}")])
    graph = builder.build(last=values[-1], other=values[len(values) // 2])
    found = there_and_back(graph).graph
    # Equal graphs with equal weights compute equal numbers.
    first, second = Runner(graph), Runner(found)
    assert list(first.parameters) == list(second.parameters)
    for name, parameter in first.parameters.items():
        second.parameters[name].value = parameter.value
    x = rng.normal(size=(4, 2, WIDTH))
    for a, b in zip(first.forward({"x": x}).values(), second.forward({"x": x}).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def shared_everywhere():
    """Layers shared between a node, a nested graph, a cell and a composite's inside."""
    g = Builder("shared")
    x = g.input("x", "time, batch, feature=3")
    twice = Twice(3)
    inner = twice.graph.nodes["a"].layer
    a = twice(x, name="first")
    nest = Builder("anything")
    nested = Subgraph(nest.build(inner(nest.input("u"), name="deep")))
    b = nested(a, name="nest")
    c = Cell("cell", sequences="x", states={"h": 3})
    h = Tanh()(inner(c.h + c.x, name="again"))
    s = Scan(c.build(output=h, h=h), reverse=True, bptt_length=4)(b, name="scan")
    return g.build(y=twice(nested(s, name="nest_2"), name="last"), h=s["h"])


def test_shared_layers_round_trip():
    graph = shared_everywhere()
    text = model_text(graph)
    assert text.count("shares:") == 4
    found = there_and_back(graph).graph
    assert list(found.layers()) == list(graph.layers()) == ["first/a", "scan/add", "scan/again_tanh"]


def test_graph_without_sharing_is_not_equal():
    def two(layers):
        g = Builder("m")
        return g.build(layers[1](layers[0](g.input("x", "batch, feature=2"), name="a"), name="b"))

    one = FullyConnected(2, 2)
    shared, apart = two([one, one]), two([FullyConnected(2, 2), FullyConnected(2, 2)])
    assert shared != apart
    there_and_back(shared)
    there_and_back(apart)


def test_ports_and_input_kinds_round_trip():
    g = Builder("m")
    x, y = g.input("x", "batch, feature=4"), g.input("y", optional=True)
    tokens = g.input("tokens", "batch", integer=True)
    first, second = Split((1, 3))(x)
    out = Optional(0.5)(second, y, name="with_y")
    graph = g.build(a=first, b=Optional()(out, None, name="without"), c=Reshape((3, 1))(out), t=tokens)
    assert there_and_back(graph).graph.inputs["tokens"].integer


def test_training_config_round_trip():
    config = TrainingConfig(
        loss=CrossEntropy(label_smoothing=0.1),
        optimizer=Adam(0.003, 0.8, 0.99),
        regularizer=L2_Regularizer(0.001),
        metrics=(Accuracy(),),
        epochs=7,
        clip_norm=2,
        schedule="cosine",
    )
    found = there_and_back(shared_everywhere(), config)
    assert found.training.optimizer.mu == 0.8
    several = TrainingConfig(
        loss={"y": MeanSquaredError("sum"), "h": MeanSquaredError()}, optimizer=SgdWithMomentum(0.1, 0.9)
    )
    assert there_and_back(shared_everywhere(), several).training.loss["y"] == MeanSquaredError("sum")


def test_file_names_required_plugins(tmp_path):
    path = tmp_path / "model.yaml"
    write_model(path, shared_everywhere())
    found = read_model(path)
    assert found.plugins == {"graphnet-framework": ">=0.1", "graphnet-tests": ">=1.2"}
    assert found.path == path
    assert [p.name for p in tmp_path.iterdir()] == ["model.yaml"]


# ---------------------------------------------------------------------- what can be wrong
GOOD = """\
format: graphnet/1
name: m
plugins: {graphnet: '>=0.1'}
inputs:
  x: batch, feature=4
nodes:
  dense:
    layer: FullyConnected
    with: {input_size: 4, output_size: 3}
    inputs: x
  tanh: {layer: Tanh, inputs: dense}
outputs:
  y: tanh
training:
  epochs: 3
  optimizer: {Adam: {learning_rate: 0.01}}
"""


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("graphnet/1", "graphnet/9", FileError, r"m.yaml:1: format: unknown format; expected graphnet/1"),
        ("name: m", "nmae: m", ConfigError, r"m.yaml:2: nmae: unknown key 'nmae'.*Did you mean 'name'\?"),
        ("'>=0.1'", "'>=99'", PluginError, r"m.yaml:3: plugins.graphnet: .*another version.*expected >=99, received"),
        ("'>=0.1'", "latest", ConfigError, r"m.yaml:3: plugins.graphnet: wrong value; expected a version requirement"),
        (
            "{graphnet: '>=0.1'}",
            "{graphnet-rnn: '>=2'}",
            PluginError,
            r"m.yaml:3: plugins.graphnet-rnn: .*needs graphnet-rnn >=2, which is not installed.*pip install --no-index --find-links FOLDER 'graphnet-rnn>=2'",
        ),
        ("batch, feature=4", "batch, feature=", ShapeError, r"m.yaml:5: inputs.x: not an axis"),
        ("batch, feature=4", "[batch, 4]", ConfigError, r"m.yaml:5: inputs.x: wrong value; expected a mapping"),
        ("layer: FullyConnected", "layer: FullyConected", UnknownNameError, r"m.yaml:8: nodes.dense.layer: unknown layer "
         r"'FullyConected'. Did you mean 'FullyConnected' \(graphnet-framework \d"),
        ("layer: Tanh", "layer: os.system", UnknownNameError, r"m.yaml:11: nodes.tanh.layer: unknown layer 'os.system'"),
        ("output_size: 3", "output_size: three", ConfigError, r"m.yaml:9: nodes.dense.with.output_size: wrong value; "
         r"expected an integer, received 'three' \(str\)"),
        ("output_size: 3", "output_size: 3.0", ConfigError, r"output_size: wrong value; expected an integer"),
        ("output_size: 3", "output_size: true", ConfigError, r"output_size: wrong value; expected an integer"),
        ("output_size: 3", "output_size: 0", ConfigError, r"m.yaml:9: nodes.dense.with.output_size: .*out of range"),
        ("output_size: 3", "outputsize: 3", ConfigError, r"m.yaml:9: nodes.dense.with.outputsize: layer FullyConnected "
         r"has no field 'outputsize'.*Did you mean 'output_size'"),
        (", output_size: 3", "", ConfigError, r"m.yaml:9: nodes.dense.with: layer FullyConnected needs output_size"),
        ("input_size: 4", "input_size: 5", ShapeError, r"m.yaml:7: nodes.dense: dense: .*feature=5\), received \(batch, feature=4"),
        ("inputs: x", "inputs: z", GraphError, r"m.yaml:7: nodes.dense: .*reads 'z', which does not exist"),
        ("inputs: x", "inputs: [x, x]", GraphError, r"m.yaml:7: nodes.dense: .*wrong number of inputs"),
        ("inputs: x", "inputs: tanh", GraphError, r"has a cycle: (dense -> tanh -> dense|tanh -> dense -> tanh)"),
        ("inputs: x\n", "inputs: {y: x}\n", ConfigError, r"m.yaml:10: nodes.dense.inputs.y: unknown key 'y'; expected x"),
        ("y: tanh", "y: tanh.more", GraphError, r"m.yaml:13: outputs.y: .*has no output 'more'"),
        ("  y: tanh\n", "  {}\n", GraphError, r"the graph has no output"),
        ("layer: Tanh, ", "", ConfigError, r"m.yaml:11: nodes.tanh: .*exactly one of layer, shares, graph, scan"),
        ("layer: Tanh", "shares: dnse", GraphError, r"m.yaml:11: .*shares the layer of 'dnse'.*Did you mean 'dense'\?"),
        ("epochs: 3", "epochs: 0", ConfigError, r"m.yaml:15: training.epochs: .*epochs"),
        ("epochs: 3", "epoch: 3", ConfigError, r"m.yaml:15: training.epoch: training has no field.*Did you mean 'epochs'"),
        ("Adam:", "Adamm:", UnknownNameError, r"m.yaml:16: training.optimizer: unknown optimizer 'Adamm'. Did you mean 'Adam'"),
        ("0.01}", "fast}", ConfigError, r"m.yaml:16: training.optimizer.Adam.learning_rate: wrong value; expected a number"),
        ("0.01}", "-1}", ConfigError, r"m.yaml:16: training.optimizer.Adam.learning_rate: Adam"),
        ("name: m\n", "name: m\nname: n\n", FileError, r"m.yaml:3: duplicate key 'name'"),
        ("name: m", "name: !!python/name:os.system x", FileError, r"m.yaml:2: the tag .* is not plain data"),
        ("name: m", "name: &a m", None, None),
        ("y: tanh", "y: tanh\n  z: *a", FileError, r"m.yaml:14: (aliases are not|not valid YAML)"),
        ("nodes:", "nodes: [", FileError, r"m.yaml:\d+: not valid YAML"),
        (GOOD, "", FileError, "m.yaml: the file is empty"),
        (GOOD, "- 1", ConfigError, r"m.yaml:1: wrong value; expected a mapping, received a list of 1"),
    ],
)  # fmt: skip
def test_invalid_file_error_has_place(tmp_path, old, new, error, message):
    assert old in GOOD
    path = tmp_path / "m.yaml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    if error is None:
        assert isinstance(read_model(path).graph, Graph)
        return
    with pytest.raises(error, match=message) as caught:
        read_model(path)
    assert isinstance(caught.value, GraphnetError)


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"nowhere.yaml: cannot be read.*no such file"):
        read_model(tmp_path / "nowhere.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not UTF-8 text"):
        read_model(tmp_path / "bytes.yaml")


def test_exponent_without_dot_is_a_number():
    found = parse_model(GOOD.replace("0.01}", "1e-3}"))
    assert found.training.optimizer.learning_rate == 0.001


def test_ambiguous_layer_name_is_qualified(plugins):
    other = types.ModuleType("other")
    other.graphnet_register_layers = hookimpl(lambda register: register(type("Tanh", (Tanh,), {})))
    other.graphnet_register_layers.__name__ = "graphnet_register_layers"
    assert plugins.register(other, name="other", distribution="graphnet-other", version="1.0").status == "loaded"
    with pytest.raises(
        PluginError, match=r"registered by graphnet-tests 1.2.3 and graphnet-other 1.0.*graphnet-other/Tanh"
    ):
        parse_model(GOOD)
    found = parse_model(GOOD.replace("layer: Tanh", "layer: graphnet-tests/Tanh"))
    assert type(found.graph.nodes["tanh"].layer) is Tanh
    assert "graphnet-tests/Tanh" in model_text(found.graph)


def test_unregistered_class_is_not_written():
    class Private(Tanh):
        """Nobody's."""

    g = Builder("m")
    with pytest.raises(PluginError, match=r"Private is not registered.*graphnet_register_layers"):
        model_text(g.build(Private()(g.input("x"))))


def test_failed_write_leaves_no_file(tmp_path):
    path = tmp_path / "model.yaml"
    write_model(path, shared_everywhere())
    before = path.read_text(encoding="utf-8")
    g = Builder("m")
    with pytest.raises(PluginError):
        write_model(path, g.build(type("Nobody", (Tanh,), {})()(g.input("x"))))
    assert path.read_text(encoding="utf-8") == before
    with pytest.raises(FileError, match="cannot be written"):
        write_model(tmp_path / "no" / "folder.yaml", shared_everywhere())
    assert [p.name for p in tmp_path.iterdir()] == ["model.yaml"]


def test_documented_example_is_read():
    """docs/models.md shows a file; its blocks in YAML are read here."""
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    text = page.split("```yaml\n")[1].split("```")[0]
    pytest.importorskip("graphnet_recurrent")
    manager = PluginManager()
    manager.load(allow=None)
    with using(manager):
        assert list(parse_model(text).graph.nodes) == ["scaled", "lstm", "last", "scores"]


def test_default_fields_are_not_written():
    g = Builder("m")
    text = model_text(g.build(Last()(LayerNormalization(3)(g.input("x", "time, batch, feature=3")))))
    assert "with: {size: 3}" in text
    assert "epsilon" not in text
