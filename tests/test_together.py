"""scripts/together.py: commands at the same time, with their output one after the other."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "together.py"

pytestmark = pytest.mark.skipif(sys.platform == "win32" or not SCRIPT.exists(), reason="needs a shell of POSIX")


def together(*commands):
    return subprocess.run([sys.executable, str(SCRIPT), *commands], capture_output=True, text=True, check=False)


def test_output_is_not_mixed():
    done = together("echo one; sleep 0.2; echo two", "echo three; echo four >&2")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("together")] == ["one", "two", "three", "four"]
    assert lines[3] == "together: echo three; echo four >&2"


@pytest.mark.parametrize("commands", [("exit 3", "true"), ("true", "exit 3"), ("true", "true", "kill -9 $$")])
def test_one_that_fails_is_named(commands):
    done = together(*commands)
    assert done.returncode == 1
    failed = [command for command in commands if f"together: FAILED: {command}" in done.stdout]
    assert failed == [command for command in commands if command != "true"]
