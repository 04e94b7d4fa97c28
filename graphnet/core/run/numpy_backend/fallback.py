"""The fallback where something cannot be compiled: it runs node by node, and the reason is recorded."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from graphnet.core.compile.trace.untraceable import Untraceable
from graphnet.core.errors import CompilerWarning

Compiled = TypeVar("Compiled")
#: How a reason begins that is a bug of the compiler.
FAILED = "the compiler failed"


def attempt(compile_it: Callable[[], Compiled], path: str) -> tuple[Compiled | None, str | None]:
    """The result of ``compile_it`` and None, or None and the reason why there is none.

    A rule that cannot be traced is a normal reason. Any other exception except MemoryError is a bug of the compiler,
    which must not fail a run: it becomes a CompilerWarning that asks for a report.
    """
    try:
        return compile_it(), None
    except Untraceable as untraceable:
        return None, str(untraceable)
    except MemoryError:
        raise
    except Exception as error:
        reason = f"{FAILED}: {type(error).__name__}: {error}"
        warnings.warn(
            f"{path}: {reason}. It runs node by node, with right results; please report this graph to graphnet.",
            CompilerWarning,
            stacklevel=2,
        )
        return None, reason
