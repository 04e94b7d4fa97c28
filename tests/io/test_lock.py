"""One writer a folder: a lock that ends with its process, and is checked again before anything is written."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from graphnet import FileError
from graphnet.io.lock import LOCK, FolderLock, Holder, describe, is_locked

pytestmark = pytest.mark.no_plugins
posix = pytest.mark.skipif(sys.platform == "win32", reason="fork and signals of POSIX")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    return path


def forked(action):
    """Run a function in a forked child; returns the process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return pid


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_second_holder_is_refused_and_told_the_first(folder):
    lock = FolderLock(folder)
    with pytest.raises(FileError, match=f"another training is writing.*process {os.getpid()} on .*, since 20"):
        FolderLock(folder)
    assert is_locked(folder) and describe(folder)["pid"] == os.getpid()
    lock.release()
    assert not is_locked(folder) and describe(folder) is None
    FolderLock(folder).release()
    assert os.listdir(folder) == [LOCK]


@posix
def test_lock_of_a_killed_process_is_free(folder):
    pid = forked(lambda: (FolderLock(folder), time.sleep(60)))
    until(lambda: is_locked(folder) and Holder.read(folder) is not None)
    with pytest.raises(FileError, match=f"process {pid} "):
        FolderLock(folder)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    lock = FolderLock(folder)
    lock.check()
    lock.release()


@posix
def test_forked_child_holds_nothing(folder, tmp_path):
    lock = FolderLock(folder)
    refused = tmp_path / "refused"

    def child():
        try:
            lock.check()
        except FileError:
            refused.touch()
        until((tmp_path / "go").exists)

    pid = forked(child)
    until(refused.exists)
    lock.check()
    lock.release()
    FolderLock(folder).release()  # the child lives, and does not keep it
    (tmp_path / "go").touch()
    assert os.waitpid(pid, 0)[1] == 0


def test_started_program_does_not_get_the_lock(folder):
    lock = FolderLock(folder)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    lock.release()
    FolderLock(folder).release()
    child.communicate(b"\n")


@pytest.mark.parametrize("change", ["removed", "replaced", "lock removed", "taken over"])
def test_lost_folder_is_noticed(folder, change):
    lock = FolderLock(folder)
    lock.check()
    other = None
    if change == "taken over":  # as on a network file system whose lock was lost
        (folder / LOCK).write_bytes(Holder(1, "elsewhere", "2020-01-01", "token").encoded())
    elif change == "lock removed":
        (folder / LOCK).unlink()
        other = FolderLock(folder)
    else:
        shutil.rmtree(folder)
        if change == "replaced":
            folder.mkdir()
            other = FolderLock(folder)
    with pytest.raises(FileError, match="not this run's any more"):
        lock.check()
    lock.release()
    if other is not None:
        other.check()
        other.release()


def test_damaged_lock_file_blocks_nothing(folder):
    for content in (b"", b"{", b"\xff" * 5000, b"[1]", b'{"pid": "x"}'):
        (folder / LOCK).write_bytes(content)
        assert Holder.read(folder) is None
        FolderLock(folder).release()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_refused(folder):
    folder.chmod(0o500)
    with pytest.raises(FileError, match="cannot be locked"):
        FolderLock(folder)
    folder.chmod(0o700)
