"""Folders of images and arrays as data sets."""

import numpy as np
import pytest
from PIL import Image

from graphnet import ConfigError, DataError, FileError, ShapeError
from graphnet.datasets import folder


def write_images(path, count=5, size=(6, 4), colour=False):
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (path / label).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (*size, 3) if colour else size, np.uint8)
            Image.fromarray(pixels).save(path / label / f"{i}.png")


def test_images_by_class(tmp_path):
    write_images(tmp_path)
    (tmp_path / "cat" / ".hidden").write_text("")
    data = folder(tmp_path, test=0.4, validation=0.2)
    assert data.classes == ("cat", "dog")
    assert data.train.inputs["x"].shape == (4, 1, 6, 4) and data.train.inputs["x"].dtype == np.float32
    assert [np.bincount(s.targets).tolist() for s in (data.train, data.validation, data.test)] == [
        [2, 2],
        [1, 1],
        [2, 2],
    ]
    expected = {
        (np.asarray(Image.open(file)) / 255).astype(np.float32).tobytes(): i
        for i, label in enumerate(data.classes)
        for file in (tmp_path / label).glob("*.png")
    }
    for split in (data.train, data.validation, data.test):
        for image, label in zip(split.inputs["x"], split.targets, strict=True):
            assert expected[image[0].tobytes()] == label


def test_declared_splits_colour_and_size(tmp_path):
    write_images(tmp_path / "train", colour=True)
    write_images(tmp_path / "test", 2, size=(9, 9))
    with pytest.raises(ShapeError, match=r"Set size: \[height, width\]"):
        folder(tmp_path)
    data = folder(tmp_path, size=[5, 7])
    assert data.train.inputs["x"].shape == (10, 3, 5, 7) and len(data.test) == 4
    assert folder(tmp_path, size=(5, 7), channels=1).test.inputs["x"].shape == (4, 1, 5, 7)


def test_sixteen_bit_images_keep_their_values(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        Image.fromarray(np.array([[0, 65535], [256, 13107]], np.uint16)).save(tmp_path / label / "0.png")
    image = folder(tmp_path, test=0.0).train.inputs["x"][0, 0]
    np.testing.assert_allclose(image, [[0.0, 1.0], [256 / 65535, 0.2]], rtol=1e-6)


def test_arrays_of_one_shape_or_sequences(tmp_path):
    rng = np.random.default_rng(1)
    for label in ("up", "down"):
        (tmp_path / label).mkdir()
        for i in range(3):
            np.save(tmp_path / label / f"{i}.npy", rng.normal(size=(4 + i, 2)))
    data = folder(tmp_path, test=0.0)
    assert [len(sequence) for sequence in data.train.inputs["x"]] == [4, 5, 6, 4, 5, 6]
    assert data.classes == ("down", "up") and data.train.targets.tolist() == [0, 0, 0, 1, 1, 1]
    np.save(tmp_path / "up" / "3.npy", rng.normal(size=(4, 3)))
    with pytest.raises(ShapeError, match="3.npy"):
        folder(tmp_path)


def test_what_is_not_such_a_folder(tmp_path):
    with pytest.raises(FileError, match="nothing"):
        folder(tmp_path / "no")
    with pytest.raises(DataError, match="fewer than two classes"):
        folder(tmp_path)
    write_images(tmp_path)
    (tmp_path / "dog" / "note.docx").write_text("x")
    with pytest.raises(DataError, match=r"note\.docx"):
        folder(tmp_path)
    (tmp_path / "dog" / "note.docx").rename(tmp_path / "dog" / "note.png")
    with pytest.raises(FileError, match=r"note\.png"):
        folder(tmp_path)
    with pytest.raises(ConfigError, match="channels"):
        folder(tmp_path, channels=2)
