"""Run commands at the same time; the exit code is 1 if one of them fails.

    python scripts/together.py "make lint types" "make clean-environments"

The output of the first one appears as it is written, that of each other one when the command has ended, so that they do
not mix.
"""

from __future__ import annotations

import subprocess
import sys
import time


def main(commands: list[str]) -> int:
    """Run shell commands at the same time; return the exit code."""
    start = time.monotonic()
    print(f"together: {'; '.join(commands)}", flush=True)
    # A make that runs make hands over descriptors of its job server.
    first = subprocess.Popen(commands[0], shell=True, close_fds=False)
    others = [
        subprocess.Popen(
            command,
            shell=True,
            close_fds=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        for command in commands[1:]
    ]
    codes = [first.wait()]
    for command, process in zip(commands[1:], others, strict=True):
        output, _ = process.communicate()
        print(f"together: {command}\n{output}", end="", flush=True)
        codes.append(process.returncode)
    for command, code in zip(commands, codes, strict=True):
        print(f"together: {'FAILED' if code else 'passed'}: {command}")
    print(f"together: {time.monotonic() - start:.0f} s", flush=True)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
