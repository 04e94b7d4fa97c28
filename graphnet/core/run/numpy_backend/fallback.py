"""What happens where something cannot be compiled: it runs node by node, and says why."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from graphnet.core.compile.trace.symbol import Untraceable
from graphnet.core.errors import CompilerWarning

Compiled = TypeVar("Compiled")


def attempt(compile_it: Callable[[], Compiled], path: str) -> tuple[Compiled | None, str | None]:
    """What ``compile_it`` returns, or None and the reason.

    A rule that cannot be traced is a reason like any other. Any other exception is a mistake of the compiler's: nobody
    shall see it, or lose a run by it, but a warning asks for a report. Running out of memory is neither.
    """
    try:
        return compile_it(), None
    except Untraceable as untraceable:
        return None, str(untraceable)
    except MemoryError:
        raise
    except Exception as error:
        reason = f"the compiler failed: {type(error).__name__}: {error}"
        warnings.warn(
            f"{path}: {reason}. It runs node by node, with right results; please report this graph to graphnet.",
            CompilerWarning,
            stacklevel=2,
        )
        return None, reason
