"""What graphnet finds through this distribution's entry point."""

from graphnet.plugins import hookimpl
from graphnet.plugins.hookspecs import Register
from graphnet_ray.communicator import RayCommunicator
from graphnet_ray.ray_executor import RayExecutor

#: The version of the hooks that this plugin needs.
GRAPHNET_PLUGIN_API = 4


@hookimpl
def graphnet_register_communicators(register: Register) -> None:
    """Register Ray for training by several processes."""
    register(RayCommunicator)


@hookimpl
def graphnet_register_executors(register: Register) -> None:
    """Register Ray for sweeps."""
    register(RayExecutor, "ray")
