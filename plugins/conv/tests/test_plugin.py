"""What the distribution registers."""

import graphnet_conv
from graphnet_conv import plugin


def test_registers_its_layers():
    found = []
    plugin.graphnet_register_layers(found.append)
    assert [layer.__name__ for layer in found] == ["Conv", "Pooling", "AveragePooling", "GlobalAveragePooling"]
    assert sorted(layer.__name__ for layer in found) == sorted(graphnet_conv.__all__)
    assert all(layer.__doc__ for layer in found)
