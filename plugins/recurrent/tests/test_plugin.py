"""What the distribution registers."""

from graphnet_recurrent import plugin


def test_registers_its_layers():
    found = []
    plugin.graphnet_register_layers(found.append)
    assert [layer.__name__ for layer in found] == [
        "TanH", "Sigmoid", "RNN", "LSTM", "GRU", "Peephole", "Clocked", "SlotSoftMax",
    ]  # fmt: skip
    assert all(layer.__doc__ for layer in found)
