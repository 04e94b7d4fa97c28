"""For plugins that read files of other programs: opening within limits, and errors of parsers as errors of graphnet.

``reading`` turns every exception inside its block into a FileError; ``read_bytes`` and ``opened`` read a file within a
limit; ``kind`` says in words what the bytes of a file look like.
"""

from __future__ import annotations

from graphnet.core.files.border import reading
from graphnet.core.files.kinds import kind
from graphnet.core.files.source import opened, read_bytes

__all__ = ["kind", "opened", "read_bytes", "reading"]
