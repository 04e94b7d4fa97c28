"""The names that a new plugin goes by, all from one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphnet.core.errors import ConfigError
from graphnet.plugins import discovery
from graphnet.plugins.versions import normalized

#: What a distribution's name may look like at all (PyPA's core metadata, field Name).
_DISTRIBUTION = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.ASCII | re.IGNORECASE)
#: What comes after ``graphnet-``, normalised: it begins class names as well, so it begins with a letter.
_SHORT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
#: Longest short name: lines and paths of the files stay within usual limits.
LONGEST = 40
#: Words that stand for something else where plugins are named.
RESERVED = {"none": "the setting for no plugins at all", "builtin": "graphnet's own objects"}


@dataclass(frozen=True)
class Names:
    """What a plugin is called in each place.

    Parameters
    ----------
    short : str
        The entry point: lower case, words joined by dashes.

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
        """The names of a plugin from one of them, with or without ``graphnet-`` in front, in any spelling.

        Raises
        ------
        ConfigError
            If it is no name for a distribution, a package and a class.
        """
        short = normalized(name)
        short = short.removeprefix("graphnet-")
        if not _DISTRIBUTION.fullmatch(name) or not _SHORT.fullmatch(short) or len(short) > LONGEST:
            raise ConfigError(
                "not a name for a plugin",
                where="new-plugin",
                expected=f"letters (a to z), digits and dashes, a letter first, at most {LONGEST} of them",
                received=repr(name),
                remedy="A name such as fancy makes graphnet-fancy.",
            )
        if short == "graphnet" or short in RESERVED:
            raise ConfigError(
                "the name is reserved",
                where="new-plugin",
                expected="another name",
                received=f"{name!r}, which stands for {RESERVED.get(short, 'graphnet itself')}",
                remedy="A name such as fancy makes graphnet-fancy.",
            )
        return cls(short)

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return f"graphnet-{self.short}"

    @property
    def package(self) -> str:
        """What Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def prefix(self) -> str:
        """What the layers' class names begin with."""
        return "".join(word.capitalize() for word in self.short.split("-"))

    def require_free(self) -> None:
        """Refuse names that an installed plugin has.

        Raises
        ------
        ConfigError
            Naming that plugin.
        """
        for found in discovery.installed():
            if normalized(found.name) == self.short or normalized(found.distribution) == self.distribution:
                raise ConfigError(
                    "the name is taken",
                    where="new-plugin",
                    expected="a name that no installed plugin has",
                    received=f"{self.short}, the entry point {found.name!r} of {found.distribution} {found.version}",
                    remedy="Choose another name, or uninstall that plugin.",
                )
