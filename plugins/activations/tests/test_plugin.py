"""What the distribution registers."""

import graphnet_activations
from graphnet_activations import plugin


def test_registers_its_layers():
    found = []
    plugin.graphnet_register_layers(found.append)
    layers = ["ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Softplus", "HardSigmoid", "SoftMax"]
    assert [layer.__name__ for layer in found] == layers
    assert all(layer.__doc__ for layer in found)
    assert all(getattr(graphnet_activations, layer.__name__) is layer for layer in found)


def test_public_names_exist():
    assert all(getattr(graphnet_activations, name).__doc__ for name in graphnet_activations.__all__)
