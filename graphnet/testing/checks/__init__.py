"""The checks, a file for each kind; importing this package registers all of them, in their order."""

from graphnet.testing.checks import (  # isort: skip
    passes,
    rules,
    gradients,
    traits,
    places,
    weights,
    files,
    phases,
    backends,
    inputs,
    recurrence,
    described,
)

__all__ = [
    "backends",
    "described",
    "files",
    "gradients",
    "inputs",
    "passes",
    "phases",
    "places",
    "recurrence",
    "rules",
    "traits",
    "weights",
]
