"""What graphnet finds through this distribution's entry point."""

from collections.abc import Callable

from graphnet import Layer
from graphnet.plugins import hookimpl
from graphnet_recurrent.activations import Sigmoid, TanH
from graphnet_recurrent.lstm import LSTM
from graphnet_recurrent.rnn import RNN


@hookimpl
def graphnet_register_layers(register: Callable[[type[Layer]], None]) -> None:
    """Register the layers of this distribution."""
    for layer in (TanH, Sigmoid, RNN, LSTM):
        register(layer)
