"""How to install a distribution, for error messages.

None of graphnet's distributions is on a package index, so a bare name could fetch another project's code: every command
here names a folder.
"""

from __future__ import annotations

import shlex

from graphnet.core.distribution import NAME, canonical

#: The plugins in the repository of graphnet, and their folders.
OWN_PLUGINS = {f"graphnet-{name}": f"./plugins/{name}" for name in ("recurrent", "conv", "activations", "native")}


def how_to_install(*distributions: str, requirement: str = "") -> str:
    """Return a clause, without a full stop, that says how to install one or several distributions.

    Parameters
    ----------
    *distributions : str
    requirement : str, default ""
        The versions of the last one, as ``>=0.1,<2``; any if empty.

    Examples
    --------
    >>> how_to_install("graphnet_recurrent")
    'from a checkout of graphnet: pip install . ./plugins/recurrent'
    >>> how_to_install("graphnet-fancy", requirement=">=2")
    "from the folder of its wheels: pip install --no-index --find-links FOLDER 'graphnet-fancy>=2'"
    """
    names = [canonical(name) for name in distributions]
    if all(name == NAME or name in OWN_PLUGINS for name in names):
        folders = dict.fromkeys([".", *(OWN_PLUGINS[name] for name in names if name != NAME)])
        return f"from a checkout of graphnet: pip install {' '.join(folders)}"
    wanted = [*distributions[:-1], f"{distributions[-1]}{''.join(requirement.split())}"]
    return "from the folder of its wheels: pip install --no-index --find-links FOLDER " + " ".join(
        map(shlex.quote, wanted)
    )
