"""YAML as a tree in which every value has its file, line and key path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from graphnet.core.errors import ConfigError, FileError, unknown

PLAIN = {f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq")}
#: YAML 1.1 reads 017 as 15 and 1:30 as 90; here a number is decimal.
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]{0,999})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value: ``file:line: key.path``."""

    source: str
    line: int
    path: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" + (f": {self.path}" if self.path else "")


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

    Raises
    ------
    FileError
        With file and line.
    """
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            _check_event(event, source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise FileError("the file is empty", where=source, expected="a model")
        return _item(node, source, "")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise FileError(f"not valid YAML: {problem}", where=f"{source}:{line}") from None
    except yaml.YAMLError as error:
        raise FileError(f"not valid YAML: {str(error).splitlines()[0]}", where=source) from None


def _check_event(event: yaml.Event, source: str) -> None:
    """Refuse aliases and tags."""
    if isinstance(event, yaml.AliasEvent):
        raise _refused("aliases are not supported in model files", source, event, "Repeat the value.")
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise _refused(f"the tag {tag!r} is not plain data", source, event, "Remove it.")


def _refused(problem: str, source: str, node: Any, remedy: str | None = None) -> FileError:
    return FileError(problem, where=f"{source}:{node.start_mark.line + 1}", remedy=remedy)


def _item(node: yaml.Node, source: str, path: str, line: int | None = None) -> Item:
    """The tree below a node; ``line`` is that of its key, where it has one."""
    place = Place(source, node.start_mark.line + 1 if line is None else line, path)
    if node.tag not in PLAIN:
        kind = node.tag.rpartition(":")[2]  # a date, << or =
        raise _refused(f"a {kind} is not supported in model files", source, node, "Quote it, if it is text.")
    if isinstance(node, yaml.MappingNode):
        return Item(dict(_pairs(node, source, path)), place)
    if isinstance(node, yaml.SequenceNode):
        return Item([_item(child, source, f"{path}[{i}]") for i, child in enumerate(node.value)], place)
    return Item(_scalar(node.value, node, place), place)


def _scalar(text: str, node: yaml.Node, place: Place) -> Any:
    """The value of a scalar."""
    kind = PLAIN[node.tag]
    if kind == "str":
        return text
    if (kind == "int" and not DECIMAL.fullmatch(text)) or (kind == "float" and ":" in text):
        raise Item(text[:40], place).wrong("a decimal number, or text in quotes")
    return getattr(yaml.constructor.SafeConstructor(), f"construct_yaml_{kind}")(node)


def _pairs(node: yaml.MappingNode, source: str, path: str) -> Iterator[tuple[str, Item]]:
    seen: set[str] = set()
    for key, value in node.value:
        name = key.value
        if not isinstance(key, yaml.ScalarNode) or key.tag not in PLAIN:
            raise _refused("a key must be plain text", source, key)
        if name in seen:
            raise _refused(f"duplicate key {name!r}", source, key)
        seen.add(name)
        yield name, _item(value, source, f"{path}.{name}" if path else name, key.start_mark.line + 1)
