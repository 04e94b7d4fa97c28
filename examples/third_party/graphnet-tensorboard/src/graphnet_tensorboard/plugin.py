"""The hook that graphnet calls: it registers the callback, so that model files may name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnet.plugins import hookimpl

from graphnet_tensorboard.callback import TensorBoard

if TYPE_CHECKING:
    from graphnet.plugins.hookspecs import Register

#: The version of graphnet's hooks that this plugin needs: 2 added the callbacks.
GRAPHNET_PLUGIN_API = 2


@hookimpl
def graphnet_register_callbacks(register: Register) -> None:
    """Register the callback under its class name."""
    register(TensorBoard)
