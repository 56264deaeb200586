"""The digits as a dataset, and the images that calibration may see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.data import cifar10
from lib.data import dataset as datasets
from lib.data.dataset import Images
from lib.errors import DatasetError


@pytest.fixture(scope="module")
def digits():
    return datasets.load_digits()


def rows(images):
    return {image.tobytes() for image in images}


def test_layout(digits):
    assert (digits.x_train.shape, digits.x_test.shape) == ((1297, 32, 32, 3), (500, 32, 32, 3))
    assert digits.x_train.dtype == digits.x_test.dtype == np.uint8
    assert digits.y_train.dtype == digits.y_test.dtype == np.int64
    assert digits.class_names == tuple("0123456789")
    assert (digits.x_train[..., 0] == digits.x_train[..., 2]).all()
    assert (digits.x_train.min(), digits.x_train.max()) == (0, 255)


def test_a_profile_is_checked_against_the_number_of_images_there_is(digits):
    assert datasets.IMAGES["digits"] == (len(digits.x_train), len(digits.x_test))
    assert datasets.IMAGES["cifar10"] == (50_000, 10_000)


def test_a_relative_folder_begins_in_the_project_wherever_a_kernel_runs(tmp_path, monkeypatch):
    root = tmp_path / "images" / cifar10.FOLDER
    root.mkdir(parents=True)
    (root / cifar10.TEST).touch()
    monkeypatch.setattr(cifar10, "ROOT", tmp_path)
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert cifar10.find("images") == root
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cifar10.find("~/images") == root
    for nowhere in ("nowhere", "a\0b"):
        with pytest.raises(DatasetError, match="names no folder with"):
            cifar10.find(nowhere)


def test_pixels_are_the_digits_that_scikit_learn_carries(digits):
    from sklearn.datasets import load_digits

    raw = load_digits()
    sizes = np.concatenate([digits.x_train, digits.x_test]).astype(float).mean((1, 2, 3)) / 255
    assert np.allclose(np.sort(sizes), np.sort(raw.data.mean(1) / 16), atol=0.02)
    assert np.array_equal(np.bincount(np.concatenate([digits.y_train, digits.y_test])), np.bincount(raw.target))


def test_test_set_is_stratified_and_apart(digits):
    assert len(rows(digits.x_test)) == 500
    assert not rows(digits.x_train) & rows(digits.x_test)
    assert set(np.bincount(digits.y_test)) <= {48, 49, 50, 51}


def test_same_split_every_time(digits):
    assert datasets.load_digits().sha256 == digits.sha256


def test_sha256_covers_every_array(digits):
    names = ("x_train", "y_train", "x_test", "y_test")
    arrays = {name: getattr(digits, name) for name in names}
    seen = {digits.sha256}
    for name in names:
        changed = arrays[name].copy()
        changed.flat[-1] ^= 1
        seen.add(Images("other", digits.class_names, **(arrays | {name: changed})).sha256)
    assert len(seen) == 5


@given(small=st.integers(1, 40), large=st.integers(1, 60), seed=st.integers(0, 2**31 - 1))
def test_calibration_takes_training_images_once_and_grows_by_adding(small, large, seed):
    x = np.arange(50, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    images = Images("n", ("a",), x, np.zeros(50, np.int64), x + 100, np.zeros(50, np.int64))
    small, large = sorted((small, large))
    one, more = (datasets.drawn(images.x_train, count, seed) for count in (small, large))
    assert np.array_equal(more[: len(one)], one)
    assert len(more) == min(large, 50)
    picked = more[:, 0, 0, 0]
    assert len(set(picked)) == len(picked)
    assert picked.max() < 50  # none of the test images, which begin at 100


def test_seed_chooses_the_calibration_images(digits):
    assert not np.array_equal(datasets.drawn(digits.x_train, 32, 1), datasets.drawn(digits.x_train, 32, 2))


def test_images_in_a_file_are_let_go_and_read_again(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(1 << 22, dtype=np.uint8).reshape(-1, 64, 64, 1))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    before = mapped.copy()
    resident = lambda: int(Path("/proc/self/statm").read_text().split()[2])  # noqa: E731 - pages of files
    touched = resident()
    datasets.let_go(mapped)
    if Path("/proc/self/statm").exists():
        assert resident() <= touched - 500
    assert np.array_equal(mapped, before)
    datasets.let_go(before)  # an array in memory is left as it is
    assert np.array_equal(mapped, before)
