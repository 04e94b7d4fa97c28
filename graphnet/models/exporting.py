"""Files of a model for other programs: which exporter writes one, and with which options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from graphnet.core.errors import ConfigError, GraphnetError, RuleError, did_you_mean
from graphnet.plugins import manager
from graphnet.plugins.registry import Entry

#: The exporter of text for which no other one is named.
DEFAULT = "mermaid"


def exported(model: Any, form: str, options: Mapping[str, Any]) -> str | bytes:
    """A model as a file for other programs; see ``Model.export``.

    Raises
    ------
    UnknownNameError, ConfigError, RuleError
        If there is no such exporter, it has no such option, or it fails.
    """
    entry = manager().registry.get("exporters", form)
    _check_options(entry, options)
    try:
        content = entry.object(model, **options)
    except GraphnetError:
        raise
    except Exception as error:  # an exporter of a plugin may raise anything
        raise RuleError(f"the exporter failed: {type(error).__name__}: {error}", where=entry.id) from error
    if not isinstance(content, (str, bytes)):
        received = type(content).__name__
        raise RuleError(
            "the exporter returned an invalid value", where=entry.id, expected="text or bytes", received=received
        )
    return content


def options_of(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """The options of an exporter, its keyword-only parameters; and whether it takes any other ones too."""
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _check_options(entry: Entry, options: Mapping[str, Any]) -> None:
    known, any_other = options_of(entry.object)
    for name in options:
        if name not in known and not any_other:
            raise ConfigError(
                f"this exporter has no option {name!r}",
                where=entry.id,
                expected=", ".join(known) or "no options",
                received=name,
                remedy=did_you_mean(name, known) or None,
            )


def exporter_for(path: str | os.PathLike[str]) -> str:
    """The name of the exporter that writes files with the ending of a path.

    An exporter states its endings by an attribute ``endings`` of the function, such as ``(".onnx",)``; its own name is
    an ending too. Without an ending it is the one that writes text, ``mermaid``.

    Raises
    ------
    ConfigError
        If no exporter, or more than one, writes such files.
    """
    ending = os.path.splitext(path)[1].lower()
    if not ending:
        return DEFAULT
    entries = manager().registry.entries("exporters")
    endings = {entry.id: {f".{entry.name.lower()}", *getattr(entry.object, "endings", ())} for entry in entries}
    found = [entry.id for entry in entries if ending in endings[entry.id]]
    if len(found) == 1:
        return found[0]
    raise ConfigError(
        "several exporters write files with this ending" if found else "no exporter writes files with this ending",
        where=str(path),
        expected=" or ".join(found) or ", ".join(sorted(set().union(*endings.values()))),
        received=ending or "no ending",
        remedy="Name one: --format on the command line. `graphnet plugins` lists the plugins.",
    )
