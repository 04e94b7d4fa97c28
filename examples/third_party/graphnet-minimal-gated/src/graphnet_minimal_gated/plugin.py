"""The hooks that graphnet calls: they register the layers and their conformance cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnet.plugins import hookimpl

from graphnet_minimal_gated.scale import Scale
from graphnet_minimal_gated.swish import Swish
from graphnet_minimal_gated.unit import MinimalGated

if TYPE_CHECKING:
    from graphnet.plugins.hookspecs import Register
    from graphnet.testing import Case

#: The version of graphnet's hooks that this plugin needs: 2 added the cases.
GRAPHNET_PLUGIN_API = 2


@hookimpl
def graphnet_register_layers(register: Register) -> None:
    """Register the layers under their class names."""
    register(Swish)
    register(Scale)
    register(MinimalGated)


@hookimpl
def graphnet_register_cases(register: Register) -> None:
    """Register the cases that ``graphnet check`` runs."""
    register(cases)


def cases() -> list[Case]:
    """Return the cases; imported here, so that using the layers does not import the test tools."""
    from graphnet_minimal_gated.cases import CASES

    return CASES
