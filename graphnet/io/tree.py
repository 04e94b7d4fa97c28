"""YAML as a tree in which every value has its file, line and key path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from graphnet.core.errors import ConfigError, FileError, unknown

PLAIN = {f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null")}
#: YAML 1.1 reads 017 as 15 and 1:30 as 90; here a number is decimal.
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]{0,999})", re.ASCII)
#: Collections inside each other, and values in a file: far more than a model needs, and read in about a second.
MAX_DEPTH, MAX_VALUES = 512, 250_000
#: Characters of a key path that a message shows.
SHOWN = 300

#: libyaml's parser is ten times as fast; a PyYAML that was built without it has its own.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value: ``file:line: key.path``.

    The path is kept as the last key and the place that contains it, because the paths of all values together are much
    longer than a file that is deeply nested.
    """

    source: str
    line: int
    outer: Place | None = None
    key: str | int = ""

    @property
    def path(self) -> str:
        """The keys that lead to the value, as ``nodes.dense.with``."""
        keys: list[str | int] = []
        place: Place | None = self
        while place is not None and place.outer is not None:
            keys.append(place.key)
            place = place.outer
        text = ""
        for key in reversed(keys):
            text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
        return text

    def __str__(self) -> str:
        path = self.path
        shown = path if len(path) <= SHOWN else f"{path[: SHOWN // 2]}…{path[-SHOWN // 2 :]}"
        return f"{self.source}:{self.line}" + (f": {shown}" if path else "")


@dataclass(frozen=True, slots=True)
class Item:
    """A value and its place; the value is a scalar, a dictionary of Items or a list of Items."""

    value: Any
    place: Place

    # ------------------------------------------------------------------ reading with expectations
    def mapping(self, allowed: Iterable[str] | None = None, required: Iterable[str] = ()) -> dict[str, Item]:
        """The value as a mapping with known keys.

        Raises
        ------
        ConfigError
            If it is not a mapping, has an unknown key, or lacks a required one.
        """
        if not isinstance(self.value, dict):
            raise self.wrong("a mapping")
        known = None if allowed is None else list(allowed)
        for key, item in self.value.items():
            if known is not None and key not in known:
                raise unknown("key", key, known, where=str(item.place), error=ConfigError)
        for key in required:
            if key not in self.value:
                raise ConfigError(
                    f"the key {key!r} is missing", where=str(self.place), expected=key, received=_listed(self.value)
                )
        return dict(self.value)

    def text(self, expected: str = "text") -> str:
        """The value as text.

        Raises
        ------
        ConfigError
            If it has another type.
        """
        if not isinstance(self.value, str):
            error = self.wrong(expected)
            if isinstance(self.value, bool):
                error.remedy = "YAML reads yes, no, on and off as true and false: quote such a name."
            raise error
        return self.value

    def texts(self, expected: str = "names") -> list[str]:
        """The value as a list of texts; a single text is a list of one.

        Raises
        ------
        ConfigError
            If it has another type.
        """
        return [item.text(expected) for item in self.items()]

    def items(self) -> list[Item]:
        """The entries of a list; a scalar is a list of one."""
        return list(self.value) if isinstance(self.value, list) else [self]

    def find(self, key_path: Iterable[str]) -> Item:
        """The value that a path of keys leads to; the last one on the way if the path goes on where nothing is."""
        item = self
        for key in key_path:
            inner = item.value.get(key) if isinstance(item.value, dict) else None
            if inner is None:
                break
            item = inner
        return item

    def wrong(self, expected: str) -> ConfigError:
        """The error for a value of the wrong type or form."""
        return ConfigError("wrong value", where=str(self.place), expected=expected, received=self.described())

    def described(self) -> str:
        """Describe the value in a few words, for messages."""
        if isinstance(self.value, dict):
            return f"a mapping with {_listed(self.value)}"
        if isinstance(self.value, list):
            return f"a list of {len(self.value)}"
        return f"{repr(self.value)[:80]} ({type(self.value).__name__})"


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(keys) or "no keys"


def read(text: str, source: str) -> Item:
    """Parse a YAML text of plain data: without tags, aliases, timestamps and duplicate keys.

    The text is parsed once, event by event, so a text that is nested too deeply, or has too many values, is refused
    where it becomes so.

    Raises
    ------
    FileError
        With file and line.
    """
    try:
        return _Tree(source).read(yaml.parse(text, Loader=Loader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        if "nesting depth" in problem:  # libyaml's own limit, which it may reach first because it reads ahead
            raise too_deep(f"{source}:{line}") from None
        raise FileError(f"not valid YAML: {problem}", where=f"{source}:{line}") from None
    except yaml.YAMLError as error:
        raise FileError(f"not valid YAML: {str(error).splitlines()[0]}", where=source) from None


def too_deep(where: str) -> FileError:
    """The error for collections inside each other beyond ``MAX_DEPTH``."""
    return FileError(f"nested more than {MAX_DEPTH} deep", where=where, remedy="Use fewer levels of nested graphs.")


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read; ``key`` is that of the next value of a mapping."""

    item: Item
    key: str | None = None
    line: int = 0


class _Tree:
    """Builds the tree of one text from its events."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.top: Item | None = None
        self.open: list[_Open] = []
        self.values = 0

    def read(self, events: Iterable[yaml.Event]) -> Item:
        for event in events:
            if isinstance(event, yaml.NodeEvent):
                self.node(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self.open.pop()
            elif isinstance(event, yaml.DocumentStartEvent) and self.top is not None:
                raise self.refused("a second document", event, "Write one model in a file.")
        if self.top is None or (self.top.value is None and not self.values):
            raise FileError("the file is empty", where=self.source, expected="a model")
        return self.top

    def node(self, event: yaml.NodeEvent) -> None:
        """Add a scalar, or the beginning of a collection."""
        if isinstance(event, yaml.AliasEvent):
            raise self.refused("aliases are not supported in model files", event, "Repeat the value.")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self.refused(f"the tag {tag[:80]!r} is not plain data", event, "Remove it.")
        self.values += 1
        if self.values > MAX_VALUES:
            raise self.refused(f"more than {MAX_VALUES:,} values", event)
        holder = self.open[-1] if self.open else None
        if holder is not None and isinstance(holder.item.value, dict) and holder.key is None:
            holder.key, holder.line = self.key(event, holder.item.value), _line(event)
            return
        self.value(event, holder)

    def key(self, event: yaml.NodeEvent, known: dict[str, Item]) -> str:
        """The key that an event is."""
        if not isinstance(event, yaml.ScalarEvent) or _kind(event) not in PLAIN.values():
            raise self.refused("a key must be plain text", event)
        name = str(event.value)
        if name in known:
            raise self.refused(f"duplicate key {name[:80]!r}", event)
        return name

    def value(self, event: yaml.NodeEvent, holder: _Open | None) -> None:
        """Add the value that an event is, or begins, to the collection that holds it."""
        place = self.place(event, holder)
        if isinstance(event, yaml.ScalarEvent):
            item = Item(self.scalar(event, place), place)
        else:
            item = Item({} if isinstance(event, yaml.MappingStartEvent) else [], place)
        if holder is None:
            self.top = item
        elif holder.key is not None:
            holder.item.value[holder.key], holder.key = item, None
        else:
            holder.item.value.append(item)
        if not isinstance(event, yaml.ScalarEvent):
            self.open.append(_Open(item))
            if len(self.open) > MAX_DEPTH:
                raise too_deep(f"{self.source}:{_line(event)}")

    def place(self, event: yaml.NodeEvent, holder: _Open | None) -> Place:
        """The place of a value; its line is that of its key, where it has one."""
        if holder is None:
            return Place(self.source, _line(event))
        if holder.key is not None:
            return Place(self.source, holder.line, holder.item.place, holder.key)
        return Place(self.source, _line(event), holder.item.place, len(holder.item.value))

    def scalar(self, event: yaml.ScalarEvent, place: Place) -> Any:
        kind, text = _kind(event), event.value
        if kind not in PLAIN.values():  # a date, << or =
            raise self.refused(f"a {kind} is not supported in model files", event, "Quote it, if it is text.")
        if (kind == "int" and not DECIMAL.fullmatch(text)) or (kind == "float" and ":" in text):
            raise Item(text[:40], place).wrong("a decimal number, or text in quotes")
        return VALUES[kind](text)

    def refused(self, problem: str, event: yaml.Event, remedy: str | None = None) -> FileError:
        return FileError(problem, where=f"{self.source}:{_line(event)}", remedy=remedy)


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1


def _kind(event: yaml.ScalarEvent) -> str:
    """The type of a scalar without a tag, by the rules of YAML 1.1: a quoted one is text."""
    if not event.implicit[0]:
        return "str"
    text = event.value
    for tag, pattern in yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            return PLAIN.get(tag) or str(tag).rpartition(":")[2]
    return "str"


def _float(text: str) -> float:
    text = text.replace("_", "").lower()
    sign = -1.0 if text.startswith("-") else 1.0
    digits = text.lstrip("+-")
    return sign * float(digits.lstrip(".") if digits in (".inf", ".nan") else digits)


#: The values of scalars by type.
VALUES: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": lambda text: int(text.replace("_", "")),
    "float": _float,
    "bool": lambda text: text.lower() in ("yes", "true", "on"),
    "null": lambda text: None,
}
