"""`.ci/run` installs a browser for the tests of pages, and runs the tests in any case."""

import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / ".ci" / "run"
TOOLS = ("bash", "dirname", "mktemp", "rm", "tail", "timeout")


@pytest.fixture
def machine(tmp_path):
    """A checkout and a PATH with nothing but what is put there; every call is a line of the file `calls`."""
    if not RUN.exists() or any(shutil.which(tool) is None for tool in TOOLS):
        pytest.skip("needs .ci/run, bash and the tools of coreutils")
    (tmp_path / "checkout" / ".ci").mkdir(parents=True)
    shutil.copy(RUN, tmp_path / "checkout" / ".ci" / "run")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))

    def add(name, body=":"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!{shutil.which("bash")}\necho "{name} $*" >> "{tmp_path}/calls"\n{body}\n')
        program.chmod(0o755)

    def run():
        command = [shutil.which("bash"), str(tmp_path / "checkout" / ".ci" / "run")]
        environment = {"PATH": str(tmp_path / "bin"), "TMPDIR": str(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        return done, (tmp_path / "calls").read_text().splitlines()

    add("python3")
    add("make")
    add("id", "echo 0")
    return add, run


def test_a_missing_browser_is_installed_before_the_tests(machine):
    add, run = machine
    add("apt-get")
    done, calls = run()
    assert done.returncode == 0 and done.stderr == ""
    asked = [call for call in calls if call.startswith("apt-get")]
    assert [call.split()[-1] for call in asked] == ["update", "fonts-dejavu-core", "fonts-dejavu-core"]
    assert "--download-only" in asked[1] and "--yes" in asked[2]
    makes = [call for call in calls if call.startswith("make")]
    assert makes == ["make before-suites PYTHON=python3", "make suites PYTHON=python3"] and calls[-1] == makes[-1]


@pytest.mark.parametrize("way", ["fails", "nobody", "elsewhere"])
def test_without_a_browser_the_tests_run_and_a_line_says_so(machine, way):
    add, run = machine
    if way != "elsewhere":
        add("apt-get", 'echo "E: no such package" >&2; exit 100')
    if way == "nobody":
        add("id", "echo 1000")
    done, calls = run()
    assert done.returncode == 0 and calls[-1] == "make suites PYTHON=python3"
    reason = "E: no such package" if way == "fails" else "only root can install it, with apt-get"
    assert f"pages are not tested in a browser: {reason}" in done.stderr
    assert way == "fails" or not [call for call in calls if call.startswith("apt-get")]


def test_a_browser_that_is_there_is_used_and_failing_tests_fail(machine):
    add, run = machine
    for name in ("apt-get", "chromedriver", "google-chrome"):
        add(name)
    add("make", 'test "$1" != suites')
    done, calls = run()
    assert done.returncode == 1 and done.stderr == ""
    assert calls[-1] == "make suites PYTHON=python3" and not [call for call in calls if call.startswith("apt-get")]
