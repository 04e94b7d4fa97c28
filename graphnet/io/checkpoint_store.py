"""The checkpoints of one run: the newest whole one is found, another one is committed, old ones are removed."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphnet.core.errors import FileError, GraphnetWarning
from graphnet.core.files.border import described
from graphnet.io import filesystem, leftovers
from graphnet.io.checkpoint import CHECKPOINTS, Checkpoint, Entry, entries, name, write
from graphnet.io.draft import remove
from graphnet.io.lock import FolderLock
from graphnet.training.snapshot import Snapshot

#: How many times a reader that finds a checkpoint removed looks for a newer one.
TRIES = 50


class CheckpointStore:
    """Writes the checkpoints of a run whose lock this process holds.

    Parameters
    ----------
    run : Path
        The folder of the run; it has a folder ``checkpoints``.
    lock : FolderLock
    keep : int, at least 1
        The number of checkpoints that are kept.
    facts : mapping of str to JSON value
        What each manifest says: ``backend``, ``model`` and ``versions``.
    """

    def __init__(self, run: Path, lock: FolderLock, keep: int, facts: Mapping[str, Any]) -> None:
        self.run, self.lock, self.keep, self.facts = run, lock, keep, facts

    def commit(self, snapshot: Snapshot, *, resumable: bool = True) -> Path:
        """Write a checkpoint: beside its place, each file and the folder synced, then one rename, which is synced too.

        When this returns, the checkpoint is on the disk. Older ones are removed afterwards.

        Raises
        ------
        FileError
            If it cannot be written, or the folder is not this run's any more; older checkpoints are as they were.
        """
        target = self.run / CHECKPOINTS / name(snapshot.epoch, snapshot.step, end=not resumable)
        temporary = leftovers.temporary(target)
        try:
            self.lock.check()
            write(temporary, snapshot, self.facts, resumable=resumable)
            self.lock.check()
            if os.path.lexists(target):
                self._retire([target])  # not whole, or not resumable: else the run would have gone on from it
            filesystem.rename(temporary, target)
        except OSError as error:
            raise FileError("the checkpoint cannot be written", where=str(target), received=described(error)) from error
        finally:
            if os.path.lexists(temporary):  # only after an error
                with contextlib.suppress(OSError):
                    remove(temporary)
        self.prune()
        return target

    def prune(self) -> None:
        """Remove all but the newest checkpoints; what cannot be removed is tried again next time."""
        found = entries(self.run)
        whole = [entry for entry in found if not entry.end]
        kept = set(whole[: self.keep])
        old = [entry for entry in found if entry not in kept and (whole and entry < whole[0])]
        with contextlib.suppress(OSError):
            self._retire([entry.path for entry in old])
        for left in leftovers.temporaries(self.run / CHECKPOINTS):  # what could not be removed before
            with contextlib.suppress(OSError):
                remove(left)

    def _retire(self, paths: list[Path]) -> None:
        """Remove checkpoints; renamed first, so that one that is half removed is not taken for one that is damaged."""
        system = filesystem.current()
        renamed = []
        for path in paths:
            renamed.append(leftovers.temporary(path))
            filesystem.uninterrupted(lambda path=path: system.rename(path, renamed[-1]))  # type: ignore[misc]
        if renamed:
            filesystem.sync_folder(self.run / CHECKPOINTS)
        for path in renamed:
            with contextlib.suppress(OSError):
                remove(path)


def newest(run: Path, parts: tuple[str, ...] | None = None, *, resumable: bool = False) -> Checkpoint | None:
    """The newest whole checkpoint of a run, read into memory; None if the run has none.

    A run may be in training, and a checkpoint may be removed while it is read: then a newer one is looked for.

    Parameters
    ----------
    run : Path
    parts : tuple of str, optional
        The parts to read; None: all.
    resumable : bool
        Whether it must have all that a run needs to go on.

    Raises
    ------
    FileError
        If there are checkpoints, and none is whole.

    Warns
    -----
    GraphnetWarning
        If the newest one is damaged, and an older one is used.
    """
    failures: dict[Entry, FileError] = {}
    for _ in range(TRIES):
        found = [entry for entry in entries(run) if not (resumable and entry.end)]
        candidates = [entry for entry in found if entry not in failures]
        if not candidates:
            break
        try:
            checkpoint = Checkpoint.read(candidates[0].path, parts)
        except FileNotFoundError as error:
            if os.path.isdir(candidates[0].path):  # one that is being removed has another name by then
                failures[candidates[0]] = _incomplete(candidates[0], error)
            continue
        except FileError as error:
            failures[candidates[0]] = error
            continue
        for failure in failures.values():
            warnings.warn(f"{failure}; {checkpoint.path.name} is used instead", GraphnetWarning, stacklevel=2)
        return checkpoint
    if failures:
        raise next(iter(failures.values()))
    return None


def _incomplete(entry: Entry, error: OSError) -> FileError:
    return FileError(
        "the checkpoint is not complete", where=str(entry.path), received=f"no file {Path(error.filename).name}"
    )


def load(run: str | os.PathLike[str]) -> Snapshot:
    """The snapshot from which a run would go on: that of its newest whole checkpoint.

    Raises
    ------
    FileError
        If the folder has no whole checkpoint, or a file of it cannot be read.
    """
    return load_checkpoint(Path(run)).snapshot()


def load_checkpoint(run: Path) -> Checkpoint:
    """The checkpoint from which a run would go on; see :func:`load`."""
    checkpoint = newest(run, resumable=True)
    if checkpoint is None:
        raise no_checkpoint(run)
    return checkpoint


def no_checkpoint(path: Path) -> FileError:
    """The error for a folder that is not a run, or an old one."""
    folder = os.path.isdir(path)
    return FileError(
        "there is no checkpoint",
        where=str(path),
        expected="the folder of a run with checkpoints, as graphnet train writes it",
        received=("an empty folder" if not os.listdir(path) else "a folder without checkpoints")
        if folder
        else ("a file" if os.path.lexists(path) else "no such folder"),
        remedy="A run of an earlier version cannot be resumed; Model.fit(warm_start=True) goes on from its weights."
        if folder and os.path.isfile(path / "weights.safetensors")
        else None,
    )
