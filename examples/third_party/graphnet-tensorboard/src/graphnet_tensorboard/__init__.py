"""A callback for graphnet that writes logs for TensorBoard."""

from graphnet_tensorboard.callback import TensorBoard

__all__ = ["TensorBoard"]
