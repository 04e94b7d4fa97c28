"""How a folder of files becomes examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphnet.core.checks import integer, is_integer, number
from graphnet.core.errors import ConfigError
from graphnet.data.settings import record_of


@dataclass(frozen=True, kw_only=True)
class FolderSchema:
    """How a folder of images or of ``.npy`` files becomes examples.

    Parameters
    ----------
    input : str
        The name of the graph's input.
    size : (height, width), optional
        To which images are resized. Default: all must have the same size.
    channels : 1 or 3, optional
        Grey or colour. Default: 1 if all images are grey, else 3.
    test, validation : float in [0, 1)
        The shares that are held out, drawn from each class; not used for ``test`` if the folder has ``train`` and
        ``test``.
    seed : int, at least 0

    Raises
    ------
    ConfigError
        If a value is invalid.
    """

    input: str = "x"
    size: tuple[int, int] | None = None
    channels: int | None = None
    test: float = 0.2
    validation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        where = "FolderSchema"
        if isinstance(self.size, list):
            object.__setattr__(self, "size", tuple(self.size))
        size = self.size
        if size is not None and not (
            isinstance(size, tuple) and len(size) == 2 and all(is_integer(n, 1) for n in size)
        ):
            raise ConfigError("invalid size", where=where, expected="(height, width)", received=repr(size)[:60],
                              key_path=("size",))  # fmt: skip
        if self.channels not in (None, 1, 3):
            raise ConfigError("invalid channels", where=where, expected="1 or 3", received=repr(self.channels)[:60],
                              key_path=("channels",))  # fmt: skip
        for name in ("test", "validation"):
            number(where, name, getattr(self, name), 0.0, 1.0, below=True)
        integer(where, "seed", self.seed, 0)

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str = "training.data") -> FolderSchema:
        """The schema with these values by name.

        Raises
        ------
        ConfigError
            If a name is unknown, or a value is invalid.
        """
        return record_of(cls, values, "setting of a folder", where)
