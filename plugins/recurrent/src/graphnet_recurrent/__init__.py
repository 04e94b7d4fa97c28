"""Recurrent layers for graphnet: every one a cell graph in a Scan."""

from graphnet_recurrent.activations import Sigmoid, TanH
from graphnet_recurrent.cells import elman_cell, lstm_cell
from graphnet_recurrent.functional import sigmoid, tanh
from graphnet_recurrent.lstm import LSTM
from graphnet_recurrent.recurrent import Recurrent
from graphnet_recurrent.rnn import RNN

__all__ = ["LSTM", "RNN", "Recurrent", "Sigmoid", "TanH", "elman_cell", "lstm_cell", "sigmoid", "tanh"]
