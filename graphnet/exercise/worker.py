"""The child process: ``python -m graphnet.exercise.worker ROOT EDITION COMPONENTS``; writes lines of JSON to a descriptor."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from graphnet.exercise.sources import find


def main(arguments: list[str]) -> None:
    """Check the components and report each when it is begun and done."""
    descriptor, root, edition, names = int(arguments[0]), *arguments[1:4]
    memory, seconds = int(arguments[4]), float(arguments[5])
    limit_memory(memory)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(os._exit, 0))  # a copy would go on with the checks, and report too
    from graphnet.exercise.examine import examine
    from graphnet.exercise.probe import CALLS

    def send(message: dict[str, Any]) -> None:
        os.write(descriptor, (json.dumps(message) + "\n").encode())

    sources = find(Path(root), edition)
    for component in names.split(","):
        send({"begin": component})
        for done, findings, used in examine(sources, (component,), seconds / CALLS):
            send({"done": done, "findings": [finding.as_dict() for finding in findings], "stand_ins": used})
    send({"end": True})


def limit_memory(megabytes: int) -> None:
    """Limit the address space, and the size of files, where the system can."""
    try:
        import resource
    except ImportError:
        return
    size = megabytes << 20
    for what, limit in ((resource.RLIMIT_AS, size), (resource.RLIMIT_FSIZE, 64 << 20)):
        _, hard = resource.getrlimit(what)
        wanted = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (wanted, hard))


if __name__ == "__main__":
    main(sys.argv[1:])
