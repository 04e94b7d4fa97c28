"""Records of settings from mappings, as a model file or keyword arguments give them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from graphnet.core.errors import ConfigError, unknown

_Record = TypeVar("_Record")


def record_of(cls: type[_Record], values: Mapping[str, Any], what: str, where: str) -> _Record:
    """A dataclass with the fields that a mapping gives.

    Parameters
    ----------
    cls : dataclass
    values : mapping of field name to value
    what : str
        What a field is, for the error: ``setting of a table``.
    where : str

    Raises
    ------
    ConfigError
        If a name is unknown, or the class refuses a value.
    """
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise unknown(what, name, known, where=where, error=ConfigError)
    try:
        return cls(**values)
    except ConfigError as error:
        raise error.at(where) from None
