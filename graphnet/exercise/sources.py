"""A student's folder: which files are there, and which edition of the exercise they follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from graphnet.core.errors import FileError

#: The classes, in the order in which they use each other: where their file lies, and its names.
COMPONENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "TanH": ("Layers", ("TanH",)),
    "Sigmoid": ("Layers", ("Sigmoid",)),
    "ReLU": ("Layers", ("ReLU",)),
    "SoftMax": ("Layers", ("SoftMax",)),
    "CrossEntropyLoss": ("Optimization", ("Loss", "CrossEntropyLoss")),
    "Flatten": ("Layers", ("Flatten",)),
    "Dropout": ("Layers", ("Dropout",)),
    "Constant": ("Layers", ("Initializers",)),
    "UniformRandom": ("Layers", ("Initializers",)),
    "Xavier": ("Layers", ("Initializers",)),
    "He": ("Layers", ("Initializers",)),
    "L1_Regularizer": ("Optimization", ("Constraints", "Regularizers")),
    "L2_Regularizer": ("Optimization", ("Constraints", "Regularizers")),
    "Sgd": ("Optimization", ("Optimizers",)),
    "SgdWithMomentum": ("Optimization", ("Optimizers",)),
    "Adam": ("Optimization", ("Optimizers",)),
    "FullyConnected": ("Layers", ("FullyConnected",)),
    "Pooling": ("Layers", ("Pooling",)),
    "Conv": ("Layers", ("Conv",)),
    "BatchNormalization": ("Layers", ("BatchNormalization",)),
    "RNN": ("Layers", ("RNN",)),
    "LSTM": ("Layers", ("LSTM",)),
    "NeuralNetwork": ("", ("NeuralNetwork",)),
}

#: Words that only one edition uses.
MARKERS = {
    "contract": r"toggle_memory|bptt_length|set_optimizer|get_gradient_weights|get_gradient_bias|individual_delta"
    r"|append_trainable_layer|\bPhase\.|def get_weights|def set_weights|def calculate\(",
    "later": r"memorize|testing_phase|(?<!get_)gradient_weights|(?<!get_)gradient_bias|append_layer|calculate_gradient"
    r"|\.next\(\)|self\.trainable|calculate_update\(self, *weight",
}


@dataclass(frozen=True)
class Sources:
    """The files of a student.

    Attributes
    ----------
    root : Path
        The folder that holds ``Layers`` and ``Optimization``, or the files themselves.
    files : dict of str to str
        The file of each component that was found, relative to the root.
    selected : tuple of str
        The components to check.
    edition : 'contract' or 'later'
    single : bool
        Whether one file was given, so that others are not missing.
    """

    root: Path
    files: dict[str, str]
    selected: tuple[str, ...]
    edition: str
    single: bool = False


def find(path: Path, edition: str | None = None) -> Sources:
    """Look for the files of the exercise at a path: a folder of them, one around it, or one file.

    Raises
    ------
    FileError
        If nothing of the exercise is there.
    """
    if not path.exists():
        raise FileError("there is no such file or folder", where=str(path))
    root = _root(path.resolve())
    files = {}
    for component, (folder, names) in COMPONENTS.items():
        file = _file(root, folder, names)
        if file is not None:
            files[component] = str(file.relative_to(root))
    selected = tuple(files)
    if path.is_file():
        selected = tuple(name for name, file in files.items() if (root / file) == path.resolve())
    if not selected:
        expected = "a folder with Layers/TanH.py, RNN.py or other files of the exercise, or one of these files"
        raise FileError("no file of the exercise was found", where=str(path), expected=expected)
    return Sources(root, files, selected, edition or detect(root), path.is_file())


def _root(path: Path) -> Path:
    """The folder that holds the folders of the exercise, or its files."""
    if path.is_file():
        return path.parent.parent if path.parent.name in ("Layers", "Optimization") else path.parent
    if path.name in ("Layers", "Optimization"):
        return path.parent
    if _is_root(path):
        return path
    levels = [path]
    for _ in range(3):
        levels = [child for level in levels for child in sorted(level.iterdir())
                  if child.is_dir() and not child.name.startswith((".", "__"))][:200]  # fmt: skip
        for folder in levels:
            if _is_root(folder):
                return folder
    return path


def _is_root(path: Path) -> bool:
    if any((path / name).is_dir() for name in ("Layers", "Optimization")):
        return True
    return any(_file(path, "", names) is not None for _, names in COMPONENTS.values())


def _file(root: Path, folder: str, names: tuple[str, ...]) -> Path | None:
    """A component's file, in its folder or in the root, with any capitals."""
    wanted = {f"{name}.py".lower() for name in names}
    for place in (root / folder, root):
        if place.is_dir():
            for file in sorted(place.iterdir()):
                if file.name.lower() in wanted and file.is_file():
                    return file
    return None


def detect(root: Path) -> str:
    """The edition whose words are used more; that of the contract if neither is."""
    counts = dict.fromkeys(MARKERS, 0)
    for file in [*root.glob("*.py"), *root.glob("Layers/*.py"), *root.glob("Optimization/*.py")][:100]:
        if "test" in file.name.lower():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")[:200_000]
        for edition, pattern in MARKERS.items():
            counts[edition] += len(re.findall(pattern, text))
    return "later" if counts["later"] > counts["contract"] else "contract"
