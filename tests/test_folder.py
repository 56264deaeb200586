"""A user's images: what a folder or an .npz may hold, what is refused, and the arrays that are kept of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import unicodedata

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.data import cache, cifar10, decode, npz
from lib.data import folder as folders
from lib.data.part import interleaved
from lib.data.synthetic import synthetic
from lib.errors import ConfigError, DatasetError
from lib.experiment.profile import ROOT
from tests import images

TWO = {"test": {"cat": 3, "dog": 2}, "calibration": {"cat": 1, "dog": 2}}


@pytest.fixture
def two(tmp_path):
    return images.folder(tmp_path / "images", TWO)


class Case:
    """A folder or file in `home`, loaded with its cache beside it."""

    def __init__(self, home, module=folders):
        self.home, self.module = home, module

    def path(self, text):
        return self.home / text

    def check(self, classes=2, **settings):
        self.module.check(images.settings(**self.named() | settings), self.path, classes)

    def load(self, classes=2, rules=None, spec=None, **settings):
        spec, rules = spec or images.spec(classes), rules or images.rules()
        return self.module.load(images.settings(**self.named() | settings), self.path, rules, spec, self.home / "cache")

    def named(self):
        return {"folder": "images"} if self.module is folders else {"npz": "data.npz"}

    def refuses(self, *said, error=ConfigError, **settings):
        """By check and by load alike, in one line."""
        for attempt in (self.check, self.load) if error is ConfigError else (self.load,):
            with pytest.raises(error) as caught:
                attempt(**settings)
            assert all(text in str(caught.value) for text in said), caught.value
            assert "\n" not in str(caught.value)
        assert not [path for path in self.home.glob("cache/*") if not path.name.endswith(".lock")]
        return str(caught.value)


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)


def test_images_and_labels_of_a_folder(two, case):
    case.check()
    loaded = case.load()
    assert (loaded.label, loaded.class_names, loaded.left_out) == ("images", ("cat", "dog"), ())
    assert (loaded.x_test.shape, loaded.x_train.shape) == ((5, 8, 10, 3), (3, 8, 10, 3))
    assert loaded.x_test.dtype == loaded.x_train.dtype == np.uint8
    assert loaded.y_test.dtype == loaded.y_train.dtype == np.int64
    assert sorted(loaded.y_train) == [0, 1, 1]
    for image, label, file in zip(loaded.x_test, loaded.y_test, loaded.files, strict=True):
        assert np.array_equal(image, np.asarray(PIL.Image.open(file)))
        assert file.parent.name == loaded.class_names[label]
    assert len({image.tobytes() for image in loaded.x_test}) == 5
    assert set(loaded.y_test[:2]) == {0, 1}
    assert folders.calibration_images(images.settings(folder="images"), case.path) == 3


def test_arrays_are_read_only_maps_and_their_key_is_that_of_their_values(two, case):
    loaded = case.load()
    assert isinstance(loaded.x_test, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded.x_test[0] = 0
    arrays = (loaded.x_train, loaded.y_train, loaded.x_test, loaded.y_test)
    assert loaded.sha256 == cifar10.fingerprint(arrays) == case.load().sha256


@pytest.fixture
def decoded(monkeypatch):
    """Files that were decoded, a list that grows."""
    seen, real = [], decode.image
    monkeypatch.setattr(decode, "image", lambda path: seen.append(path) or real(path))
    return seen


def test_decoded_once_whatever_files_are_called(two, case, decoded):
    first = case.load()
    assert len(decoded) == 8
    (two / "test" / "cat" / "0.png").rename(two / "test" / "cat" / "改 名\n.JPG")
    again = case.load()
    assert len(decoded) == 8
    assert again.sha256 == first.sha256
    assert any(file.name == "改 名\n.JPG" for file in again.files)
    images.picture(two / "test" / "cat" / "0.png", 99)
    assert len(case.load().x_test) == 6
    assert len(decoded) == 8 + 9


@pytest.mark.parametrize("change", [{"resize": "pad"}, {"interpolation": "nearest"}, {"resize": "shortest_edge", "crop_pct": 0.5}])
def test_kept_apart_by_what_changes_pixels(two, case, decoded, change):
    small = {"size": (6, 6)}
    spec = images.spec(2, (6, 6))
    first = case.load(rules=images.rules(**small), spec=spec)
    other = case.load(rules=images.rules(**small, **change), spec=spec)
    assert not np.array_equal(first.x_test, other.x_test)
    case.load(rules=images.rules(**small, mean=(1.0, 2.0, 3.0), channels="BGR"), spec=spec)
    assert len(decoded) == 16


@pytest.mark.parametrize("damage", ["truncate", "shape", "remove", "about"])
def test_a_damaged_cache_is_made_again(two, case, decoded, damage):
    first = case.load()
    kept = next(path for path in (case.home / "cache").iterdir() if path.is_dir())
    expected = np.array(first.x_test)
    if damage == "truncate":
        os.truncate(kept / "x_test.npy", 200)
    elif damage == "shape":
        np.save(kept / "x_test.npy", np.zeros((5, 8, 10, 1), np.uint8))
    elif damage == "remove":
        (kept / "y_train.npy").unlink()
    else:
        (kept / "about.json").write_text("[]")
    again = case.load()
    assert np.array_equal(again.x_test, expected)
    assert len(decoded) == 16
    assert sorted(path.name for path in kept.iterdir()) == ["about.json", "x_test.npy", "x_train.npy", "y_test.npy", "y_train.npy"]


def full(table, index, row):
    raise OSError(28, "No space left on device")


def test_what_a_killed_process_left_is_wiped_and_nothing_stays_of_a_failure(two, case, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(cache.Table, "put", full)
        with pytest.raises(OSError, match="No space left"):
            case.load()
    assert [path.suffix for path in (case.home / "cache").iterdir()] == [".lock"]
    key = next((case.home / "cache").iterdir()).name.removesuffix(".lock")
    partial = case.home / "cache" / f"{key}.partial"
    partial.mkdir()
    (partial / "x_other.npy").write_text("half")
    assert len(case.load().x_test) == 5
    assert not partial.exists()


def test_a_full_disk_ends_the_work_at_once(tmp_path, case, monkeypatch):
    images.folder(tmp_path / "images", {"test": {"a": 60}})
    seen, real = [], decode.image
    monkeypatch.setattr(decode, "image", lambda path: time.sleep(0.01) or seen.append(path) or real(path))
    monkeypatch.setattr(cache.Table, "put", full)
    with pytest.raises(OSError, match="No space left"):
        case.load(classes=1)
    assert len(seen) < 30


@pytest.mark.parametrize("form", images.ENDINGS)
def test_formats_are_told_by_content_not_by_name(tmp_path, case, form):
    names = ("A.PNG", "写真 1", "x.txt", "new\nline.jpeg", "a" + b"\xff".decode(errors="surrogateescape"))
    for label in ("a", "b"):
        for index, name in enumerate(names):
            images.picture(tmp_path / "images" / "test" / label / name, index, form)
    loaded = case.load()
    assert len(loaded.x_test) == 10
    for image, file in zip(loaded.x_test, loaded.files, strict=True):
        assert abs(image.mean((0, 1)) - images.pixels(names.index(file.name)).mean((0, 1))).max() < 12


def test_modes_and_exif(tmp_path, case):
    upright = np.zeros((8, 10, 3), np.uint8)
    upright[:4] = 200
    lying = PIL.Image.fromarray(upright).transpose(PIL.Image.Transpose.ROTATE_90)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    where = tmp_path / "images" / "test" / "a"
    where.mkdir(parents=True)
    lying.save(where / "turned.jpg", exif=exif, quality=95)
    lying.save(where / "turned.tif", exif=exif)
    lying.save(where / "turned.png", exif=exif)
    whole = PIL.Image.fromarray(upright)
    whole.convert("CMYK").save(where / "cmyk.jpg", quality=95)
    whole.convert("L").save(where / "gray.png")
    whole.convert("RGBA").save(where / "alpha.webp", lossless=True)
    PIL.Image.fromarray(upright[..., 0].astype(np.uint16) * 257).save(where / "sixteen.png")
    loaded = case.load(classes=1)
    for image, file in zip(loaded.x_test, loaded.files, strict=True):
        assert abs(image.astype(int) - upright).max() < 24, file


def test_first_frame_of_an_animation(tmp_path, case):
    frames = [PIL.Image.fromarray(np.full((8, 10, 3), value, np.uint8)) for value in (10, 240)]
    for name, form in (("a.gif", "GIF"), ("b.webp", "WEBP"), ("c.png", "PNG"), ("d.tif", "TIFF")):
        (tmp_path / "images" / "test" / "a").mkdir(parents=True, exist_ok=True)
        frames[0].save(tmp_path / "images" / "test" / "a" / name, form, save_all=True, append_images=frames[1:])
    assert case.load(classes=1).x_test.max() < 30


def spoil(folder):
    """A file of each way to be no image."""
    for form, ending in images.ENDINGS.items():
        path = images.picture(folder / f"half.{ending}", 7, form, (64, 64))
        os.truncate(path, path.stat().st_size // 2)
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("not an image")
    (folder / "vector.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.png")
    return 11


def test_every_broken_file_is_named_and_refused(two, case):
    count = spoil(two / "test" / "dog")
    said = case.refuses("images: 11 files cannot be decoded", "test/dog/empty.jpg (has 0 bytes)", "and 1 more", error=DatasetError)
    assert "skip_broken" in said
    assert said.count("test/dog/") == count - 1
    assert "truncated" in said
    spoil(two / "calibration" / "cat")
    case.refuses("22 files", "calibration/cat/", "and 12 more", error=DatasetError)
    case.check()  # cheap: opens none


def test_broken_files_are_left_out_and_told_where_asked_for(two, case, decoded, capsys):
    spoil(two / "test" / "cat")
    loaded = case.load(skip_broken=True)
    assert (len(loaded.x_test), len(loaded.left_out)) == (5, 11)
    assert loaded.label == "images, 11 broken files left out"
    assert any(left.startswith("images/test/cat/empty.jpg (has 0 bytes") for left in loaded.left_out)
    assert "11 broken files left out" in capsys.readouterr().err
    assert set(loaded.y_test[:2]) == {0, 1}
    for image, file in zip(loaded.x_test, loaded.files, strict=True):
        assert np.array_equal(image, np.asarray(PIL.Image.open(file)))
    once = len(decoded)
    again = case.load(skip_broken=True)
    assert (again.left_out, again.label, len(decoded)) == (loaded.left_out, loaded.label, once)
    with pytest.raises(DatasetError, match="11 files"):  # from the cache, too
        case.load()


def test_a_class_that_has_only_broken_files_is_refused(two, case):
    for file in (two / "test" / "dog").iterdir():
        file.write_bytes(b"\x89PNG")
    case.refuses("nothing is left of dog", "test/dog/0.png", error=DatasetError, skip_broken=True)


def test_a_decompression_bomb_is_broken(two, case, recwarn):
    PIL.Image.new("1", (9500, 9500)).save(two / "test" / "cat" / "warned.png")
    PIL.Image.new("1", (14000, 14000)).save(two / "test" / "cat" / "refused.png")
    case.refuses("warned.png (more than 89,478,485 pixels)", "refused.png (more than", error=DatasetError)
    assert not recwarn.list


def test_one_image_that_cannot_be_fitted_is_named(two, case):
    PIL.Image.fromarray(np.ones((8, 8), np.float32)).save(two / "test" / "cat" / "float.tif")
    case.refuses("1 file cannot be decoded", "float.tif (floating-point pixels", error=DatasetError)


# --- what check refuses


def test_a_missing_folder(case):
    case.refuses("key 'dataset.folder': images: no such folder")
    (case.home / "images").touch()
    case.refuses("a file, no folder")


def test_a_folder_without_test_says_what_is_there(tmp_path, case):
    images.folder(tmp_path / "images", {"val": {"a": 1}, "train": {"a": 1}})
    case.refuses("images: misses the folder test, there is train, val;", "labels: none")


def test_six_folders_for_five_outputs(tmp_path, case):
    images.folder(tmp_path / "images", {"test": dict.fromkeys("abcdef", 1)})
    case.refuses("6 folders (a, b, c, d, e, f)", "5 outputs", "dataset.classes", classes=5)
    case.check(classes=6)


def test_a_class_without_images(two, case):
    (two / "test" / "dog" / ".hidden").touch()
    for file in (two / "test" / "dog").glob("*.png"):
        file.unlink()
    case.refuses("images/test/dog: a class without images")


def test_a_file_beside_the_classes_is_not_overlooked(two, case):
    images.picture(two / "test" / "lost.png")
    case.refuses("test/lost.png: lies beside")


def test_a_folder_that_is_no_class_names_the_nearest(two, case):
    (case.home / "classes.txt").write_text("cat\ndogs\nbird\n")
    with pytest.raises(ConfigError, match=r"test/dog: no class of that name; did you mean dogs\?"):
        folders.check(images.settings(folder="images", classes="classes.txt"), case.path, 3)


def test_unknown_calibration_classes(two, case):
    (two / "calibration" / "dog").rename(two / "calibration" / "wolf")
    case.refuses("images/calibration/wolf: no class of that name; the classes are cat, dog")


def test_a_calibration_folder_without_images(two, case):
    shutil.rmtree(two / "calibration")
    (two / "calibration").mkdir()
    case.refuses("images/calibration: holds no images")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"cat\n", "1 name for the model's 2 outputs"),
        (b"cat\ndog\nbird", "3 names for the model's 2 outputs"),
        (b"cat\ncat", "cat is there twice"),
        ("か\u3099\nが".encode(), "が is there twice"),
        (b"cat\n\ndog", "name 2 of 3 is empty"),
        ("猫\n犬".encode("shift-jis"), "not UTF-8"),
        ("cat\ndog".encode("utf-16"), "not UTF-8"),
        (b"ca\x1bt\ndog", r"ca\x1bt, has characters that cannot be shown"),
        (None, "cannot be read"),
    ],
)
def test_a_classes_file_that_does_not_fit(two, case, written, said):
    if written is not None:
        (case.home / "names.txt").write_bytes(written)
    with pytest.raises(ConfigError) as caught:
        folders.check(images.settings(folder="images", classes="names.txt"), case.path, 2)
    assert str(caught.value).startswith("key 'dataset.classes': names.txt: ")
    assert said in str(caught.value)


# --- names of classes


@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf"])
def test_a_classes_file_gives_the_order_and_folders_may_be_some_of_it(two, case, head):
    (case.home / "names.txt").write_bytes(head + "bird\r\ndog\r\n 猫 ねこ\r\ncat\r\n\r\n".encode())
    loaded = folders.load(images.settings(folder="images", classes="names.txt"), case.path, images.rules(), images.spec(4), case.home / "c")
    assert loaded.class_names == ("bird", "dog", "猫 ねこ", "cat")
    assert sorted(loaded.y_test) == [1, 1, 3, 3, 3]


def test_names_are_compared_as_people_see_them(tmp_path, case):
    names = ["がぎ", "Éclair", *images.CLASSES]
    apart = [unicodedata.normalize("NFD", name) for name in names]
    assert apart != names
    images.folder(tmp_path / "images", {"test": dict.fromkeys(apart, 1), "train": dict.fromkeys(names, 1)})
    loaded = case.load(classes=5)
    assert loaded.class_names == tuple(sorted(names))
    assert sorted(loaded.y_train) == list(range(5))
    images.folder(tmp_path / "images", {"test": {"がぎ": 1}})
    with pytest.raises(ConfigError, match="two folders are named がぎ"):
        case.check(classes=6)


def test_what_systems_leave_behind_is_no_class_and_no_image(two, case):
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (two / "test" / name).touch()
        (two / "test" / "cat" / name).touch()
        (two / name).touch()
    images.picture(two / "test" / ".ipynb_checkpoints" / "a.png")
    images.picture(two / "test" / "__MACOSX" / "a.png")
    assert len(case.load().x_test) == 5


def test_folders_below_a_class_and_links(two, case):
    images.picture(two / "test" / "cat" / "2024" / "a.png", 50)
    (two / "test" / "cat" / "round").symlink_to(two / "test" / "cat")
    shutil.move(two / "test" / "dog", case.home / "elsewhere")
    (two / "test" / "dog").symlink_to(case.home / "elsewhere")
    assert len(case.load().x_test) == 6


# --- no labels, no calibration images


def test_without_calibration_images(tmp_path, case):
    images.folder(tmp_path / "images", {"test": {"a": 1, "b": 1}})
    loaded = case.load()
    assert (loaded.x_train.shape, loaded.y_train.shape) == ((0, 8, 10, 3), (0,))
    assert loaded.sha256 == cifar10.fingerprint((loaded.x_train, loaded.y_train, loaded.x_test, loaded.y_test))
    assert folders.calibration_images(images.settings(folder="images"), case.path) == 0


def test_calibration_comes_before_train_and_needs_no_labels(two, case):
    shutil.rmtree(two / "calibration")
    images.picture(two / "calibration" / "a.png", 70)
    images.folder(two, {"train": {"cat": 5, "dog": 5}})
    loaded = case.load()
    assert (len(loaded.x_train), loaded.y_train) == (1, None)


@pytest.mark.parametrize("with_test", [True, False])
def test_no_labels(two, case, with_test):
    if not with_test:
        for name in ("cat", "dog"):
            (two / "test" / name).rename(two / name)
        (two / "test").rmdir()
        images.picture(two / "top.png", 70)
    loaded = case.load(labels="none", classes=7)
    assert (len(loaded.x_test), loaded.y_test, len(loaded.x_train), loaded.y_train) == (5 if with_test else 6, None, 3, None)
    assert loaded.class_names == tuple("0123456")


def test_of_very_many_calibration_images_some_are_drawn_of_each_class(two, case, monkeypatch, capsys):
    images.folder(two, {"train": {"cat": 30, "dog": 10}})
    shutil.rmtree(two / "calibration")
    monkeypatch.setattr(folders, "MOST_CALIBRATION", 12)
    loaded = case.load()
    assert list(np.bincount(loaded.y_train)) == [9, 3]
    assert "12 of 40 images drawn" in capsys.readouterr().err
    assert folders.calibration_images(images.settings(folder="images"), case.path) == 12


# --- the order


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.integers(0, 2**32))
def test_the_first_images_stand_for_all(labels, seed):
    order = interleaved(labels, np.random.default_rng(seed).random(len(labels)))
    assert sorted(order) == list(range(len(labels)))
    seen = np.array(labels)[order]
    classes, counts = np.unique(labels, return_counts=True)
    assert set(seen[: len(classes)]) == set(classes)
    for first in range(len(classes), len(labels) + 1):
        for label, count in zip(classes, counts, strict=True):
            assert abs((seen[:first] == label).sum() - first * count / len(labels)) <= len(classes) + 1


def test_an_order_without_labels_is_a_permutation():
    assert sorted(interleaved([None] * 9, np.random.default_rng(1).random(9))) == list(range(9))
    assert list(interleaved([], np.empty(0))) == []


def test_the_order_is_the_same_on_every_machine(two, case):
    first = case.load()
    shutil.rmtree(case.home / "cache")
    for number, file in enumerate(sorted((two / "test").rglob("*.png"), reverse=True)):
        file.rename(file.with_name(f"renamed {number}.png"))
    again = case.load()
    assert np.array_equal(again.x_test, first.x_test)
    assert np.array_equal(again.y_test, first.y_test)


MEMORY = """
import re, sys
from pathlib import Path
from lib.data import folder, preprocess
from tests import images
import PIL.Image, filelock

def most():  # KiB of this program: getrusage's maximum begins with what its parent had
    return int(re.search("VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

home = Path(sys.argv[1])
settings, spec, rules = images.settings(folder="images"), images.spec(2, (224, 224)), images.rules((224, 224))
before = most()
loaded = folder.load(settings, home.joinpath, rules, spec, home / "cache")
print(loaded.x_test.nbytes >> 20, most() - before >> 10)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path):
    """10,000 images of 224 × 224 are 1.5 GB: of 2,000, 287 MiB, hardly a tenth may be in memory at any time."""
    images.folder(tmp_path / "images", {"test": {"a": 1000, "b": 1000}})
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    mib, grown = map(int, done.stdout.split())
    assert mib == 287
    assert grown < 40


# --- npz


@pytest.fixture
def file(tmp_path):
    return Case(tmp_path, npz)


def values(**changed):
    rng = np.random.default_rng(0)
    whole = {"images": rng.integers(0, 256, (6, 8, 10, 3), np.uint8), "labels": np.array([0, 0, 0, 0, 1, 1])}
    return {key: value for key, value in (whole | changed).items() if value is not None}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_and_labels_of_an_npz(file, save):
    wrote = values(class_names=["猫", "d"])
    calibration = {"calibration_images": np.full((3, 8, 10, 3), 5, np.uint8), "calibration_labels": np.array([1, 0, 1], np.uint8)}
    save(file.home / "data.npz", **wrote, **calibration)
    file.check()
    loaded = file.load()
    assert (loaded.label, loaded.class_names) == ("data.npz", ("猫", "d"))
    pairs = {(image.tobytes(), int(label)) for image, label in zip(loaded.x_test, loaded.y_test, strict=True)}
    assert pairs == {(image.tobytes(), label) for image, label in zip(wrote["images"], wrote["labels"].tolist(), strict=True)}
    assert set(loaded.y_test[:2]) == {0, 1}
    assert (loaded.x_train == 5).all()
    assert (len(loaded.x_train), sorted(loaded.y_train), loaded.y_train.dtype) == (3, [0, 1, 1], np.int64)
    arrays = (loaded.x_train, loaded.y_train, loaded.x_test, loaded.y_test)
    assert loaded.sha256 == cifar10.fingerprint(arrays) == file.load().sha256
    assert npz.calibration_images(images.settings(npz="data.npz"), file.path) == 3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(8, 10), (8, 10, 1), (8, 10, 3), (8, 10, 4), (16, 20), (16, 20, 3)])
def test_any_size_and_number_of_channels(file, shape, channels):
    np.savez(file.home / "data.npz", **values(images=np.full((6, *shape), 100, np.uint8)))
    loaded = file.load(spec=images.spec(2, channels=channels))
    assert loaded.x_test.shape == (6, 8, 10, channels)
    assert (loaded.x_test == 100).all()


def test_images_of_the_model_s_size_keep_their_pixels(file):
    np.savez(file.home / "data.npz", **values())
    loaded = file.load(rules=images.rules(resize="shortest_edge", crop_pct=0.5))
    assert {image.tobytes() for image in loaded.x_test} == {image.tobytes() for image in values()["images"]}


def test_an_npz_without_labels_or_calibration(file):
    np.savez(file.home / "data.npz", **values(labels=None))
    file.refuses("misses the key labels", "labels: none")
    loaded = file.load(labels="none")
    assert (loaded.y_test, loaded.y_train, len(loaded.x_train), loaded.class_names) == (None, None, 0, ("0", "1"))
    assert npz.calibration_images(images.settings(npz="data.npz"), file.path) == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"images": None}, "misses the key images"),
        ({"x_test": np.zeros(3)}, "unknown key x_test"),
        ({"images": np.zeros((6, 8, 10, 3), np.float32)}, "images are float32; multiply by 255"),
        ({"images": np.zeros((6, 8, 10, 3), np.int64)}, "images are int64"),
        ({"images": np.zeros((6, 3, 8, 10), np.uint8)}, "channels first"),
        ({"images": np.zeros((6, 8, 10, 2), np.uint8)}, "1, 3 or 4 channels"),
        ({"images": np.zeros((0, 8, 10, 3), np.uint8), "labels": np.zeros(0, int)}, "images are (0, 8, 10, 3)"),
        ({"images": np.zeros((6, 80), np.uint8)}, "images are (6, 80)"),
        ({"images": np.array([{}] * 6)}, "images holds Python objects"),
        ({"labels": np.array([None] * 6)}, "labels holds Python objects"),
        ({"labels": np.zeros(6)}, "labels are float64"),
        ({"labels": np.zeros(5, int)}, "labels are (5,)"),
        ({"labels": np.zeros((6, 2), int)}, "labels are (6, 2)"),
        ({"labels": np.array([0, 1, 2, 0, 0, 0])}, "labels[2] is 2; the model's 2 outputs are 0 to 1"),
        ({"labels": np.array([0, -1, 0, 0, 0, 0])}, "labels[1] is -1"),
        ({"calibration_labels": np.zeros(6, int)}, "calibration_labels without calibration_images"),
        ({"calibration_images": np.zeros((1, 8, 10, 3))}, "calibration_images are float64"),
        ({"class_names": np.array(["a"])}, "class_names are (1,)"),
        ({"class_names": np.array(["a", "a"])}, "class_names: a is there twice"),
        ({"class_names": np.arange(2)}, "class_names are int64"),
    ],
)
def test_what_an_npz_may_not_hold(file, changed, said):
    np.savez(file.home / "data.npz", **values(**changed))
    file.refuses("key 'dataset.npz': data.npz: ", said)


def test_a_file_that_is_no_whole_npz(file):
    file.refuses("no such file")
    np.savez(file.home / "data.npz", **values())
    whole = (file.home / "data.npz").read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        (file.home / "data.npz").write_bytes(whole[:cut])
        file.refuses("no whole .npz")
    np.savez(file.home / "data.npz", **values(images=np.zeros((6, 80, 100, 3), np.uint8)))
    with open(file.home / "data.npz", "rb+") as opened:
        opened.seek(100_000)
        opened.write(b"\1")  # one bit: found by the archive's CRC
    file.refuses("images cannot be read", error=DatasetError)


# --- no images


def test_synthetic_images():
    few, many = synthetic(images.spec(), 3, seed=4), synthetic(images.spec(), 5, seed=4)
    assert (few.shape, few.dtype) == ((3, 8, 10, 3), np.uint8)
    assert np.array_equal(few, many[:3])
    assert not np.array_equal(few, synthetic(images.spec(), 3, seed=5))
    assert (synthetic(images.spec()).shape, synthetic(images.spec()).min(), synthetic(images.spec()).max()) == ((256, 8, 10, 3), 0, 255)
