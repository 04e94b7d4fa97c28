"""What the distribution registers."""

from graphnet_recurrent import plugin


def test_registers_its_layers():
    found = []
    plugin.graphnet_register_layers(found.append)
    assert [layer.__name__ for layer in found] == [
        "TanH", "Sigmoid", "RNN", "LSTM", "GRU", "Recurrent", "Bidirectional", "Stack", "Peephole", "Clocked", "SlotSoftMax",
        "ClipError", "First", "InitialState", "SequenceDropout", "SequenceMask",
    ]  # fmt: skip
    assert all(layer.__doc__ for layer in found)
