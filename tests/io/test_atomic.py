"""Files are written whole or not at all."""

import os
import stat
import sys
import threading

import pytest

from graphnet import FileError
from graphnet.io import atomic


def test_write_replaces_file(tmp_path):
    path = tmp_path / "file"
    for data in (b"first", b"", b"third" * 1000):
        atomic.write(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["file"]


def test_failed_rename_keeps_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic.write(path, b"old")

    def full(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FileError, match="cannot be written; received No space left on device"):
        atomic.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_interrupted_write_leaves_no_file(tmp_path, monkeypatch):
    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic.write(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == []


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(FileError, match="No such file or directory"):
        atomic.write(tmp_path / "no" / "file", b"new")
    with pytest.raises(FileError, match="directory"):
        atomic.write(tmp_path, b"new")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")
def test_permissions_are_default_and_links_stay(tmp_path):
    path = tmp_path / "file"
    link = tmp_path / "link"
    link.symlink_to(path)
    (tmp_path / "plain").write_bytes(b"")
    atomic.write(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_replaced_file_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    atomic.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    path, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(path)
    link.symlink_to(path)
    for name in (path, link):
        received = []
        reader = threading.Thread(target=lambda read=received: read.append(path.read_bytes()))
        reader.start()
        atomic.refuse_existing(name)  # a pipe exists, and is not overwritten
        atomic.write(name, b"through")
        reader.join(timeout=10)
        assert received == [b"through"]
        assert stat.S_ISFIFO(path.stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_write_protected_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda name, mode: False)  # for a test that runs as root
    with pytest.raises(FileError, match="write-protected"):
        atomic.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_names_that_no_file_can_have_are_refused(tmp_path):
    for name in ("a\0b", "x" * 300):
        with pytest.raises(FileError, match="cannot be written"):
            atomic.write(tmp_path / name, b"")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileError, match="cannot be written"):
        atomic.write(tmp_path / "loop", b"")
