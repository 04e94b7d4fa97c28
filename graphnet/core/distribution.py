"""The version of graphnet, and the name of its distribution, which differs from the name of the package.

Another project owns the name ``graphnet`` on the package index, so the distribution is called ``graphnet-framework``;
the package that it installs, and the command, are called ``graphnet``. Files, ids and options that were written with
the former name of the distribution keep their meaning.
"""

from __future__ import annotations

import re

#: The version, also without metadata: run from sources (PYTHONPATH) or from a frozen program.
VERSION = "0.1.0"
#: The name of the distribution.
NAME = "graphnet-framework"
#: The name of the distribution until 0.1; on the package index, it is another project's.
FORMER = "graphnet"


def normalized(distribution: str) -> str:
    """Return a distribution's name in the normalized form of PEP 503.

    Examples
    --------
    >>> normalized("Graphnet_Fancy..Gates")
    'graphnet-fancy-gates'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def canonical(distribution: str) -> str:
    """Return the normalized name, with the former name of graphnet's own distribution replaced by the current one.

    Examples
    --------
    >>> canonical("graphnet"), canonical("Graphnet_Framework"), canonical("graphnet-recurrent")
    ('graphnet-framework', 'graphnet-framework', 'graphnet-recurrent')
    """
    name = normalized(distribution)
    return NAME if name == FORMER else name
