"""The arrays of a layer: read-only views, snapshots, what subclasses may not redefine."""

import copy
import pickle

import numpy as np
import pytest

from graphnet import BatchNormalization, Builder, ConfigError, FullyConnected, Layer, StateError
from graphnet.authoring import Composite
from graphnet.optimizers import Adam

X = np.random.default_rng(0).normal(size=(6, 3))


class Block(Composite):
    """A dense layer and a normalization."""

    def build(self):
        g = Builder("block")
        return g.build(BatchNormalization(3)(FullyConnected(3, 3)(g.input("x", "batch, feature=3"), name="dense")))


def trained(steps=2):
    layer = Block()
    layer.set_optimizer(Adam(0.1))
    for _ in range(steps):
        layer.backward(np.cos(layer.forward(X)))
    return layer


def arrays(layer):
    return [
        array.copy()
        for owner in layer.graph.layers().values()
        for array in (*(p.value for p in owner.params.values()), *owner.buffer_values.values())
    ]


def equal(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_params_and_buffer_values_are_read_only():
    layer = FullyConnected(2, 2)
    assert list(layer.params) == ["weights"] and dict(layer.buffer_values) == {}
    for name in ("params", "buffer_values"):
        with pytest.raises(TypeError):
            getattr(layer, name)["weights"] = None
        with pytest.raises(AttributeError):
            setattr(layer, name, {})


def test_restore_undoes_training():
    layer = trained()
    snapshot, before = layer.snapshot(), arrays(layer)
    layer.backward(np.cos(layer.forward(X)))
    after = arrays(layer)
    assert not equal(before, after)
    for _ in range(2):  # a snapshot is valid any number of times
        layer.restore(snapshot)
        assert equal(before, arrays(layer))
        layer.backward(np.cos(layer.forward(X)))
        assert equal(after, arrays(layer))  # so the moments of Adam were restored as well


def test_snapshot_holds_copies():
    layer = FullyConnected(2, 2)
    snapshot, before = layer.snapshot(), layer.get_weights()
    layer.weights[...] = 7.0
    layer.restore(snapshot)
    assert np.array_equal(layer.get_weights(), before)


def test_restore_drops_arrays_created_since():
    layer = FullyConnected(None, 2)
    snapshot = layer.snapshot()
    layer.forward(X)
    layer.restore(snapshot)
    assert not layer.params
    assert layer.forward(X[:, :2]).shape == (6, 2)


def test_restore_refuses_snapshot_of_another_layer():
    with pytest.raises(StateError, match=r"FullyConnected.*: a snapshot of another layer.*Use get_weights"):
        FullyConnected(2, 2).restore(FullyConnected(2, 2).snapshot())


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_keep_params_and_buffers(copied):
    layer = BatchNormalization(3)
    layer.forward(X)
    again = copied(layer)
    assert np.array_equal(again.params["weights"].value, layer.params["weights"].value)
    assert again.buffer_values.keys() == layer.buffer_values.keys() != set()


def test_pass_snapshot_restores_attributes_and_buffers():
    layer = BatchNormalization(3)
    layer.forward(X)
    before = {name: array.copy() for name, array in layer.buffer_values.items()}
    snapshot = layer.pass_snapshot()
    layer.forward(2.0 * X)
    snapshot.restore()
    assert all(np.array_equal(layer.buffer_values[name], array) for name, array in before.items())


@pytest.mark.parametrize("name", ["params", "buffer_values", "store"])
def test_reserved_field_names_raise(name):
    with pytest.raises(ConfigError, match=f"Odd: a field cannot be called '{name}'.*Rename the field"):
        type("Odd", (Layer,), {"__annotations__": {name: int}, "__module__": __name__})
