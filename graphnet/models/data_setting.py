"""The setting ``training.data``: the name of a data set, a path, or a mapping with a path and how to read it.

A mapping has the key ``path``, and the settings of a table (:class:`graphnet.data.tables.TableSchema`) or of a folder
(:class:`graphnet.data.folders.FolderSchema`). In the file of a model that was trained on a table it also has the key
``learned``: the values of a :class:`graphnet.data.tables.Preparation`, by which later tables are read. With the keys
``fold``, ``folds`` and ``fold_seed`` of :class:`graphnet.data.folds.Fold`, which any data may have, a part of the
training split is held out in place of the test split.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphnet.core.errors import ConfigError
from graphnet.data.folds import Fold
from graphnet.data.tables.preparation import Preparation
from graphnet.models.data_paths import is_file

if TYPE_CHECKING:
    from graphnet.data.datasets import Dataset

Setting = str | Mapping[str, Any] | None
PATH, LEARNED = "path", "learned"
#: Keys of the settings of :class:`graphnet.data.folds.Fold`, which any data may have.
FOLD = ("fold", "folds", "fold_seed")


def path_in(setting: Setting) -> str | None:
    """The path or the name in a setting."""
    if isinstance(setting, Mapping):
        path = setting.get(PATH)
        if path is not None and not isinstance(path, str):
            raise ConfigError("invalid path", where="training.data", expected="text", received=repr(path)[:80])
        return path
    return setting


def replaced(setting: Setting, path: str) -> Setting:
    """The setting with another path; what was learned stays."""
    return {**setting, PATH: path} if isinstance(setting, Mapping) else path


def moved(setting: Setting, base: Path, relative: Any) -> Setting:
    """The setting for a file in another folder: its paths, relative to ``base``, are changed by ``relative``."""
    path = path_in(setting)
    if path is None or not is_file(path, base) or Path(path).is_absolute() or path.startswith("~"):
        return setting
    result = replaced(setting, relative(base / path))
    if isinstance(result, Mapping) and isinstance(test := result.get("test"), str):
        result = {**result, "test": relative(base / test)}
    return result


def schema_values(setting: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the table or folder."""
    return {name: value for name, value in setting.items() if name not in (PATH, LEARNED, *FOLD)}


def fold_of(setting: Mapping[str, Any]) -> Fold | None:
    """The part of the training split that is held out.

    Raises
    ------
    ConfigError
        If its settings are not complete, or out of range.
    """
    return Fold.of({name: setting[name] for name in FOLD if name in setting}, "training.data")


def learned(setting: Setting) -> Preparation | None:
    """What a model has learned about its tables; None if it was not trained on one.

    Raises
    ------
    FileError
        If it is damaged.
    """
    if not isinstance(setting, Mapping) or setting.get(LEARNED) is None:
        return None
    return Preparation.of(setting[LEARNED], "training.data.learned")


def with_learned(setting: Setting, data: Dataset) -> Setting:
    """The setting with what was learned from a table; without a table, as it is."""
    if data.preparation is None:
        return setting
    values = {} if setting is None else {PATH: setting} if isinstance(setting, str) else dict(setting)
    return {**data.preparation.schema.values(), **values, LEARNED: data.preparation.values()}
