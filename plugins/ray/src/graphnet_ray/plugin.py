"""What graphnet finds through this distribution's entry point."""

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register

#: The version of the hooks that this plugin needs.
GRAPHNET_PLUGIN_API = 2


@hookimpl
def graphnet_register_callbacks(register: Register) -> None:
    """Register nothing yet."""
