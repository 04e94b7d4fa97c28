"""The configuration of logging: the root logger, and every logger that existed before."""

from __future__ import annotations

import logging
from typing import Any

from graphnet.plugins.isolation.setting import Setting

#: The levels whose names are saved.
LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


def _loggers() -> dict[str, logging.Logger]:
    existing = logging.root.manager.loggerDict.items()
    return {"root": logging.root, **{name: each for name, each in existing if isinstance(each, logging.Logger)}}


def _read() -> dict[str, Any]:
    return {
        "loggers": {name: _logger(each) for name, each in _loggers().items()},
        "handlers": {handler: handler.level for each in _loggers().values() for handler in each.handlers},
        "disabled": logging.root.manager.disable,
        "raiseExceptions": logging.raiseExceptions,
        "lastResort": logging.lastResort,
        "logger class": logging.getLoggerClass(),
        "record factory": logging.getLogRecordFactory(),
        "names": [logging.getLevelName(level) for level in LEVELS],
    }


def _logger(each: logging.Logger) -> tuple[Any, ...]:
    return each, each.level, list(each.handlers), list(each.filters), each.propagate, each.disabled


def _write(saved: dict[str, Any]) -> None:
    for each, level, handlers, filters, propagate, disabled in saved["loggers"].values():
        each.handlers[:], each.filters[:] = handlers, filters
        each.propagate, each.disabled = propagate, disabled
        each.setLevel(level)
    for handler, level in saved["handlers"].items():
        if handler.level != level:
            handler.setLevel(level)
    logging.disable(saved["disabled"])
    logging.raiseExceptions, logging.lastResort = saved["raiseExceptions"], saved["lastResort"]
    logging.setLoggerClass(saved["logger class"])
    logging.setLogRecordFactory(saved["record factory"])
    for level, name in zip(LEVELS, saved["names"], strict=True):
        logging.addLevelName(level, name)


def _same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return not _detail(before, after)


def _detail(before: dict[str, Any], after: dict[str, Any]) -> str:
    changed = [f"logger {name}" for name, values in before["loggers"].items() if values != after["loggers"].get(name)]
    levels = [repr(handler) for handler, level in before["handlers"].items() if handler.level != level]
    others = [key for key in before if key not in ("loggers", "handlers") and before[key] != after[key]]
    return ", ".join([*changed[:3], *levels[:2], *others])


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "the configuration of logging",
        "level, handlers, filters and propagation of the root logger and of every logger that existed; "
        "`logging.disable`, the logger class, the record factory, names of levels, `lastResort`",
        _read,
        _write,
        _same,
        _detail,
    ),
)
