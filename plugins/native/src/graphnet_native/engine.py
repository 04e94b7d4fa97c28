"""Compiles LLVM IR for this machine, links the objects into this process, and keeps them on disk.

A module is compiled in parts: each of its internal functions, the kernels, is an object of its own, which other
programs use again, and the rest is one object. What is kept under a program's key has all of them, so that a program
seen before is one file and no IR is emitted. Each engine has a linker (LLJIT) of its own: libraries that share one are
never quite given back.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from graphnet.core.concurrency import locks
from graphnet_native import cache as store
from graphnet_native import features
from graphnet_native.ir import Module

#: LLVM's contexts are not for several threads: held while code is compiled and linked, never while it runs.
lock = threading.RLock()


@cache
def binding() -> Any:
    """llvmlite's binding, imported at first use, and ready to compile."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def machine() -> Any:
    """The target machine: a generic processor with the features of the selected level."""
    return _machine(features.selected().flags)


@cache
def _machine(flags: str) -> Any:
    target = binding().Target.from_default_triple()
    return target.create_target_machine(cpu="", features=flags, opt=1, reloc="pic", codemodel="small", jit=True)


def vector_bytes() -> int:
    """The width of the selected level's vectors in bytes."""
    return features.selected().vector_bytes


@cache
def version() -> int:
    """The major version of LLVM."""
    return int(binding().llvm_version_info[0])


@cache
def compiler() -> str:
    """The versions of the compiler."""
    import llvmlite

    return f"{binding().llvm_version_info} {llvmlite.__version__}"


def key_of(*parts: str | bytes) -> str:
    """The name of an object: some parts, and everything else that it depends on."""
    return store.key_of(*parts, features.selected().flags, compiler(), sys.platform, store.source_digest())


def compile_text(text: str) -> bytes:
    """The object of a module's text."""
    with lock:
        module = binding().parse_assembly(text)
        try:
            return bytes(machine().emit_object(module))
        finally:
            module.close()


def compile_module(module: Module) -> list[bytes]:
    """The objects of a module: that of its own functions, and those of its kernels, which other modules share."""
    own, kernels = module.parts()
    return [compile_text(own), *(_kernel(text) for text in kernels)]


def _kernel(text: str) -> bytes:
    key = key_of("kernel", text)
    kept = store.read(key)
    if kept is not None and len(kept) == 1:
        return kept[0]
    made = compile_text(text)
    store.write(key, [made])
    return made


def objects_of(key: str, build: Callable[[], Module]) -> list[bytes]:
    """The objects that are kept under a key; else those of the module that ``build`` emits, which are kept."""
    kept = store.read(key)
    if kept:
        return kept
    made = compile_module(build())
    store.write(key, made)
    return made


class Engine:
    """Functions in memory, which end with the engine.

    Parameters
    ----------
    code : str, Module or sequence of bytes
        The text of a module, a module, or its objects.
    exports : sequence of str
        The functions whose addresses are wanted; every function of a module or text, if empty.
    """

    def __init__(self, code: str | Module | Sequence[bytes], exports: Sequence[str] = ()) -> None:
        if isinstance(code, str):
            exports = exports or _defined(code)
            objects: Sequence[bytes] = [compile_text(code)]
        elif isinstance(code, Module):
            exports = exports or [f.name for f in code.functions.values() if not f.internal]
            objects = compile_module(code)
        else:
            objects = code
        with lock:
            self._library = _link(objects, exports)
        self._addresses: Mapping[str, int] = {name: self._library[name] for name in exports}

    def address(self, name: str) -> int:
        """The address of a function."""
        found = self._addresses.get(name)
        if not found:
            raise RuntimeError(f"the compiled module has no function {name!r}")
        return found


def _defined(text: str) -> list[str]:
    """The functions of a module's text that can be called from outside."""
    heads = [
        line for line in text.splitlines() if line.startswith("define ") and not line.startswith("define internal")
    ]
    return [head.split("@", 1)[1].split("(", 1)[0] for head in heads]


def _link(objects: Sequence[bytes], exports: Sequence[str]) -> Any:
    """Link objects with each other and with the C library; what is returned keeps them in memory."""
    llvm = binding()
    builder = llvm.JITLibraryBuilder().add_current_process()
    for each in objects:
        builder.add_object_img(each)
    for name in exports:
        builder.export_symbol(name)
    return builder.link(llvm.create_lljit_compiler(machine()), "program")


def _renew() -> None:
    """In a forked child: the lock may be held by a thread that the child does not have."""
    global lock
    lock = threading.RLock()


locks.in_child(_renew)
