"""The hooks of the distribution."""

import graphnet_activations
from graphnet_activations import plugin


def test_layers_are_registered():
    actual = []
    plugin.graphnet_register_layers(actual.append)
    layers = ["ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Softplus", "LogSigmoid", "HardSigmoid", "SoftMax"]
    assert [layer.__name__ for layer in actual] == layers
    assert all(layer.__doc__ for layer in actual)
    assert all(getattr(graphnet_activations, layer.__name__) is layer for layer in actual)


def test_public_names_exist():
    assert all(getattr(graphnet_activations, name).__doc__ for name in graphnet_activations.__all__)
