"""Arguments of a ``fit`` that replace settings: all of them have one default, which leaves the setting as it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from graphnet.training.config import TrainingConfig


class _Keep:
    """The default of an argument that replaces a setting of the configuration: the setting stays as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "KEEP"

    def __copy__(self) -> _Keep:
        return self

    def __deepcopy__(self, memo: Any) -> _Keep:
        return self

    def __reduce__(self) -> str:
        return "KEEP"


#: The default of the arguments of ``Model.fit`` that are settings. None is a value of many settings; this is none.
KEEP: Any = _Keep()

#: The settings that ``Model.fit`` takes; callbacks are added to those of the configuration instead.
SETTINGS = tuple(field.name for field in dataclasses.fields(TrainingConfig) if field.name != "callbacks")


def given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the arguments that are settings, and were given."""
    return {name: arguments[name] for name in SETTINGS if arguments[name] is not KEEP}
