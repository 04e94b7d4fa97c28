"""The kind of a file by its first bytes, for messages."""

from __future__ import annotations

import string

#: Kinds by the bytes that such files begin with.
MAGIC = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x93NUMPY", "an .npy file"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"MATLAB", "a MATLAB file"),
    (b"%PDF", "a PDF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x7fELF", "a program"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
)
TEXT = frozenset(string.printable.encode()) | frozenset(range(128, 256))


def kind(data: bytes) -> str:
    """Describe what a file is that begins with ``data``.

    Examples
    --------
    >>> kind(b""), kind(b"PK\\x03\\x04"), kind(b"1.5;2\\n3;4\\n"), kind(b"format: graphnet/1")
    ('an empty file', 'a zip archive', 'a text file of semicolon-separated values', 'a text file')
    """
    known = "an empty file" if not data else known_kind(data)
    if known is not None:
        return known
    if not set(data[:512]) <= TEXT:
        return "a file of an unknown kind"
    return _text_kind([line for line in data[:4096].splitlines()[:5] if line.strip()])


def known_kind(data: bytes) -> str | None:
    """The kind of a file that begins with bytes by which it is known; None for any other."""
    if data[8:10] == b'{"':
        return "a safetensors file"
    return next((name for magic, name in MAGIC if data.startswith(magic)), None)


def _text_kind(lines: list[bytes]) -> str:
    if lines and lines[0].lstrip()[:1] in (b"{", b"["):
        return "a text file of JSON"
    for separator, name in ((b",", "comma"), (b";", "semicolon"), (b"\t", "tab")):
        counts = {line.count(separator) for line in lines[:-1] or lines}
        if len(counts) == 1 and counts != {0}:
            return f"a text file of {name}-separated values"
    return "a text file"
