"""Check the licence of every package that graphnet, its plugins or their tests install.

    python scripts/licences.py
    python scripts/licences.py --docs      those of the manual, in its environment (make docs)

The packages are those of requirements.lock, or of docs/requirements.lock, that are installed here, with everything that
they require. A licence is
read from a package's metadata: License-Expression, else the classifiers, else License. The exit code is 1 if one is
unknown, or not among the permissive ones below.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from distributions import discover, normalized
from lock import DOCS_LOCK, LOCK, locked

#: Licences with which an MIT project may be used, changed and distributed without further conditions on its own code.
PERMISSIVE = (
    "MIT", "MIT-CMU", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "PSF-2.0", "Python-2.0", "ISC", "HPND",
    "Zlib", "Unlicense", "CC0-1.0",
)  # fmt: skip
#: Weak copyleft: its own files stay under it. Accepted for tools and for data that are not distributed with graphnet.
FOR_TOOLS = ("MPL-2.0", "LGPL-3.0-or-later", "GPL-3.0-only WITH GCC-exception-3.1", "LLVM-exception")
#: Classifiers and free text that stand for one of the above.
WORDS = {
    r"\bMIT\b": "MIT", r"3-Clause|New BSD|Modified BSD|BSD 3": "BSD-3-Clause", r"2-Clause": "BSD-2-Clause",
    r"\bBSD\b": "BSD-3-Clause", r"Apache": "Apache-2.0", r"Python Software Foundation|PSF": "PSF-2.0",
    r"\bISC\b": "ISC", r"HPND": "HPND", r"Mozilla|MPL": "MPL-2.0", r"Unlicense": "Unlicense",
}  # fmt: skip

#: Packages whose metadata state none: what the licence file in their wheel says.
IN_FILES = {"resvg-py": "MIT"}


def licence(distribution: metadata.Distribution) -> str:
    """Return the licence that the metadata of a package state; empty if they state none."""
    fields: Any = distribution.metadata
    expression = fields.get("License-Expression")
    if expression:
        return expression
    classifiers = [c for c in fields.get_all("Classifier") or [] if c.startswith("License ::")]
    text = " ".join(c.rpartition("::")[2] for c in classifiers) or (fields.get("License") or "")[:300]
    found = dict.fromkeys(name for pattern, name in WORDS.items() if re.search(pattern, text))
    return " OR ".join(found) or IN_FILES.get(normalized(str(fields.get("Name"))), "")


def accepted(expression: str) -> bool:
    """Whether every licence of an expression is accepted, or one of its alternatives.

    Examples
    --------
    >>> accepted("Apache-2.0 OR BSD-2-Clause"), accepted("MIT AND GPL-3.0-only"), accepted("")
    (True, False, False)
    """
    known = (*PERMISSIVE, *FOR_TOOLS)
    words = expression.replace("(", " ").replace(")", " ")
    return any(
        all(part.strip() in known or part.partition(" WITH ")[0].strip() in known for part in words_of.split(" AND "))
        for words_of in words.split(" OR ")
    )


def packages(lock: Path = LOCK) -> dict[str, metadata.Distribution]:
    """Return the packages of a lock that are installed, and all that they require here."""
    own = set(discover())
    installed = {normalized(str(each.metadata["Name"])): each for each in metadata.distributions()}
    names = [name for name in locked(lock) if name in installed]
    for name in names:
        lines = [line for line in installed[name].requires or [] if "extra ==" not in line]
        names += [other for other in map(normalized, lines) if other in installed and other not in names]
    return {name: installed[name] for name in sorted(names) if name not in own}


def main(arguments: list[str]) -> int:
    """Print the licence of every package; return the exit code."""
    wrong = []
    lock = DOCS_LOCK if "--docs" in arguments else LOCK
    found = packages(lock)
    for name, distribution in found.items():
        stated = licence(distribution)
        if not accepted(stated):
            wrong.append(name)
        print(f"{name} {distribution.version}: {stated or 'none stated'}{'' if accepted(stated) else '  NOT ACCEPTED'}")
    absent = sorted(set(locked(lock)) - set(found))
    if absent:
        print(f"not installed here, so not read: {', '.join(absent)}")
    print(f"licences: {len(found) - len(wrong)} of {len(found)} accepted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
