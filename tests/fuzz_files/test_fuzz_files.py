"""Damaged files are read, or refused with an error of graphnet, quickly and in little memory."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from fuzz_files.damage import ONNX, damaged, onnx_files
from fuzz_files.originals import originals
from fuzz_files.trial import READERS, Finding, read

pytestmark = pytest.mark.slow

CORPUS = sorted(path for path in (Path(__file__).parent / "corpus").iterdir() if path.suffix != ".md")


def test_whole_files_are_read(tmp_path):
    for kind, files in originals().items():
        for data in files:
            (tmp_path / "file").write_bytes(data)
            READERS[kind](tmp_path / "file")


def test_fresh_damage(tmp_path, capsys):
    start = secrets.randbelow(2**40)
    with capsys.disabled():
        print(f"\nfuzz_files: from seed {start}")
    found = [(seed, read(*damaged(seed), tmp_path / "file")) for seed in range(start, start + 400)]
    assert [(seed, finding.name, finding.problem) for seed, finding in found if finding is not None] == []


@pytest.mark.skipif(not ONNX, reason="graphnet-onnx is not installed")
def test_fresh_damage_of_onnx_files(tmp_path, capsys):
    for data in onnx_files():
        (tmp_path / "file").write_bytes(data)
        READERS["onnx"](tmp_path / "file")
    start = secrets.randbelow(2**40)
    with capsys.disabled():
        print(f"\nfuzz_files: ONNX from seed {start}")
    found = [(seed, read(*damaged(seed, "onnx"), tmp_path / "file")) for seed in range(start, start + 150)]
    assert [(seed, finding.name, finding.problem) for seed, finding in found if finding is not None] == []


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_found_before(tmp_path, path):
    assert read(path.name.split("-")[0], path.read_bytes(), tmp_path / "file") is None


def test_a_reader_that_fails_is_noticed(tmp_path, monkeypatch):
    def broken(path):
        raise EOFError("no bytes")

    monkeypatch.setitem(READERS, "npz", broken)
    assert read("npz", b"PK", tmp_path / "file") == Finding("EOFError: no bytes", "npz", b"PK")
