"""The hooks of the distribution, and the names of earlier releases."""

import pytest

import graphnet_recurrent
from graphnet import GraphnetDeprecationWarning
from graphnet_recurrent import plugin


def test_layers_are_registered():
    registered = []
    plugin.graphnet_register_layers(registered.append)
    assert [layer.__name__ for layer in registered] == [
        "TanH", "Sigmoid", "RNN", "LSTM", "GRU", "Recurrent", "Bidirectional", "Stack", "Peephole", "Clocked", "SlotSoftMax",
        "ClipError", "First", "InitialState", "SequenceDropout", "SequenceMask", "RecurrentBlock", "MultiHead", "GatedMLP",
    ]  # fmt: skip
    assert all(layer.__doc__ for layer in registered)


@pytest.mark.parametrize(("old", "new"), graphnet_recurrent.RENAMED.items())
def test_old_names_warn(old, new):
    with pytest.warns(GraphnetDeprecationWarning, match=f"use graphnet_recurrent.{new}"):
        assert getattr(graphnet_recurrent, old) is getattr(graphnet_recurrent, new)
    with pytest.raises(AttributeError, match="no attribute 'Missing'"):
        graphnet_recurrent.Missing
