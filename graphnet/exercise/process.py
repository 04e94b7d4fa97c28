"""Checking a student's files in a child process with limits of time and memory."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphnet.core.checks import number
from graphnet.exercise.finding import FAULT, Finding
from graphnet.exercise.sources import COMPONENTS, Sources, find

#: Default limits: seconds for one class, and MiB of address space for the child.
SECONDS, MEGABYTES = 60.0, 2048


@dataclass
class Report:
    """What was found.

    Attributes
    ----------
    edition : str
    checked : list of str
        The classes that were checked, in order.
    findings : list of Finding
    not_found : list of str
        The files of the exercise that are not there, which does not count as a fault.
    stand_ins : list of str
        The files that are not there and that others import; right ones of the checker stood in.
    """

    edition: str
    checked: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)
    stand_ins: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[Finding]:
        """The findings that are faults."""
        return [finding for finding in self.findings if finding.severity == FAULT]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "edition": self.edition, "checked": self.checked, "passed": not self.faults,
            "findings": [finding.as_dict() for finding in self.findings], "not_found": self.not_found,
            "stand_ins": self.stand_ins,
        }  # fmt: skip


def check(path: str | os.PathLike[str], *, edition: str | None = None, seconds: float = SECONDS,
          megabytes: int = MEGABYTES) -> Report:  # fmt: skip
    """Check a student's solution of the exercise.

    The code runs in a child process with limits of time and memory. That contains mistakes; it does not protect against
    code that means harm, which can do what the user can do.

    Parameters
    ----------
    path : path
        A folder with ``Layers/`` and ``Optimization/``, a flat folder, or one file.
    edition : 'contract' or 'later', optional
        The exercise of 2018 (``toggle_memory``, ``get_weights``), or one of 2019 and after (``memorize``,
        ``testing_phase``); None: by the names that the files use.
    seconds : float
        For one class.
    megabytes : int
        Of address space, where the system can limit it (not on Windows).

    Raises
    ------
    FileError
        If there is no file of the exercise.
    """
    number("check", "seconds", seconds, 0.0, above=True)
    sources = find(Path(path), edition)
    report = Report(sources.edition, not_found=_not_found(sources))
    waiting = list(sources.selected)
    while waiting:
        done = _run(sources, path, waiting, report, seconds, megabytes)
        waiting = waiting[done:]
    consequences(report)
    return report


def _not_found(sources: Sources) -> list[str]:
    if sources.single:
        return []
    missing = [f"{folder}/{names[0]}.py" if folder else f"{names[0]}.py" for name, (folder, names) in COMPONENTS.items()
               if name not in sources.files]  # fmt: skip
    return list(dict.fromkeys(missing))


def _run(sources: Sources, path: Any, names: list[str], report: Report, seconds: float, megabytes: int) -> int:
    """Run one child over some components; returns how many it has dealt with, of which the last may have ended it."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "graphnet.exercise.worker", str(writing), str(Path(path).resolve()), sources.edition,
               ",".join(names), str(megabytes), str(seconds)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(writing,),
        start_new_session=True, env=environment, cwd=sources.root,
    )  # fmt: skip
    os.close(writing)
    try:
        done, begun, timed_out = _read(reading, report, seconds)
    finally:
        os.close(reading)
        _end(child)
    if begun is not None:
        words = (
            f"did not end within {seconds:g} seconds"
            if timed_out
            else f"ended the process ({_ending(child.returncode)})"
        )
        report.checked.append(begun)
        report.findings.append(Finding(begun, "endless" if timed_out else "crash", words, file=sources.files[begun]))
        return done + 1
    return done if done else len(names)


def _ending(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _message(line: bytes) -> dict[str, Any] | None:
    """A report of the child; None if the line is none."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and {"begin", "done", "end"} & set(message) else None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and what it has started."""
    for _ in range(50):  # not reaped yet, so that the number of its group cannot be another's
        if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            break
        time.sleep(0.01)
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    child.wait()


def _read(descriptor: int, report: Report, seconds: float) -> tuple[int, str | None, bool]:
    """Read reports until the child ends: components done, the one that was begun and not done, whether time was up."""
    done, begun, rest = 0, None, b""
    selector = selectors.DefaultSelector()
    selector.register(descriptor, selectors.EVENT_READ)
    deadline = time.monotonic() + seconds + 20.0  # for the start of the interpreter
    while True:
        if not selector.select(max(0.0, deadline - time.monotonic())):
            return done, begun, True
        data = os.read(descriptor, 1 << 16)
        if not data:
            return done, begun, False
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            message = _message(line)
            if message is None:
                continue  # a student's code has written to the descriptor
            deadline = time.monotonic() + seconds
            if "begin" in message:
                begun = message["begin"]
            elif "done" in message:
                done, begun = done + 1, None
                report.checked.append(message["done"])
                report.findings += [Finding(**finding) for finding in message["findings"]]
                report.stand_ins = sorted({*report.stand_ins, *message["stand_ins"]})
            else:
                return done, None, False


#: The classes that a class may be composed of.
PARTS = dict.fromkeys(("RNN", "LSTM"), ("TanH", "Sigmoid", "FullyConnected"))


def consequences(report: Report) -> None:
    """Say of a composed class that its fault may be that of a part."""
    faulty = {finding.component for finding in report.faults}
    for name, parts in PARTS.items():
        wrong = [part for part in parts if part in faulty]
        if name in faulty and wrong:
            words = f"may follow from {' and '.join(wrong)}, if it is composed of them: correct these first"
            report.findings.append(Finding(name, "consequence", words, "note"))
