"""The keys of a user's npz file: the required and the optional ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError, unknown

SPLITS = ("train", "test")
LENGTHS = "_lengths"
FORMAT = (
    "train_INPUT, train_INPUT_lengths (optional), train_target, train_target_lengths (optional), the same"
    " for test, and classes (optional)"
)


def input_names(keys: Collection[str], path: Path) -> list[str]:
    """The input names that both splits have, in the order of the file.

    Raises
    ------
    FileError
        If a key is missing, or unknown to :func:`graphnet.datasets.npz`.
    """
    names = list(dict.fromkeys(name for split in SPLITS for name in _inputs(keys, split)))
    required = [f"{split}_{name}" for split in SPLITS for name in [*(names or ["INPUT"]), "target"]]
    for key in required:
        if key not in keys:
            raise FileError(
                f"the key {key!r} is missing",
                where=str(path),
                expected=", ".join(required),
                received=", ".join(keys) or "no keys",
                remedy=f"The keys of such a file are {FORMAT}.",
            )
    _refuse_unknown(keys, names, path)
    return names


def _inputs(keys: Collection[str], split: str) -> list[str]:
    """The name of every ``SPLIT_name`` except the target and the lengths of another name."""
    names = [key.removeprefix(f"{split}_") for key in keys if key.startswith(f"{split}_")]
    return [name for name in names if name not in ("", "target") and not _is_lengths(name, names)]


def _is_lengths(name: str, names: Collection[str]) -> bool:
    return name.endswith(LENGTHS) and name.removesuffix(LENGTHS) in names


def _refuse_unknown(keys: Collection[str], names: Collection[str], path: Path) -> None:
    known = {"classes"}
    known.update(f"{split}_{name}{end}" for split in SPLITS for name in ("target", *names) for end in ("", LENGTHS))
    for key in keys:
        if key not in known:
            raise unknown("key", key, known, where=str(path), expected=FORMAT, remedy="Leave it out.", error=FileError)


def ragged(arrays: Mapping[str, Any], split: str, name: str) -> bool:
    """Whether an input of a split consists of sequences of different length."""
    return f"{split}_{name}{LENGTHS}" in arrays
