"""The template, with names filled in.

The template's files lie in ``template/`` as they will lie in the new package. Each ends in ``.tmpl``, so that no tool
takes it for code or configuration of graphnet itself; ``__DOT__`` stands for the dot of a hidden file's name.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

from graphnet.cli.scaffold.names import Names
from graphnet.core.errors import ConfigError

SUFFIX = ".tmpl"


def render(names: Names, author: str | None = None) -> dict[str, str]:
    """The files of a new plugin: text by path, with ``/`` between folders, sorted.

    Parameters
    ----------
    names : Names
    author : str, optional
        Who holds the copyright; "The … contributors" unless given.

    Raises
    ------
    ConfigError
        If the author is blank or has characters that do not print, such as line breaks.

    Examples
    --------
    >>> files = render(Names.of("fancy"))
    >>> [path for path in files if path.endswith("scale.py")]
    ['src/graphnet_fancy/scale.py']
    """
    words = _words(names, _author(names, author))
    pattern = re.compile("|".join(words))
    found = {}
    for path, text in _template(resources.files("graphnet.cli.scaffold") / "template"):
        # One pass: what is filled in is never read for placeholders again.
        filled = [pattern.sub(lambda match: words[match[0]], part) for part in (path.removesuffix(SUFFIX), text)]
        found[filled[0]] = filled[1]
    return dict(sorted(found.items()))


def _author(names: Names, given: str | None) -> str:
    author = f"The {names.distribution} contributors" if given is None else given.strip()
    if not author or not author.isprintable():
        raise ConfigError(
            "not an author",
            where="--author",
            expected="a name, in one line",
            received=repr(given),
            remedy='For example: --author "Ada Lovelace"',
        )
    return author


def _words(names: Names, author: str) -> dict[str, str]:
    """What stands for what."""
    return {
        "__DISTRIBUTION__": names.distribution,
        "__PACKAGE__": names.package,
        "__NAME__": names.short,
        "__PREFIX__": names.prefix,
        "__AUTHOR__": author,
        # Quotes and backslashes of a TOML string are escaped as those of a JSON one.
        "__QUOTED_AUTHOR__": json.dumps(author, ensure_ascii=False),
        "__YEAR__": str(datetime.date.today().year),
        "__DOT__": ".",
    }


def _template(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of every file of the template."""
    for each in folder.iterdir():
        if each.is_dir():
            yield from _template(each, f"{above}{each.name}/")
        elif each.name.endswith(SUFFIX):
            yield above + each.name, each.read_text(encoding="utf-8")
