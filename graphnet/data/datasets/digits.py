"""Handwritten digits, 8×8 pixels, as scikit-learn ships them (Alpaydin and Kaynak 1998)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.core.errors import PluginError
from graphnet.data.dataset import Dataset, Split

SEED = 0
TEST_SHARE = 0.2

SOURCE = (
    'E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998; '
    "the copy of its test set in scikit-learn (sklearn.datasets.load_digits)"
)
LICENCE = "See the source for the exact terms; scikit-learn distributes its copy with the library"
CITATION = 'E. Alpaydin, C. Kaynak, "Cascading Classifiers", Kybernetika 34(4), 1998'
DESCRIPTION = """\
1797 grey images of handwritten digits, 8×8 pixels, each pixel the number of ink dots (0 to 16) in a 4×4 block of the
scan, divided by 16. The file does not say who wrote which digit, so the split is by image, not by writer."""


def digits() -> Dataset:
    """1438 training images and 359 test images; requires scikit-learn, the extra ``digits``.

    One input, ``image``: float32 ``(n, 1, 8, 8)``, 0 (paper) to 1 (ink). Targets: the digit, int64, 0 to 9.

    The split is fixed and stratified: from each class in turn, 0 to 9, a fifth (rounded) is put in the test split,
    chosen by a permutation from ``numpy.random.default_rng(0)``; both splits keep the order of the source.

    Raises
    ------
    PluginError
        If scikit-learn is not installed.
    """
    images, labels = _read()
    test = _test_rows(labels)
    return Dataset(
        name="digits",
        train=Split({"image": images[~test]}, labels[~test]),
        test=Split({"image": images[test]}, labels[test]),
        classes=tuple(str(digit) for digit in range(10)),
        source=SOURCE,
        licence=LICENCE,
        citation=CITATION,
        description=DESCRIPTION,
    )


def _read() -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise PluginError(
            "the data set 'digits' needs scikit-learn, which cannot be imported",
            where="graphnet.datasets.load('digits')",
            expected="the package scikit-learn",
            received=str(error),
            remedy="Run: pip install 'scikit-learn>=1.5'",
        ) from error
    bunch = load_digits()
    images = (np.asarray(bunch.images) / 16).astype(np.float32)
    return images[:, np.newaxis], np.asarray(bunch.target).astype(np.int64)


def _test_rows(labels: NDArray[Any]) -> NDArray[Any]:
    """A boolean array, true for the rows of the test split."""
    rng = np.random.default_rng(SEED)
    test = np.zeros(len(labels), dtype=bool)
    for digit in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == digit))
        test[rows[: round(TEST_SHARE * len(rows))]] = True
    return test
