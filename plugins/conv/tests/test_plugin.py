"""The hooks of the distribution."""

import graphnet_conv
from graphnet_conv import plugin


def test_layers_are_registered():
    actual = []
    plugin.graphnet_register_layers(actual.append)
    assert [layer.__name__ for layer in actual] == ["Conv", "Pooling", "AveragePooling", "GlobalAveragePooling"]
    exported = {getattr(graphnet_conv, name) for name in graphnet_conv.__all__}
    assert set(actual) == {thing for thing in exported if isinstance(thing, type)}
    assert all(layer.__doc__ for layer in actual)
