"""An SVG file as a PNG file, by resvg."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

from graphnet.core.errors import ConfigError, PluginError
from graphnet.inspect.drawing.lettering import FAMILY

#: The most pixels of a picture: 64 million.
LARGEST = 64_000_000


def to_png(svg: str, width: float, height: float, zoom: float = 2.0) -> bytes:
    """Return an SVG of a width and height as a PNG, ``zoom`` pixels for each unit.

    Raises
    ------
    PluginError
        If resvg is not installed, or there is no font.
    ConfigError
        If the picture would have more than 64 million pixels.
    """
    pixels = width * height * zoom**2
    if pixels > LARGEST:
        raise ConfigError(
            "the picture is too large",
            where="png",
            expected=f"at most {LARGEST:,} pixels",
            received=f"{pixels:,.0f}",
            remedy="Write an SVG file, close composites with a smaller depth, or pass a smaller zoom.",
        )
    if _render(_EMPTY.format("")) == _render(_EMPTY.format(f'<text y="15" font-family="{FAMILY}">M</text>')):
        raise PluginError(
            "there is no font for the texts of a picture",
            where="png",
            remedy="Install the package fonts-dejavu-core of the system, or: pip install matplotlib",
        )
    return _render(svg, zoom)


#: resvg leaves out texts for which there is no font.
_EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{}</svg>'


def _render(svg: str, zoom: float = 1.0) -> bytes:
    fonts = list(_font_files())
    family = "DejaVu Sans"
    return bytes(
        _resvg().svg_to_bytes(svg_string=svg, zoom=zoom, font_files=fonts, font_family=family, sans_serif_family=family)
    )


def _resvg() -> Any:
    try:
        import resvg_py
    except ImportError as error:
        raise PluginError(
            "PNG files need resvg, which cannot be imported",
            received=str(error),
            remedy="pip install 'resvg-py>=0.3'",
        ) from error
    return resvg_py


@functools.cache
def _font_files() -> tuple[str, ...]:
    """The fonts that matplotlib brings, if it is installed: the system may have none."""
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        return ()
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    return tuple(str(file) for file in sorted(folder.glob("DejaVuSans*.ttf")) if "Mono" not in file.name)
