"""Values in model files: by the annotated types of strangers' classes, and what YAML would misread."""

import random
import string
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest

from graphnet import (
    Builder,
    ConfigError,
    FileError,
    Flatten,
    GraphnetError,
    Layer,
    PluginError,
    RuleError,
    ShapeError,
    TrainingConfig,
)
from graphnet.initializers import He, Initializer
from graphnet.io import model_text, parse_model
from graphnet.losses import CrossEntropy
from graphnet.optimizers import Adam
from graphnet.plugins import PluginManager, hookimpl, using
from graphnet.plugins.versions import meets


class Same(Layer):
    """The input itself."""

    def apply(self, x):
        return x, None

    def pull(self, saved, error):
        return error


class Everything(Same):
    """A field of every type."""

    whole: int = 1
    broken: float = 1.0
    flag: bool = False
    text: str = ""
    maybe: int | None = 1
    either: int | str = 0
    number_or_text: float | str = 0.0
    choice: Literal[1, "a"] = 1
    pair: tuple[int, float] = (1, 2.0)
    many: tuple[int | tuple[int, int], ...] = ()
    listed: list[int] = field(default_factory=list)
    sequence: Sequence[float] = ()
    anything: tuple = ()
    mapping: dict[str, int] | None = None
    bare_mapping: Mapping = field(default_factory=dict)
    initializer: Initializer | None = None


class Half(Same):
    """Divides by a field while it is checked."""

    size: int

    def check(self):
        1 / self.size


class Sulky(Same):
    """Cannot tell its output's shape."""

    def infer(self, x):
        raise KeyError("shape")


class Plain:
    """An optimizer that is no dataclass and has no base."""

    def __init__(self, rate: float = 0.5, *, steps: int = 3):
        self.rate, self.steps = rate, steps

    def calculate_update(self, delta, weights, gradient):
        return weights - self.rate * gradient


@dataclass
class Ones(Initializer):
    """Ones, times a factor."""

    factor: float = 1.0

    def initialize(self, weights_shape, fan_in, fan_out):
        return np.full(weights_shape, self.factor)


@pytest.fixture(scope="module")
def loaded():
    module = types.ModuleType("test_plugin")

    @hookimpl
    def graphnet_register_layers(register):
        for layer in (Same, Everything, Half, Sulky):
            register(layer)

    @hookimpl
    def graphnet_register_optimizers(register):
        register(Plain)

    module.graphnet_register_layers = graphnet_register_layers
    module.graphnet_register_optimizers = graphnet_register_optimizers
    other = types.ModuleType("other_plugin")
    other.graphnet_register_initializers = hookimpl(lambda register: register(Ones))
    other.graphnet_register_initializers.__name__ = "graphnet_register_initializers"
    manager = PluginManager()
    manager.load(allow=())
    for plugin, name in ((module, "graphnet-tests"), (other, "graphnet-ones")):
        assert manager.register(plugin, name=name, version="1.2.3").status == "loaded"
    return manager


@pytest.fixture(autouse=True)
def plugins(loaded):
    with using(loaded.copy()):
        yield


def text(layer, config="{}", more="", shape="batch, feature=3"):
    return f"""format: graphnet/1
name: m
inputs: {{x: '{shape}'}}
nodes:
  n:
    layer: {layer}
    with: {config}
    inputs: x
outputs: {{y: n}}
{more}
"""


FITTING = [
    ("whole", "-7", -7), ("whole", "1_000", 1000),
    ("broken", "2", 2.0), ("broken", "1e-3", 0.001), ("broken", "1.5e3", 1500.0), ("broken", ".5e1", 5.0), ("broken", "-.inf", -np.inf),
    ("flag", "yes", True),
    ("text", "1e-3", "1e-3"), ("text", "'017'", "017"), ("text", "'yes'", "yes"), ("text", "'null'", "null"),
    ("text", "'2026-01-02'", "2026-01-02"), ("text", "'<<'", "<<"), ("text", '"a\\n\\tb: #é\\u2028"', "a\n\tb: #é\u2028"),
    ("maybe", "null", None), ("maybe", "3", 3),
    ("either", "3", 3), ("either", "'3'", "3"),
    ("number_or_text", "3", 3.0), ("number_or_text", "same", "same"),
    ("choice", "a", "a"),
    ("pair", "[2, 3]", (2, 3.0)),
    ("many", "[1, [2, 3]]", (1, (2, 3))), ("many", "[]", ()),
    ("listed", "[1, 2]", (1, 2)), ("sequence", "[1, 2.5]", (1.0, 2.5)), ("anything", "[1, a, [null]]", (1, "a", (None,))),
    ("mapping", "{a: 1}", {"a": 1}), ("mapping", "null", None), ("bare_mapping", "{a: b}", {"a": "b"}),
    ("initializer", "He", He()), ("initializer", "{Ones: {factor: 2}}", Ones(2.0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "expected"), FITTING)
def test_valid_value_round_trip(name, value, expected):
    graph = parse_model(text("Everything", f"{{{name}: {value}}}")).graph
    found = getattr(graph.nodes["n"].layer, name)
    assert type(found) is type(expected)
    assert found == expected
    again = parse_model(model_text(graph)).graph
    assert getattr(again.nodes["n"].layer, name) == expected
    assert model_text(again) == model_text(graph)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("whole", "true", "an integer, received True"), ("whole", "1.0", "an integer, received 1.0"),
        ("whole", "017", "a decimal number, or text in quotes, received '017'"), ("whole", "1:30", "a decimal number"),
        ("whole", "0x1F", "a decimal number"), ("whole", "9" * 5000, "a decimal number"), ("broken", "1:30.5", "a decimal number"),
        ("broken", "true", "a number, received True"), ("broken", "nan", "a number, received 'nan'"),
        ("broken", "9" * 400, "a number, received 9999"), ("broken", "'１'", "a number"), ("broken", "' 1'", "a number"),
        ("flag", "1", "true or false, received 1"), ("text", "3", "text, received 3"), ("text", "on", "text, received True"),
        ("maybe", "a", "an integer or null, received 'a'"), ("choice", "true", "1 or 'a', received True"),
        ("choice", "[1]", "1 or 'a', received a list of 1"), ("pair", "[1]", "a list of 2: an integer, a number"),
        ("many", "[[1, 2, 3]]", "a list of an integer or a list of 2"), ("listed", "[a]", "a list of an integer"),
        ("listed", "3", "a list of an integer, received 3"), ("mapping", "{a: b}", "a mapping to an integer or null"),
        ("initializer", "3", "the name of one of the initializers"),
    ],
)  # fmt: skip
def test_invalid_value_error_names_type(name, value, expected):
    with pytest.raises(ConfigError) as caught:
        parse_model(text("Everything", f"{{{name}: {value}}}"), "m.yaml")
    assert caught.value.where == f"m.yaml:7: nodes.n.with.{name}"
    assert f"expected {expected}" in str(caught.value)


def test_yaml_boolean_name_is_explained():
    with pytest.raises(ConfigError, match="YAML reads yes, no, on and off as true and false: quote such a name"):
        parse_model(text("Same").replace("inputs: x", "inputs: no"))


@pytest.mark.parametrize(
    ("layer", "config", "error", "message"),
    [
        ("Half", "{size: 0}", ConfigError, "m.yaml:7: nodes.n.with: layer Half cannot be constructed: ZeroDivisionError"),
        ("Half", "{}", ConfigError, "m.yaml:7: nodes.n.with: layer Half needs size"),
        ("Sulky", "{}", RuleError, "a layer's rule failed: KeyError: 'shape'"),
        ("Same", "{!!int a: 1}", FileError, "m.yaml:7: the tag 'tag:yaml.org,2002:int' is not plain data"),
        ("Same", "{<<: {a: 1}}", FileError, "m.yaml:7: a key must be plain text"),
        ("Everything", "{text: 2026-01-02}", FileError, "m.yaml:7: a timestamp is not supported in model files"),
        ("Everything", "{whole: !!int '3'}", FileError, "m.yaml:7: the tag 'tag:yaml.org,2002:int' is not plain data"),
    ],
)  # fmt: skip
def test_constructor_and_yaml_errors_have_place(layer, config, error, message):
    with pytest.raises(error, match=message):
        parse_model(text(layer, config), "m.yaml")


def test_size_without_digits_is_refused():
    with pytest.raises(ShapeError, match="inputs.x: not an axis; expected name or name=size, received 'feature=²'"):
        parse_model(text("Same", shape="batch, feature=²"))


def test_optimizer_without_base_round_trip():
    found = parse_model(text("Same", more="training: {optimizer: {Plain: {rate: 1, steps: 4}}}")).training
    assert (type(found.optimizer), found.optimizer.rate, found.optimizer.steps) == (Plain, 1.0, 4)
    g = Builder("m")
    graph = g.build(Flatten()(g.input("x")))
    written = model_text(graph, TrainingConfig(optimizer=Plain(0.5, steps=7)))
    assert "optimizer: {Plain: {steps: 7}}" in written
    assert parse_model(written).training.optimizer.steps == 7
    with pytest.raises(ConfigError, match=r"optimizer.Plain.step: Plain has no field 'step'.*Did you mean 'steps'"):
        parse_model(written.replace("steps: 7", "step: 7"))


def test_class_without_module_is_read(monkeypatch):
    monkeypatch.setattr(Plain, "__module__", "nowhere")
    monkeypatch.setitem(Plain.__init__.__annotations__, "rate", "float")
    monkeypatch.setitem(Plain.__init__.__annotations__, "steps", "Unknown[")
    found = parse_model(
        text("Same", more="training: {optimizer: {Plain: {rate: 1, steps: [4, a]}}}")
    ).training.optimizer
    assert (found.rate, found.steps) == (1.0, (4, "a"))


def test_numpy_scalars_are_written_as_numbers():
    g = Builder("m")
    graph = g.build(Everything(np.int64(3), np.float32(0.5), np.bool_(True))(g.input("x")))
    assert "with: {whole: 3, broken: 0.5, flag: true}" in model_text(graph)
    assert "learning_rate: 0.25" in model_text(graph, TrainingConfig(optimizer=Adam(np.float32(0.25))))


def test_unsupported_value_is_not_written():
    g = Builder("m")
    with pytest.raises(ConfigError, match="cannot be written to a file; expected plain values or registered objects"):
        model_text(g.build(Everything(anything=(object(),))(g.input("x"))))


def test_plugins_of_nested_objects_are_named():
    g = Builder("m")
    graph = g.build(Everything(initializer=Ones())(g.input("x")))
    assert parse_model(model_text(graph)).plugins == {
        "graphnet-framework": ">=0.1", "graphnet-ones": ">=1.2", "graphnet-tests": ">=1.2",
    }  # fmt: skip


def test_losses_by_output_and_by_qualified_name():
    for loss in (
        *("CrossEntropy", "graphnet-framework/CrossEntropy", "Graphnet_Framework/CrossEntropy", "{CrossEntropy: null}"),
        *("graphnet/CrossEntropy", "{graphnet/CrossEntropy: {}}"),
    ):
        assert parse_model(text("Same", more=f"training: {{loss: {loss}}}")).training.loss == CrossEntropy()
    found = parse_model(text("Same", more="training: {loss: {y: graphnet/CrossEntropy}}")).training.loss
    assert found == {"y": CrossEntropy()}


@pytest.mark.parametrize(
    ("version", "requirement", "met"),
    [
        ("0.1.0", ">=0.1", True), ("0.1", "==0.1.0", True), ("0.10", ">=0.9", True), ("0.9", ">=0.10", False),
        ("1.0rc1", ">=1.0, <2", True), ("2.0.dev3", "<2", False), ("1.4+local.7", "==1.4", True), ("1.4", "!=1.4.0", False),
        ("3", ">2,<=3", True), ("1.0.0.0.1", ">1", True),
    ],
)  # fmt: skip
def test_version_requirement_is_checked(version, requirement, met):
    assert meets(version, requirement) is met


@pytest.mark.parametrize("requirement", ["", ">=", "~=1.0", ">=1.0,", "1.0", ">=1.x", ">= 1 2"])
def test_invalid_requirement_is_refused(requirement):
    with pytest.raises(ConfigError, match=r"plugins.graphnet: wrong value; expected a version requirement"):
        parse_model(text("Same", more=f"plugins: {{graphnet: '{requirement}'}}"))


def test_invalid_distribution_name_is_refused():
    assert parse_model(text("Same", more="plugins: {graphnet_TESTS: '>=1'}")).plugins == {"graphnet_TESTS": ">=1"}
    with pytest.raises(
        PluginError,
        match=r"Did you mean 'graphnet-tests'.*\? If not, install it from the folder .*FOLDER 'graphnet-test>=1'\.",
    ):
        parse_model(text("Same", more="plugins: {graphnet-test: '>=1'}"))
    with pytest.raises(ConfigError, match="not a valid name of a distribution"):
        parse_model(text("Same", more="plugins: {\"x'; rm y #\": '>=1'}"))


@pytest.mark.slow
def test_deep_nesting_is_read_or_refused():
    node = "layer: Same, inputs: x"
    for _ in range(40):
        node = f"graph: {{inputs: {{x: }}, nodes: {{a: {{{node}}}}}, outputs: {{y: a}}}}, inputs: x"
    whole = f"format: graphnet/1\ninputs: {{x: 'batch, feature=2'}}\nnodes: {{a: {{{node}}}}}\noutputs: {{y: a}}\n"
    graph = parse_model(whole).graph
    assert parse_model(model_text(graph)).graph == graph
    for opening in ("[", "{a: "):
        with pytest.raises(FileError, match=r"m.yaml:\d+: nested more than 512 deep"):
            parse_model(text("Same", opening * 2000 + "1" + {"[": "]", "{a: ": "}"}[opening] * 2000), "m.yaml")


def test_damaged_file_raises_graphnet_error():
    rng = random.Random(7)
    whole = text("Everything", "{whole: 3, many: [1, [2, 3]]}", "training: {optimizer: {Adam: {mu: 0.5}}, epochs: 3}")
    messages = []
    for _ in range(400):
        letters = list(whole)
        for _ in range(rng.randint(1, 3)):
            position = rng.randrange(len(letters))
            letters[position : position + rng.randint(0, 2)] = rng.choice(string.printable + "²é")
        try:
            parse_model("".join(letters))
        except GraphnetError as error:
            messages.append(str(error))
    assert len(messages) > 200
    assert all(messages)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("{CrosEntropy: {label_smoothing: 0.1}}", "unknown output or loss 'CrosEntropy'.*Did you mean 'CrossEntropy'"),
        ("{score: CrossEntropy}", "unknown output or loss 'score'"),
        ("{CrosEntropy: }", "unknown output or loss 'CrosEntropy'"),
        ("{y: CrossEntropy, z: CrossEntropy}", "unknown output 'z'; expected y"),
        ("{CrossEntropy: , label_smoothing: 0.1}", "unknown output 'CrossEntropy'.*{CrossEntropy: {field: value}}"),
    ],
)
def test_loss_with_a_wrong_key_is_reported_as_that(loss, words):
    with pytest.raises(ConfigError, match=words):
        parse_model(text("Same", more=f"training: {{loss: {loss}}}"))
