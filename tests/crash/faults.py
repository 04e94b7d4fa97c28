"""File layers that stop, fail, or do less than asked at one operation."""

import contextlib
import errno
import os
from pathlib import Path

from graphnet.io.filesystem import FileSystem

OPERATIONS = (
    "create", "open", "write", "truncate", "sync", "close", "rename", "mkdir", "unlink", "rmdir", "sync_folder", "lock",
    "permit_folder", "exchange",
)  # fmt: skip
#: What may be done at an operation, beside stopping: an error of the system, or a write of fewer bytes.
ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EROFS", "EINTR", "EDQUOT", "EACCES")}


class Stopped(BaseException):
    """The process has ended: nothing that it does afterwards happens."""


class Faulty(FileSystem):
    """Counts the operations, and does something else at one of them.

    Parameters
    ----------
    at : int or None
        The operation, from 1; None: all of them are done.
    fault : str
        ``stop``: it is not done, nor any later one. ``half``: half of a write is done, then as ``stop``. ``short``: half of
        a write is done, which is not an error. A name in ``ERRORS``: it fails once, and the following are done.
        ``full``: this and every later one that needs room fails with ENOSPC.
    """

    def __init__(self, at=None, fault="stop"):
        self.at, self.fault = at, fault
        self.count = 0
        self.done = []
        self.hit = None
        self.opened = set()

    def _call(self, name, *arguments, **options):
        self.count += 1
        if self.at is not None and self.count >= self.at:
            if self.fault in ("stop", "half"):
                if self.hit is None and self.fault == "half" and name == "write":
                    super().write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                self.hit = self.hit or (name, *arguments)
                raise Stopped
            if self.fault == "full" and name in ("create", "write", "mkdir"):
                self.hit = self.hit or (name, *arguments)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.count == self.at:
                self.hit = (name, *arguments)
                if self.fault == "short" and name == "write":
                    return super().write(arguments[0], arguments[1][: max(1, len(arguments[1]) // 2)])
                if self.fault in ERRORS:
                    if name == "close":
                        super().close(*arguments)  # it is closed whatever it returns
                    raise OSError(ERRORS[self.fault], os.strerror(ERRORS[self.fault]))
        self.done.append(name)
        if name in ("sync", "sync_folder"):
            return None  # a test does not wait for a disk
        result = getattr(super(), name)(*arguments, **options)
        if name in ("create", "open"):
            self.opened.add(result)
        elif name == "close":
            self.opened.discard(arguments[0])
        return result

    def end(self):
        """Close all files, as the end of a process does."""
        while self.opened:
            with contextlib.suppress(OSError):
                os.close(self.opened.pop())


def _counted(name):
    def method(self, *arguments, **options):
        return self._call(name, *arguments, **options)

    return method


for _name in OPERATIONS:
    setattr(Faulty, _name, _counted(_name))


# ---------------------------------------------------------------------- loss of power
class File:
    """The contents of a file: what is on the disk for certain, and the writes that may be."""

    def __init__(self, data=b""):
        self.durable, self.pending = data, []

    def variants(self, random):
        """Contents after a loss of power: some of the pending writes are there, in any order."""
        chosen = [write for write in self.pending if random.random() < 0.5]
        size = max([len(self.durable), *(offset + len(data) for offset, data in chosen)])
        content = bytearray(self.durable.ljust(size, b"\0"))
        for offset, data in chosen:
            content[offset : offset + len(data)] = data
        return bytes(content)


class Folder:
    """The names in a folder: those on the disk for certain, and the changes that may be."""

    def __init__(self, names=()):
        self.durable, self.pending = dict(names), []
        self.now = dict(names)

    def change(self, removed, added, thing):
        self.pending.append((removed, added, thing))
        self._apply(self.now, removed, added, thing)

    @staticmethod
    def _apply(names, removed, added, thing):
        if removed is not None:
            names.pop(removed, None)
        if added is not None:
            names[added] = thing

    def sync(self):
        self.durable, self.pending = dict(self.now), []


class Recording(Faulty):
    """Does all operations, and knows after each of them what a disk might hold if the power failed then.

    Parameters
    ----------
    root : Path
        A folder; what is outside is not looked at.
    after : callable
        Called after each operation.
    """

    def __init__(self, root, after):
        super().__init__()
        self.root, self.after = Path(os.path.realpath(root)), after
        self.tree = self._read(self.root)
        self.handles = {}

    def _read(self, path):
        if path.is_dir():
            return Folder({entry.name: self._read(entry) for entry in path.iterdir()})
        return File(path.read_bytes())

    def _place(self, path):
        """The folder of a path, and the name in it."""
        *folders, name = Path(os.path.abspath(path)).relative_to(self.root).parts or ("",)
        folder = self.tree
        for part in folders:
            folder = folder.now[part]
        return folder, name

    def _call(self, name, *arguments, **options):
        result = super()._call(name, *arguments, **options)
        getattr(self, f"_after_{name}", lambda *_: None)(result, *arguments)
        self.after(self)
        return result

    def _after_create(self, handle, path, *_):
        folder, name = self._place(path)
        file = File()
        folder.change(None, name, file)
        self.handles[handle] = file

    def _after_open(self, handle, path, *_):
        folder, name = self._place(path)
        self.handles[handle] = folder.now[name]

    def _after_write(self, written, handle, data):
        end = os.lseek(handle, 0, os.SEEK_CUR)
        self.handles[handle].pending.append((end - written, bytes(data[:written])))

    def _after_truncate(self, _, handle, size):
        file = self.handles[handle]
        file.durable, file.pending = file.durable[:size], []

    def _after_sync(self, _, handle):
        file = self.handles[handle]
        content = bytearray(file.durable)
        for offset, data in file.pending:
            content[len(content) :] = b"\0" * (offset - len(content))
            content[offset : offset + len(data)] = data
        file.durable, file.pending = bytes(content), []

    def _after_mkdir(self, _, path, *__):
        folder, name = self._place(path)
        folder.change(None, name, Folder())

    def _after_rename(self, _, source, target):
        (before, old), (after, new) = self._place(source), self._place(target)
        thing = before.now[old]
        if before is after:
            after.change(old, new, thing)
        else:
            before.change(old, None, thing)
            after.change(None, new, thing)

    def _after_unlink(self, _, path):
        folder, name = self._place(path)
        folder.change(name, None, None)

    _after_rmdir = _after_unlink

    def _after_sync_folder(self, _, path):
        folder, name = self._place(path)
        (folder.now[name] if name else folder).sync()

    def image(self, target, random):
        """Write to a new folder what a disk may hold now."""
        self._write(self.tree, target, random)

    def _write(self, folder, target, random):
        target.mkdir()
        names = dict(folder.durable)
        keep = random.choice(("none", "all", "some", "some"))
        for removed, added, thing in folder.pending:
            if keep == "all" or (keep == "some" and random.random() < 0.5):
                Folder._apply(names, removed, added, thing)
        for name, thing in names.items():
            if isinstance(thing, Folder):
                self._write(thing, target / name, random)
            else:
                (target / name).write_bytes(thing.variants(random))
