"""Compiles LLVM IR for this machine and keeps the objects on disk."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from graphnet_native import features

_lock = threading.RLock()


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def machine() -> Any:
    """A target machine: a generic processor with the features of the selected level. An engine owns its machine."""
    _initialize()
    flags = features.selected().flags
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu="", features=flags, opt=1, reloc="pic", codemodel="small", jit=True)


def vector_bytes() -> int:
    """The width of the selected level's vectors in bytes."""
    return features.selected().vector_bytes


def version() -> int:
    """The major version of LLVM."""
    return int(llvm.llvm_version_info[0])


def folder() -> Path | None:
    """Where compiled objects are kept: a private folder of this user; None if there cannot be one."""
    named = os.environ.get("GRAPHNET_CACHE")
    try:
        base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphnet"
        path = base / "native"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except (OSError, RuntimeError):
        return None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        return None  # objects are code: nobody else may have written them
    return path


def key_of(text: str) -> str:
    """The name of an object: everything that it depends on."""
    parts = (
        text,
        features.selected().flags,
        str(llvm.llvm_version_info),
        llvmlite.__version__,
        sys.platform,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Engine:
    """A compiled module; ``address(name)`` of its functions, which end with the engine.

    Parameters
    ----------
    text : str
        LLVM IR.
    """

    def __init__(self, text: str) -> None:
        with _lock:
            self.object = self._object(text)
            module = llvm.parse_assembly("")
            self.engine = llvm.create_mcjit_compiler(module, machine())
            self.engine.add_object_file(llvm.ObjectFileRef.from_data(self.object))
            self.engine.finalize_object()

    def _object(self, text: str) -> bytes:
        key, place = key_of(text), folder()
        path = None if place is None else place / f"{key}.o"
        if path is not None:
            try:
                data = path.read_bytes()
                digest, body = data[:32], data[32:]
                if hashlib.sha256(body).digest() == digest:
                    return body
            except OSError:
                pass
        module = llvm.parse_assembly(text)
        module.verify()
        made: bytes = machine().emit_object(module)
        if path is not None:
            self._keep(path, hashlib.sha256(made).digest() + made)
        return made

    @staticmethod
    def _keep(path: Path, data: bytes) -> None:
        """Write an object whole or not at all; a full or read-only disk costs the cache and nothing else."""
        beside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            beside.write_bytes(data)
            os.replace(beside, path)
        except OSError:
            beside.unlink(missing_ok=True)

    def address(self, name: str) -> int:
        """The address of a function."""
        found: int = self.engine.get_function_address(name)
        if not found:
            raise RuntimeError(f"the compiled module has no function {name!r}")
        return found
