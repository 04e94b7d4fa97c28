"""Reading the files of a folder: images, or arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.core.array_types import Array
from graphnet.core.errors import DataError, FileError, PluginError, ShapeError
from graphnet.core.files.arrays import map_npy
from graphnet.core.files.border import reading
from graphnet.data.finite import numbers
from graphnet.data.folders.schema import FolderSchema

#: Endings of images that Pillow reads without other libraries.
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
#: Modes of grey images.
GREY = ("1", "L", "LA", "I;16", "I", "F")


def read_files(files: Sequence[Path], schema: FolderSchema) -> Array | list[Array]:
    """All files, which are of one kind, in order.

    Raises
    ------
    DataError
        If there are files of other kinds, or of both.
    """
    endings = {file.suffix.lower() for file in files}
    if endings == {".npy"}:
        return _read_arrays(files)
    for file in files:
        if file.suffix.lower() not in IMAGES:
            raise DataError("a file of another kind", where=str(file), expected=f"images ({', '.join(IMAGES)}), or"
                            " .npy files alone", received=file.suffix or "no ending")  # fmt: skip
    return _read_images(files, schema)


def _read_arrays(files: Sequence[Path]) -> Array | list[Array]:
    arrays = [numbers(map_npy(file), str(file)) for file in files]
    for file, array in zip(files, arrays, strict=True):
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError("the arrays differ in more than their first axis", where=str(file),
                             expected=f"(…, {', '.join(map(str, arrays[0].shape[1:]))}) as in {files[0]}",
                             received=array.shape)  # fmt: skip
    return np.stack(arrays) if len({array.shape for array in arrays}) == 1 else arrays


def _read_images(files: Sequence[Path], schema: FolderSchema) -> Array:
    try:
        from PIL import Image
    except ImportError as error:
        raise PluginError("images need Pillow, which cannot be imported", received=str(error),
                          remedy="pip install pillow") from error  # fmt: skip
    channels = schema.channels or (1 if all(_is_grey(Image, file) for file in files) else 3)
    images = [_read_image(Image, file, channels, schema.size) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise ShapeError("the images differ in size", where=str(file),
                             expected=f"{images[0].shape[1]} × {images[0].shape[2]} as {files[0]}",
                             received=f"{image.shape[1]} × {image.shape[2]}",
                             remedy="Set size: [height, width].")  # fmt: skip
    return np.stack(images)


def _is_grey(library: Any, file: Path) -> bool:
    with reading(file, "an image"), library.open(file) as image:
        return image.mode in GREY


def _read_image(library: Any, file: Path, channels: int, size: tuple[int, int] | None) -> Array:
    """One image as ``(channels, height, width)`` float32 from 0 to 1."""
    with reading(file, "an image"), library.open(file) as image:
        if image.mode in ("I;16", "I"):
            wide = np.asarray(image, np.float32) / 65535.0
            if wide.size and (wide.min() < 0.0 or wide.max() > 1.0):
                raise FileError("values beyond 16 bits", where=str(file), expected="0 to 65535")
            picture = library.fromarray(wide)
        elif image.mode == "F":
            picture = image
        else:
            picture = image.convert("L" if channels == 1 else "RGB")
        if size is not None:
            picture = picture.resize((size[1], size[0]), library.Resampling.BILINEAR)
        array = np.asarray(picture, np.float32)
        if picture.mode != "F":
            array = array / np.float32(255.0)
        if array.ndim == 2:
            return np.repeat(array[None], channels, axis=0)
        return np.ascontiguousarray(array.transpose(2, 0, 1))
