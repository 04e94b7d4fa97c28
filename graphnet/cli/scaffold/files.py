"""The files of a new plugin, from the template.

The template's files lie in ``template/`` at the paths that they have in the new package. Each name ends in ``.tmpl``,
so that no tool reads it as code or configuration of graphnet; ``__DOT__`` stands for the dot of a hidden file's name.
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
    """Return the files of a new plugin: text by path, with ``/`` between folders, sorted.

    Parameters
    ----------
    names : Names
    author : str, optional
        The holder of the copyright; "The … contributors" by default.

    Raises
    ------
    ConfigError
        If the author is blank or contains characters that cannot be printed, such as line breaks.

    Examples
    --------
    >>> files = render(Names.of("fancy"))
    >>> [path for path in files if path.endswith("scale.py")]
    ['src/graphnet_fancy/scale.py']
    """
    values = _placeholders(names, _author(names, author))
    pattern = re.compile("|".join(values))

    def filled(text: str) -> str:
        return pattern.sub(lambda match: values[match[0]], text)  # one pass: values are not searched for placeholders

    template = resources.files("graphnet.cli.scaffold") / "template"
    files = {filled(path.removesuffix(SUFFIX)): filled(text) for path, text in _template_files(template)}
    return dict(sorted(files.items()))


def _author(names: Names, author: str | None) -> str:
    name = f"The {names.distribution} contributors" if author is None else author.strip()
    if not name or not name.isprintable():
        raise ConfigError(
            "invalid author",
            where="--author",
            expected="a name on one line",
            received=repr(author),
            remedy='For example: --author "Ada Lovelace"',
        )
    return name


def _placeholders(names: Names, author: str) -> dict[str, str]:
    """Return the value of each placeholder."""
    return {
        "__DISTRIBUTION__": names.distribution,
        "__PACKAGE__": names.package,
        "__NAME__": names.short,
        "__PREFIX__": names.prefix,
        "__AUTHOR__": author,
        # TOML escapes quotes and backslashes in strings as JSON does.
        "__QUOTED_AUTHOR__": json.dumps(author, ensure_ascii=False),
        "__YEAR__": str(datetime.date.today().year),
        "__DOT__": ".",
    }


def _template_files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every file of the template."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _template_files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield prefix + entry.name, entry.read_text(encoding="utf-8")
