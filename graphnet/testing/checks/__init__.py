"""The checks, a file for each kind; importing this package registers all of them, in their order."""

from graphnet.testing.checks import (  # isort: skip
    passes,
    rules,
    gradients,
    traits,
    places,
    alone,
    weights,
    files,
    phases,
    backends,
    inputs,
    ragged,
    recurrence,
    described,
)

__all__ = [
    "alone",
    "backends",
    "described",
    "files",
    "gradients",
    "inputs",
    "passes",
    "phases",
    "places",
    "ragged",
    "recurrence",
    "rules",
    "traits",
    "weights",
]
