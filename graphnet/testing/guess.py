"""Guessing a case for a layer that has none."""

from __future__ import annotations

from typing import Any, get_args

from graphnet.io.fields import fields_of
from graphnet.testing.case import Case
from graphnet.testing.case_run import CaseRun

#: The values tried for required constructor arguments, by type; integers are usually sizes.
VALUES = {int: 3, float: 0.5, bool: False}
#: The inputs tried; the last axis of the first two is as large as the sizes above.
INPUTS = (
    "batch=4, feature=3",
    "time=5, batch=2, feature=3",
    "batch=3, channel=2, y=4, x=5",
    "batch=3, channel=2, x=5",
)


def guess_case(layer: Any) -> Case | None:
    """Return a case with values of the right types and inputs that the layer accepts; None if there are none."""
    required = {name: field.type for name, field in fields_of(layer).items() if field.required}
    types = {name: next((t for t in (hint, *get_args(hint)) if t in VALUES), None) for name, hint in required.items()}
    if None in types.values():
        return None
    config = {name: VALUES[kind] for name, kind in types.items() if kind is not None}
    for inputs in INPUTS:
        try:
            ports = layer(**config).input_ports()
            count = max(1, sum(name not in ports.optional for name in ports.names))
            arguments = ", ".join(f"{name}={value!r}" for name, value in config.items())
            case = Case(layer, config, [inputs] * count, name=f"{layer.__name__}({arguments}) as guessed")
            if CaseRun(case).run("runs").status == "passed":
                return case
        except Exception:
            continue
    return None
