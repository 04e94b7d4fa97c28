"""Japanese Vowels: utterances of /ae/ by nine speakers (Kudo, Toyama and Shimbo 1999)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.data.dataset import Dataset, Split
from graphnet.data.datasets.ragged import cut

SOURCE = (
    'M. Kudo, J. Toyama, M. Shimbo, "Japanese Vowels", UCI Machine Learning Repository, doi 10.24432/C5NS47; '
    "taken from the copy in the UCR/UEA archive"
)
LICENCE = "See the source for the exact terms; the repository gives its donated data under CC BY 4.0, with citation"
CITATION = (
    'M. Kudo, J. Toyama, M. Shimbo, "Multidimensional Curve Classification Using Passing-Through Regions", '
    "Pattern Recognition Letters 20(11-13), 1999"
)


def japanese_vowels() -> Dataset:
    """270 training and 370 test utterances, split as by the donors; ships with graphnet.

    One input, ``frames``: a list of float32 arrays ``(time, 12)``, 7 to 29 frames of 12 LPC cepstrum coefficients
    (dimensionless), one frame every 6.4 ms. Targets: the speaker, int64, 0 to 8.

    >>> japanese_vowels().train
    Split(frames: 270 × (7 to 26, 12); targets: (270,) int64)
    """
    folder = files("graphnet.data.datasets") / "data" / "japanese_vowels"
    with as_file(folder / "japanese_vowels.npz") as path, np.load(path, allow_pickle=False) as arrays:
        train, test = _split(arrays, "train"), _split(arrays, "test")
    return Dataset(
        name="japanese_vowels",
        train=train,
        test=test,
        classes=tuple(f"speaker {number}" for number in range(1, 10)),
        source=SOURCE,
        licence=LICENCE,
        citation=CITATION,
        description=(folder / "README.md").read_text(encoding="utf-8"),
    )


def _split(arrays: Mapping[str, NDArray[Any]], split: str) -> Split:
    frames = cut(arrays[f"{split}_frames"], arrays[f"{split}_lengths"], where=f"{split}_lengths")
    return Split({"frames": frames}, arrays[f"{split}_speaker"].astype(np.int64))
