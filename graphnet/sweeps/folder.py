"""The folder of a sweep: what it was started with, its journal, its results, and the folders of its runs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError
from graphnet.core.files.source import read_bytes
from graphnet.io import run_list
from graphnet.io.draft import Draft, refuse_used, unusable
from graphnet.io.lock import FolderLock, busy, is_locked
from graphnet.io.run_folder import numbered, relative
from graphnet.io.sweep_files import FORMAT, SWEEP
from graphnet.sweeps.file import SweepFile, Template
from graphnet.sweeps.journal import JOURNAL, Journal

#: The copies of the SWEEP.yaml and of the model file.
FILE, BASE = "sweep.yaml", "base.yaml"
FACTS = ("objective", "direction", "epochs", "wanted")


@dataclass
class SweepFolder:
    """The folder of a sweep, locked by this process.

    Attributes
    ----------
    path : Path
    lock : FolderLock
    file : SweepFile
    template : Template
    facts : dict
        ``objective`` and its ``direction``, ``epochs`` of a whole run, ``wanted`` trials.
    """

    path: Path
    lock: FolderLock
    file: SweepFile
    template: Template
    facts: dict[str, Any]

    @classmethod
    def create(
        cls, file: SweepFile, template: Template, facts: dict[str, Any], output: Path | None, runs: Path
    ) -> SweepFolder:
        """A new folder: ``output``, or ``runs/NAME-sweep-001`` with the next free number.

        Raises
        ------
        FileError
            If it cannot be created, or ``output`` is not empty.
        """
        draft = None
        try:
            target = numbered(runs, f"{template.name}-sweep") if output is None else output
            draft = Draft(target, locked=True)
            about = {
                "format": FORMAT,
                "model": template.source,
                "name": template.name,
                "model_folder": relative(template.folder, target),
                "sweep_folder": relative(file.folder, target),
                **facts,
            }
            draft.write(FILE, [file.text.encode()])
            draft.write(BASE, [template.text.encode()])
            draft.write(JOURNAL, [b""])
            draft.write(SWEEP, [(json.dumps(about, indent=2) + "\n").encode()])
            path = _placed(draft, target, output)
            assert draft.lock is not None
            return cls(path, draft.lock, file, template, facts)
        except OSError as error:
            raise unusable(runs if output is None else output, error) from error
        finally:
            if draft is not None and draft.path != draft.target:
                draft.discard()

    @classmethod
    def open(cls, path: Path) -> SweepFolder:
        """The folder of a sweep that goes on.

        Raises
        ------
        FileError
            If it is not that of a sweep, or another process is writing to it.
        """
        about = facts_of(path)
        if is_locked(path):
            raise busy(path)
        lock = FolderLock(path)
        try:
            text = read_bytes(path / FILE, "a sweep file").decode()
            file = SweepFile.parse(text, str(path / FILE), path / str(about["sweep_folder"]))
            base = read_bytes(path / BASE, "a model file").decode()
            template = Template(base, str(path / BASE), path / str(about["model_folder"]), str(about["name"]))
            run_list.clean(path)
        except BaseException:
            lock.release()
            raise
        return cls(path, lock, file, template, {name: about[name] for name in FACTS})

    def journal(self) -> Journal:
        """The journal.

        Raises
        ------
        FileError
            If it is damaged.
        """
        return Journal(self.path / JOURNAL)


def facts_of(path: Path) -> dict[str, Any]:
    """The facts of a sweep.

    Raises
    ------
    FileError
        If the folder is not that of a sweep.
    """
    if not (path / SWEEP).is_file():
        received = "a folder without sweep.json" if path.is_dir() else "a file" if path.exists() else "nothing there"
        raise FileError("not a sweep", where=str(path), expected="the folder of a sweep", received=received)
    try:
        about = json.loads(read_bytes(path / SWEEP, "the facts of a sweep"))
        known = {"format", "name", "model_folder", "sweep_folder", *FACTS} <= set(about)
    except (ValueError, TypeError, RecursionError):
        about, known = {}, False
    if not known or about["format"] != FORMAT:
        written = about.get("format") if isinstance(about, dict) else None
        raise FileError("not a sweep of this version", where=str(path / SWEEP), expected=FORMAT, received=written)
    return about  # type: ignore[no-any-return]


def _placed(draft: Draft, target: Path, given: Path | None) -> Path:
    """Let the folder appear: in its place, or under the next free number."""
    while True:
        try:
            draft.commit(target)
            return target
        except FileExistsError:
            if given is not None:
                refuse_used(given)
                raise
            stem, number = target.name.rsplit("-", 1)
            target = target.with_name(f"{stem}-{int(number) + 1:03d}")


def model_source(file: SweepFile) -> Path:
    """The path of the model file."""
    return file.folder / os.path.expanduser(os.fspath(file.sweep.model))
