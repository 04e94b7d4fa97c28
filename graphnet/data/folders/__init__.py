"""Folders of images or of ``.npy`` files as data sets: one folder for each class."""

from __future__ import annotations

from graphnet.core.arguments import explain_constructors
from graphnet.data.folders.folder import folder
from graphnet.data.folders.schema import FolderSchema

__all__ = ["FolderSchema", "folder"]

explain_constructors([globals()[name] for name in __all__])
