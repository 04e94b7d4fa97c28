"""Calling a student's code: exceptions, endless loops and missing methods become findings."""

from __future__ import annotations

import contextlib
import linecache
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.exercise.finding import FAULT, NOTE, Finding
from graphnet.exercise.matching import Variant, diagnose

#: Seconds for one call of a student's method.
CALL_SECONDS = 4.0
#: How many times as long a call may take that does not compute meanwhile.
PATIENCE = 3
#: The calls that take so long before the limit of a class is reached.
CALLS = 15


class Stop(Exception):
    """Ends a stage of a check whose reason has been reported."""


class TimeUpError(BaseException):
    """A call took too long; not an Exception, so that a student's ``except Exception`` lets it pass."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise a TimeUpError in the block after some seconds, and again until it is left; in the main thread only."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    begun, used = time.monotonic(), time.process_time()

    def time_up(_: int, __: Any) -> None:
        # On a busy computer the clock runs on while the student's code waits: its own time counts, up to a point.
        if time.process_time() - used < 0.5 * seconds and time.monotonic() - begun < PATIENCE * seconds:
            return
        raise TimeUpError

    before = signal.signal(signal.SIGALRM, time_up)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Probe:
    """One class of a student, and what has been found about it.

    Parameters
    ----------
    component : str
    edition : str
        ``contract`` or ``later``.
    root : Path
        The student's folder: lines of files in it are shown.
    file : str or None
        The file, relative to the root.
    """

    def __init__(self, component: str, edition: str, root: Path, file: str | None) -> None:
        self.component, self.edition, self.root, self.file = component, edition, root, file
        self.seconds = CALL_SECONDS
        self.findings: list[Finding] = []
        self.rng = np.random.default_rng(20181217)

    @property
    def contract(self) -> bool:
        """Whether the edition is that of the contract."""
        return self.edition == "contract"

    # ------------------------------------------------------------------ reporting
    def add(self, severity: str, code: str, message: str, method: str = "", line: int | None = None,
            file: str | None = None) -> None:  # fmt: skip
        """Report once."""
        finding = Finding(self.component, code, message, severity, method, file or self.file, line)
        if all((f.code, f.method, f.line) != (code, method, line) for f in self.findings):
            self.findings.append(finding)

    def fault(self, code: str, message: str, method: str = "") -> None:
        """Report a fault."""
        self.add(FAULT, code, message, method)

    def note(self, code: str, message: str, method: str = "") -> None:
        """Report what is worth knowing and not wrong."""
        self.add(NOTE, code, message, method)

    @property
    def faults(self) -> list[Finding]:
        """The faults so far."""
        return [finding for finding in self.findings if finding.severity == FAULT]

    # ------------------------------------------------------------------ calling
    def call(self, method: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a student's function; what goes wrong is reported.

        Raises
        ------
        Stop
            After an exception, or when the time is up.
        """
        arguments = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in arguments)
        try:
            with limited(self.seconds), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return function(*arguments, **named)
        except Stop:
            raise
        except TimeUpError as error:
            words = f"did not end within {self.seconds:g} seconds: an endless loop?"
            self._raised("endless", words, method, error)
        except MemoryError as error:
            self._raised("memory", "asks for more memory than the limit", method, error)
        except SystemExit as error:
            self._raised("exit", "ends the program (sys.exit or exit)", method, error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and not self._line(error)[0]:
                raise
            words = " ".join(str(error).split())[:200]
            self._raised("exception", f"raises {type(error).__name__}{': ' + words if words else ''}", method, error)
        raise Stop

    def _raised(self, code: str, message: str, method: str, error: BaseException) -> None:
        file, line, text = self._line(error)
        if text:
            message = f"{message}, in the line `{text}`"
        self.add(FAULT, code, message, method, line or None, file or None)

    def _line(self, error: BaseException) -> tuple[str, int, str]:
        """The last line of a student's own file in a traceback: file, number, text."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename.startswith("<"):
                continue  # not a file
            with contextlib.suppress(ValueError, OSError):
                relative = Path(frame.filename).resolve().relative_to(self.root)
                number = frame.lineno or 0
                return str(relative), number, linecache.getline(frame.filename, number).strip()
        if isinstance(error, SyntaxError) and error.filename:
            path = Path(error.filename).resolve()
            name = str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name
            return name, error.lineno or 0, (error.text or "").strip()
        return "", 0, ""

    def method(self, thing: Any, name: str, *, required: bool = True) -> Callable[..., Any] | None:
        """A method of a student's object; a missing one is reported if it is required."""
        found = getattr(thing, name, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
        if required:
            self.fault("missing-method", f"has no method {name}", name)
        return None

    def do(self, thing: Any, name: str, *arguments: Any) -> Any:
        """Call a method that the exercise asks for.

        Raises
        ------
        Stop
        """
        found = self.method(thing, name)
        if found is None:
            raise Stop
        return self.call(name, found, *arguments)

    def stages(self, *stages: Callable[[], Any]) -> None:
        """Run the stages of a check; a Stop ends its own stage."""
        for stage in stages:
            if any(finding.code in ("endless", "memory") for finding in self.findings):
                return  # the other stages would take as long
            with contextlib.suppress(Stop):
                stage()

    # ------------------------------------------------------------------ comparing
    def compare(
        self,
        method: str,
        actual: Any,
        right: Any,
        variants: Iterable[Variant] = (),
        sizes: Mapping[str, int] | None = None,
        what: str = "the result",
        terms: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether a result is right; otherwise the fault is named."""
        found = diagnose(actual, right, variants, sizes, terms)
        if found is None:
            return True
        continues = found.message.split()[0] in ("is", "has", "uses", "contains", "differs")
        self.fault(
            found.code, f"{what} {found.message}" if continues and what not in found.message else found.message, method
        )
        return False
