"""How to install a distribution, for error messages.

None of graphnet's distributions is on a package index, so a bare name could fetch another project's code: every command
here names a folder.
"""

from __future__ import annotations

import shlex
from importlib import metadata

from graphnet.core.distribution import FORMER, NAME, canonical, normalized

#: The plugins in the repository of graphnet, and their folders.
OWN_PLUGINS = {
    f"graphnet-{name}": f"./plugins/{name}" for name in ("recurrent", "conv", "activations", "native", "onnx", "ray")
}


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


def other_owners(thorough: bool = True) -> list[str]:
    """Return the other distributions that own the package ``graphnet``, as ``name version``; empty if there is none.

    Such a distribution is another project's ``graphnet``, whose files mix with ours in one folder, or what an
    installation under the former name has left behind.

    Parameters
    ----------
    thorough : bool, default True
        Whether to read the list of files of every distribution, rather than look for the former name alone.
    """
    found = set()
    for distribution in metadata.distributions() if thorough else metadata.distributions(name=FORMER):
        try:
            name = normalized(str(distribution.metadata["Name"]))
            if name != NAME and (name == FORMER or _owns_package(distribution)):
                found.add(f"{name} {distribution.version}")
        except Exception:  # invalid metadata of one distribution
            continue
    return sorted(found)


def _owns_package(distribution: metadata.Distribution) -> bool:
    return any(file.parts[0] == FORMER and len(file.parts) > 1 for file in distribution.files or ())


def owners_note(thorough: bool = False) -> str:
    """Return a sentence about other distributions that own the package; empty if there is none."""
    others = other_owners(thorough)
    if not others:
        return ""
    return (
        f"the package graphnet also belongs to {', '.join(others)}; run: pip uninstall {others[0].split()[0]}, "
        f"then install {NAME} again {how_to_install(NAME)}"
    )
