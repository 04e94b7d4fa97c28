"""Composite layers around cells: the parts of deep recurrent networks."""

from graphnet_recurrent.blocks.gated_mlp import GatedMLP
from graphnet_recurrent.blocks.multi_head import MultiHead
from graphnet_recurrent.blocks.recurrent_block import RecurrentBlock

__all__ = ["GatedMLP", "MultiHead", "RecurrentBlock"]
