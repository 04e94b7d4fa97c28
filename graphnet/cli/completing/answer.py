"""What a shell asks when somebody presses Tab. This file is run on its own and imports nothing of graphnet.

A shell calls it with its own name, the index of the word that is being completed, and all words. It prints one line for
each completion: a type, a value and a help text, separated by tabs. The types are ``plain``; ``part``, after which more
can follow; ``file`` and ``folder``, for which the shell completes paths itself.

The commands, options and names come from a file in the cache, which ``tree`` writes. It holds as long as nothing was
installed since: importing graphnet takes twenty times as long as starting Python.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

#: Files that the folder of a run, or of a saved model, has.
RUN_FILES = ("checkpoints", "weights.safetensors")
#: The most entries of a folder that are looked at.
MOST = 2000

Line = tuple[str, str, str]


# ---------------------------------------------------------------------- the cache
def environment() -> str:
    """What changes when something is installed, or graphnet itself is changed: a hash."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parts = [sys.version, sys.prefix, *(f"{name}={os.environ.get(name)}" for name in sorted(os.environ)
                                        if name.startswith("GRAPHNET_"))]  # fmt: skip
    for folder in [*sys.path, here]:
        try:
            parts.append(f"{folder} {os.stat(folder).st_mtime_ns}")
        except OSError:
            continue
    with os.scandir(here) as entries:
        parts += sorted(f"{entry.name} {entry.stat().st_mtime_ns}" for entry in entries if entry.name.endswith(".py"))
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()


def place() -> str:
    """The path of the file for this Python."""
    base = os.environ.get("GRAPHNET_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "graphnet"
    )
    return os.path.join(base, f"completion-{hashlib.sha256(sys.prefix.encode()).hexdigest()[:16]}.json")


def known_tree(fingerprint: str) -> dict[str, Any] | None:
    """The tree in the cache; None if there is none for this environment."""
    try:
        with open(place(), encoding="utf-8") as file:
            found = json.load(file)
        return found["tree"] if found["environment"] == fingerprint else None  # type: ignore[no-any-return]
    except (OSError, ValueError, KeyError, TypeError):
        return None


# ---------------------------------------------------------------------- completing
def lines(tree: dict[str, Any], words: Sequence[str], incomplete: str) -> Iterator[Line]:
    """The completions after some words of a command line, without the program itself.

    Parameters
    ----------
    tree : mapping
        As ``tree.build`` returns it.
    words : sequence of str
    incomplete : str
        The beginning of the next word.
    """
    command, taken, used, waiting, literal = _read(tree["command"], words)
    name, equals, begun = incomplete.partition("=")
    if waiting is not None:
        yield from values(tree, waiting["takes"], incomplete)
    elif incomplete.startswith("-") and not literal:
        option = _option(command, name) if equals else None
        if option is not None:
            yield from values(tree, option["takes"], begun)
        yield from _options(command, incomplete, used)
    elif command["commands"] and taken == 0:
        for inner, found in command["commands"].items():
            if inner.startswith(incomplete):
                yield "plain", inner, found["help"]
    elif command["arguments"]:
        expected = command["arguments"][min(taken, len(command["arguments"]) - 1)]
        if taken < len(command["arguments"]) or expected["many"]:
            yield from values(tree, expected["takes"], incomplete)


def _read(command: dict[str, Any], words: Sequence[str]) -> tuple[dict[str, Any], int, set[str], Any, bool]:
    """The command that the words name, its arguments so far, the options used, one that waits for a value, and --."""
    taken, used, waiting, literal = 0, set(), None, False
    for word in words:
        if waiting is not None:
            waiting = None
        elif word == "--" and not literal:
            literal = True
        elif word.startswith("-") and len(word) > 1 and not literal:
            name, equals, _ = word.partition("=")
            option = _option(command, name)
            used.add(name)
            waiting = option if option is not None and option["takes"] and not equals else None
        elif word in command["commands"] and not taken:
            command, used = command["commands"][word], set()
        else:
            taken += 1
    return command, taken, used, waiting, literal


def _option(command: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((option for option in command["options"] if name in option["names"]), None)


def _options(command: dict[str, Any], incomplete: str, used: set[str]) -> Iterator[Line]:
    for option in command["options"]:
        if option["many"] or not used.intersection(option["names"]):
            for name in option["names"]:
                if name.startswith(incomplete) and (name.startswith("--") or incomplete == name):
                    yield "plain", name, option["help"]


def values(tree: dict[str, Any], takes: Any, incomplete: str) -> Iterator[Line]:
    """The completions of a value: ``takes`` is a list of values, or the name of what is wanted, or several of both."""
    for kind in takes if isinstance(takes, list) else [takes]:
        if isinstance(kind, dict):
            yield from _choices(kind["choices"], incomplete)
        elif kind == "runs":
            yield from _runs(incomplete)
        elif kind in ("file", "folder"):
            yield kind, "", ""
        elif kind.endswith(","):
            before, comma, last = incomplete.rpartition(",")
            chosen = before.split(",")
            for name in tree["names"].get(kind[:-1], ()):
                if name.startswith(last) and name not in chosen:
                    yield "part", f"{before}{comma}{name}", ""
        else:
            yield from _choices(tree["names"].get(kind, ()), incomplete)


def _choices(names: Sequence[str], incomplete: str) -> Iterator[Line]:
    for name in names:
        if name.startswith(incomplete):
            yield "plain", name, ""


def _runs(incomplete: str) -> Iterator[Line]:
    """Folders of runs that begin so, those in ``runs`` if nothing is typed yet, and folders that lead to others."""
    typed, name = os.path.split(incomplete)
    start = os.path.expanduser(typed) or "."
    shown = list(_folders(start, typed, name))
    if not typed and not any(kind == "plain" for kind, _, _ in shown) and "runs".startswith(name):
        found = list(_folders("runs", "runs", ""))
        shown = found or shown
    yield from shown or [("folder", "", "")]


def _folders(start: str, typed: str, name: str) -> Iterator[Line]:
    try:
        with os.scandir(start) as entries:
            some = sorted(entry.name for _, entry in zip(range(MOST), entries, strict=False) if entry.is_dir())
    except OSError:
        return
    for folder in some:
        if folder.startswith(name) and (name.startswith(".") or not folder.startswith(".")):
            path = os.path.join(typed, folder)
            inside = os.path.join(start, folder)
            if any(os.path.exists(os.path.join(inside, file)) for file in RUN_FILES):
                yield "plain", path, ""
            else:
                yield "part", f"{path}/", ""


# ---------------------------------------------------------------------- shells
def joined(words: Sequence[str], index: int) -> tuple[list[str], str]:
    """The words before the present one, and what there is of it; bash has cut ``--option=value`` into three.

    Examples
    --------
    >>> joined(["graphnet", "train", "--backend", "=", "nu"], 4)
    (['train'], '--backend=nu')
    """
    whole: list[str] = []
    for word in words[1 : index + 1] or [""]:
        if whole and whole[-1].startswith("--") and (word == "=" or whole[-1].endswith("=")):
            whole[-1] += word
        else:
            whole.append(word)
    if index >= len(words):
        whole.append("")
    return whole[:-1], whole[-1]


def answer(shell: str, index: int, words: Sequence[str]) -> Iterator[str]:
    """The lines for a shell."""
    before, incomplete = joined(words, index)
    fingerprint = environment()
    tree = known_tree(fingerprint)
    if tree is None:
        from graphnet.cli.completing.tree import build, store

        tree = build()
        store(place(), fingerprint, tree)
    option = f"{incomplete.partition('=')[0]}=" if incomplete.startswith("--") and "=" in incomplete else ""
    prefix = "" if shell == "bash" else option
    for kind, value, text in lines(tree, before, incomplete):
        yield f"{kind}\t{prefix if kind in ('plain', 'part') else ''}{value}\t{text}"


def main() -> None:
    """Print the answer; nothing, and no error, where there is none."""
    try:
        shell, index, *words = sys.argv[1:]
        text = "".join(f"{line}\n" for line in answer(shell, int(index), words))
        sys.stdout.write(text)
        sys.stdout.flush()
    except Exception:  # a shell shows what is printed here in the middle of a command line
        sys.exit(1)


if __name__ == "__main__":
    main()
