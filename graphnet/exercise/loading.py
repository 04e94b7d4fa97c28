"""Importing a student's files, in either layout of folders, with stand-ins for files that are not there."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from graphnet.exercise import standins
from graphnet.exercise.probe import Probe, Stop
from graphnet.exercise.sources import COMPONENTS, Sources

FOLDERS = ("Layers", "Optimization")


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the exercise's modules that a student imports and does not have; the last of all finders."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """A module of the exercise by its last name."""
        folder, _, last = name.rpartition(".")
        if last in standins.MODULES and folder in ("", *FOLDERS):
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec: Any) -> None:
        """The default module."""
        return

    def exec_module(self, module: ModuleType) -> None:
        """Put the classes into the module; a base class is found by any name."""
        last = module.__name__.rpartition(".")[2]
        self.used.add(last)
        for cls in standins.MODULES[last]:
            setattr(module, cls.__name__, cls)
        if last == "Base":
            module.__getattr__ = _base_class  # type: ignore[method-assign]


def _base_class(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return standins.BaseLayer


@contextlib.contextmanager
def importing(sources: Sources) -> Iterator[StandInFinder]:
    """Let the student's modules be imported inside the block; afterwards they are forgotten, output is discarded."""
    finder = StandInFinder()
    path, modules, stdout, stdin = list(sys.path), dict(sys.modules), sys.stdout, sys.stdin
    bytecode = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    root = sources.root
    sys.path[:0] = [str(root), *(str(root / folder) for folder in FOLDERS if (root / folder).is_dir())]
    sys.meta_path.append(finder)
    importlib.invalidate_caches()
    names = (
        {name for _, files in COMPONENTS.values() for name in files}
        | set(standins.MODULES)
        | {*FOLDERS, "NeuralNetwork"}
    )
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]
    for folder in FOLDERS:
        _package(root, folder)
    sys.stdout, sys.stdin = _Discard(), io.StringIO()
    try:
        yield finder
    finally:
        sys.stdout, sys.stdin, sys.dont_write_bytecode = stdout, stdin, bytecode
        sys.meta_path.remove(finder)
        sys.path[:] = path
        for name in set(sys.modules) - set(modules):
            origin = getattr(sys.modules[name], "__file__", None) or ""
            if origin.startswith(str(root)) or name.partition(".")[0] in names:
                del sys.modules[name]


class _Discard(io.TextIOBase):
    """Where a student's prints go."""

    def write(self, text: str) -> int:
        return len(text)


def _package(root: Path, folder: str) -> None:
    """A package for a folder; in a flat layout the root itself is its content."""
    package = ModuleType(folder)
    places = [str(place) for place in (root / folder, root) if place.is_dir()]
    package.__path__ = places
    package.__spec__ = importlib.machinery.ModuleSpec(folder, None, is_package=True)
    package.__spec__.submodule_search_locations = places
    sys.modules[folder] = package


def student_class(probe: Probe, sources: Sources, component: str) -> Any:
    """Import a component's class.

    Raises
    ------
    Stop
        If the file cannot be imported, or the class is not in it; that is reported.
    """
    file = Path(sources.files[component])
    name = ".".join([*file.parts[:-1], file.stem])
    if len(file.parts) == 1 and COMPONENTS[component][0]:
        name = f"{COMPONENTS[component][0]}.{file.stem}"
    try:
        module = probe.call("import", importlib.import_module, name)
    except Stop:
        _explain_missing(probe, sources)
        raise
    found = getattr(module, component, None)
    if found is None:
        found = next((value for key, value in vars(module).items() if key.lower() == component.lower()), None)
        if found is not None and isinstance(found, type):
            probe.fault("class-name", f"the class is called {found.__name__}, expected {component}", "import")
    if not isinstance(found, type):
        if len([c for c, f in sources.files.items() if f == sources.files[component]]) > 1:
            probe.note("not-found", f"{file} has no class {component}", "import")
        else:
            probe.fault("class-missing", f"{file} has no class {component}", "import")
        raise Stop
    return found


def _explain_missing(probe: Probe, sources: Sources) -> None:
    """An import of a module that is neither the student's nor installed is not a fault of the solution."""
    last = probe.findings[-1]
    if "ModuleNotFoundError" in last.message:
        probe.findings[-1] = type(last)(last.component, "not-installed", f"not checked: {last.message}", "note", "import",
                                        last.file, last.line)  # fmt: skip
