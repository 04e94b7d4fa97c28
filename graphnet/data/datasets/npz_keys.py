"""The keys of a user's npz file: what each one is, and whether all are there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError, unknown

SPLITS = ("train", "test")
LENGTHS = "_lengths"
FORMAT = (
    "the keys are train_INPUT, train_INPUT_lengths (optional), train_target, train_target_lengths (optional), the same"
    " for test, and classes (optional)"
)


def input_names(keys: Collection[str], path: Path) -> list[str]:
    """The input names that both splits have, in the order of the file.

    Raises
    ------
    FileError
        A key is missing, or is none that :func:`graphnet.datasets.npz` describes.
    """
    found = {split: _inputs(keys, split) for split in SPLITS}
    names = list(dict.fromkeys(name for split in SPLITS for name in found[split]))
    needed = [f"{split}_{name}" for split in SPLITS for name in [*(names or ["INPUT"]), "target"]]
    for key in needed:
        if key not in keys:
            raise FileError(
                f"the key {key!r} is missing",
                where=str(path),
                expected=", ".join(needed),
                received=", ".join(keys) or "no keys at all",
                remedy=f"In such a file {FORMAT}",
            )
    _refuse_unknown(keys, names, path)
    return names


def _inputs(keys: Collection[str], split: str) -> list[str]:
    """Every ``SPLIT_name`` but the target, and but the lengths of another one."""
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
    """Whether that input of that split is sequences of different length."""
    return f"{split}_{name}{LENGTHS}" in arrays
