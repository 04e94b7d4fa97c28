"""The minimal gated unit for graphnet, with Swish and Scale."""

from graphnet_minimal_gated.scale import Scale
from graphnet_minimal_gated.swish import Swish
from graphnet_minimal_gated.unit import MinimalGated

__all__ = ["MinimalGated", "Scale", "Swish"]
