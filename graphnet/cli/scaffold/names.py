"""The names of a new plugin: distribution, package, entry point and prefix of class names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphnet.core.distribution import FORMER, NAME, normalized
from graphnet.core.errors import ConfigError
from graphnet.plugins import discovery

#: Valid names of distributions (PyPA's core metadata, field Name).
_DISTRIBUTION = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.ASCII | re.IGNORECASE)
#: The part after ``graphnet-``, normalized; class names begin with it, so it begins with a letter.
_SHORT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
#: Longest short name, so that lines and paths of the files stay within usual limits.
LONGEST = 40
#: Names with another meaning in options that select plugins.
RESERVED = {"none": "the setting for no plugins at all", "builtin": "graphnet's own objects"}


@dataclass(frozen=True)
class Names:
    """The names of one plugin, all derived from its short name.

    Parameters
    ----------
    short : str
        The name of the entry point: lower case, words joined by dashes.

    Examples
    --------
    >>> names = Names.of("Fancy_Gates")
    >>> names.short, names.distribution, names.package, names.prefix
    ('fancy-gates', 'graphnet-fancy-gates', 'graphnet_fancy_gates', 'FancyGates')
    >>> Names.of("graphnet-fancy").short
    'fancy'
    """

    short: str

    @classmethod
    def of(cls, name: str) -> Names:
        """Return the names of a plugin from one of them, with or without the prefix ``graphnet-``, in any spelling.

        Raises
        ------
        ConfigError
            If it is not valid as the name of a distribution, a package and a class.
        """
        short = normalized(name)
        short = short.removeprefix("graphnet-")
        if not _DISTRIBUTION.fullmatch(name) or not _SHORT.fullmatch(short) or len(short) > LONGEST:
            raise ConfigError(
                "invalid plugin name",
                where="new-plugin",
                expected=f"letters (a to z), digits and dashes, beginning with a letter, at most {LONGEST} characters",
                received=repr(name),
                remedy="A name such as fancy makes graphnet-fancy.",
            )
        if normalized(name) in (NAME, FORMER) or short == FORMER or short in RESERVED:
            raise ConfigError(
                "the name is reserved",
                where="new-plugin",
                expected="another name",
                received=f"{name!r}, which means {RESERVED.get(short, 'graphnet itself')}",
                remedy="A name such as fancy makes graphnet-fancy.",
            )
        return cls(short)

    @property
    def distribution(self) -> str:
        """The name for pip."""
        return f"graphnet-{self.short}"

    @property
    def package(self) -> str:
        """The name for ``import``."""
        return self.distribution.replace("-", "_")

    @property
    def prefix(self) -> str:
        """The prefix of the layers' class names."""
        return "".join(word.capitalize() for word in self.short.split("-"))

    def require_free(self) -> None:
        """Raise ConfigError if an installed plugin has one of the names.

        Raises
        ------
        ConfigError
            With the name of that plugin.
        """
        for plugin in discovery.installed():
            if normalized(plugin.name) == self.short or normalized(plugin.distribution) == self.distribution:
                raise ConfigError(
                    "the name is taken",
                    where="new-plugin",
                    expected="a name that no installed plugin has",
                    received=f"{self.short}, the entry point {plugin.name!r} of {plugin.distribution} {plugin.version}",
                    remedy="Choose another name, or uninstall that plugin.",
                )
