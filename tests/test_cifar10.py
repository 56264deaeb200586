"""CIFAR-10 in its own layout: right files are read, wrong ones are refused with a line that says what to do."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from lib.data import cifar10
from lib.data.cifar10 import FOLDER, TEST, TRAIN
from lib.errors import DatasetError
from lib.experiment.profile import ROOT

N = 50  # images a batch in these tests, but for one of the dataset's own size
RNG = np.random.default_rng(0)
DATA = RNG.integers(0, 256, (N, 3072), dtype=np.uint8)
LABELS = RNG.integers(0, 10, N).tolist()


def batch():
    return {b"batch_label": b"batch", b"labels": LABELS, b"data": DATA, b"filenames": [b"a.png"] * 3}


def dump(path, value, protocol=2):
    path.write_bytes(pickle.dumps(value, protocol=protocol))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Six synthetic batches in the dataset's layout, under a folder of their own. Not to be changed."""
    root = tmp_path_factory.mktemp("cifar") / FOLDER
    root.mkdir()
    for k, name in enumerate((*TRAIN, TEST)):
        dump(root / name, batch() | {b"data": np.roll(DATA, k, axis=0)})
    return root


@pytest.fixture
def copy(whole, tmp_path):
    """A folder with links to the six batches, so that a test can replace one."""
    root = tmp_path / FOLDER
    root.mkdir()
    for name in (*TRAIN, TEST):
        (root / name).hardlink_to(whole / name)
    return root


@pytest.fixture(autouse=True)
def small_and_in_no_other_place(monkeypatch, tmp_path):
    monkeypatch.setattr(cifar10, "IMAGES_A_BATCH", N)
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def replace(path, value, **how):
    path.unlink()
    path.write_bytes(value) if isinstance(value, bytes) else dump(path, value, **how)


def refused(root, accept_unknown=True):
    with pytest.raises(DatasetError) as caught:
        cifar10.load(str(root), accept_unknown)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_batch_of_the_dataset_has_10000_images(tmp_path, monkeypatch):
    monkeypatch.undo()
    dump(tmp_path / TEST, {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": [9] * 10_000})
    images, labels = cifar10.read_batch(tmp_path / TEST)
    assert (images.dtype, images.shape) == (np.uint8, (10_000, 32, 32, 3))
    assert (labels.dtype, labels.shape) == (np.int64, (10_000,))
    dump(tmp_path / TEST, batch())
    with pytest.raises(DatasetError, match="10000, 3072"):
        cifar10.read_batch(tmp_path / TEST)


def test_pixels_and_labels_arrive_where_the_format_puts_them(copy):
    data = np.zeros((N, 3072), np.uint8)
    data[3, 0], data[3, 1024 + 33], data[3, 2048 + 1023] = 10, 20, 30  # red (0, 0), green (1, 1), blue (31, 31)
    replace(copy / TEST, batch() | {b"data": data, b"labels": [7] * N})
    images, labels = cifar10.read_batch(copy / TEST)
    assert (images[3, 0, 0, 0], images[3, 1, 1, 1], images[3, 31, 31, 2]) == (10, 20, 30)
    assert images.sum() == 60
    assert set(labels) == {7}


@pytest.mark.parametrize("protocol", range(6))
def test_every_pickle_protocol_of_numpy_is_read(copy, protocol):
    replace(copy / TEST, batch(), protocol=protocol)
    images, labels = cifar10.read_batch(copy / TEST)
    assert np.array_equal(images.transpose(0, 3, 1, 2).reshape(-1, 3072), DATA)
    assert labels.tolist() == LABELS


def test_module_names_of_old_numpy_are_read(copy):
    """The original was pickled by NumPy 1 under Python 2, whose arrays come from numpy.core.multiarray."""
    old = pickle.dumps(batch(), protocol=2).replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray")
    assert b"numpy.core.multiarray" in old
    replace(copy / TEST, old)
    assert np.array_equal(cifar10.read_batch(copy / TEST)[1], LABELS)


def test_unknown_copy_is_refused_unless_accepted(copy):
    line = refused(copy, accept_unknown=False)
    assert "not the original" in line
    assert "dataset.accept_unknown: true" in line
    label, names, x_train, y_train, x_test, _ = cifar10.load(str(copy), True)
    assert label.startswith("CIFAR-10, unknown copy ")
    assert names[3] == "cat"
    assert (x_train.shape, y_train.shape, x_test.shape) == ((5 * N, 32, 32, 3), (5 * N,), (N, 32, 32, 3))
    assert np.array_equal(x_train[N + 1], x_train[0])  # the second batch is the first, moved by one


def test_unknown_copies_have_names_of_their_own(copy):
    first = cifar10.load(str(copy), True)[0]
    data = DATA.copy()
    data[0, 0] ^= 1
    replace(copy / TRAIN[0], batch() | {b"data": data})
    assert cifar10.load(str(copy), True)[0] != first


def test_known_copy_needs_no_consent(copy, monkeypatch):
    parts = {name: cifar10.read_batch(copy / name) for name in (*TRAIN, TEST)}
    monkeypatch.setitem(
        cifar10.KNOWN_COPIES, cifar10.fingerprint(array for name in (*TRAIN, TEST) for array in parts[name]), "CIFAR-10, a mirror"
    )
    assert cifar10.load(str(copy), False)[0] == "CIFAR-10, a mirror"


def test_original_is_known_by_its_md5(copy, monkeypatch):
    for name in (*TRAIN, TEST):
        monkeypatch.setitem(cifar10.ORIGINAL_MD5, name, hashlib.md5((copy / name).read_bytes()).hexdigest())
    assert cifar10.load(str(copy), False)[0] == "CIFAR-10"
    replace(copy / TRAIN[2], batch() | {b"data": np.zeros_like(DATA)})
    line = refused(copy, accept_unknown=False)
    assert f"{copy / TRAIN[2]}: not the original" in line


@pytest.mark.parametrize("name", [TEST, *TRAIN])
def test_missing_batch(copy, name):
    (copy / name).unlink()
    line = refused(copy)
    assert f"{copy / name}: missing" in line
    assert "CIFAR10_DIR" in line


@pytest.mark.parametrize("keep", [0, 1, 100, 100_000, -1])
def test_truncated_batch(copy, keep):
    content = (copy / TRAIN[1]).read_bytes()
    replace(copy / TRAIN[1], content[:keep])
    line = refused(copy)
    assert f"{copy / TRAIN[1]}: truncated or not a CIFAR-10 batch" in line
    assert "get it again" in line


@pytest.mark.parametrize(
    "value",
    [b"not a pickle", b"\x80\x02]q\x00.", [1, 2], {}, {b"data": DATA}, {"data": DATA, "labels": LABELS}, None],
    ids=["text", "list", "numbers", "empty", "no labels", "text keys", "none"],
)
def test_something_else_than_a_batch(copy, value):
    replace(copy / TEST, value)
    assert f"{copy / TEST}: truncated or not a CIFAR-10 batch" in refused(copy)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({b"data": DATA[1:]}, f"data must be uint8 ({N}, 3072), got uint8 ({N - 1}, 3072)"),
        ({b"data": DATA.astype(np.float32)}, f"got float32 ({N}, 3072)"),
        ({b"data": DATA.astype(np.int8)}, "got int8"),
        ({b"data": DATA.reshape(N, 3, 32, 32)}, f"got uint8 ({N}, 3, 32, 32)"),
        ({b"data": b"bytes"}, "got bytes"),
        ({b"data": None}, "got NoneType"),
        ({b"labels": LABELS[:-1]}, f"labels must be {N} integers from 0 to 9"),
        ({b"labels": [*LABELS[:-1], 10]}, "labels must be"),
        ({b"labels": [*LABELS[:-1], -1]}, "labels must be"),
        ({b"labels": [*LABELS[:-1], 1.5]}, "labels must be"),
        ({b"labels": [*LABELS[:-1], None]}, "labels must be"),
        ({b"labels": [str(k) for k in LABELS]}, "labels must be"),
        ({b"labels": None}, "labels must be"),
        ({b"labels": [LABELS]}, "labels must be"),
    ],
)
def test_wrong_shape_type_or_range(copy, changes, says):
    replace(copy / TRAIN[3], batch() | changes)
    line = refused(copy)
    assert line.startswith(f"{copy / TRAIN[3]}: ")
    assert says in line


class Calls:
    """Pickled, it calls `function` with `arguments` in whoever loads it."""

    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


HOSTILE = {
    "os.system": lambda marker: Calls(os.system, f"touch {marker}"),
    "eval": lambda marker: Calls(eval, f"open({str(marker)!r}, 'w')"),
    "exec": lambda marker: Calls(exec, f"open({str(marker)!r}, 'w')"),
    "getattr": lambda marker: Calls(getattr, "text", "format"),
    "open": lambda marker: Calls(open, str(marker), "w"),
    "__import__": lambda marker: Calls(__import__, "os"),
    "numpy.load": lambda marker: Calls(np.load, str(marker)),
    "numpy.save": lambda marker: Calls(np.save, str(marker), 0),
    "numpy.fromfile": lambda marker: Calls(np.fromfile, str(marker)),
    "numpy.memmap": lambda marker: Calls(np.memmap, str(marker), "uint8", "w+", 0, 10),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("where", ["whole", "inside"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_hostile_pickle_is_refused_and_does_nothing(copy, tmp_path, kind, where, protocol):
    marker = tmp_path / "marker"
    payload = HOSTILE[kind](marker)
    replace(copy / TRAIN[0], payload if where == "whole" else {b"data": payload, b"labels": []}, protocol=protocol)
    line = refused(copy)
    assert not marker.exists()
    assert f"{copy / TRAIN[0]}: refused: wants to load" in line
    assert "get the dataset again" in line


def raw(module, name, *strings):
    """A pickle by hand: call module.name with text arguments."""
    pushed = b"".join(b"V" + text.encode() + b"\n" for text in strings)
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n(" + pushed + b"tR."


def stacked(module, name, *strings):
    """The same by protocol 4, whose names may hold dots: numpy.ndarray of something else."""
    parts = [b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)]
    pushed = b"".join(b"X" + len(text).to_bytes(4, "little") + text.encode() for text in strings)
    return b"\x80\x04" + parts[0] + parts[1] + b"\x93(" + pushed + b"tR."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "os.system"),
        ("numpy", "ndarray.tofile"),
        ("numpy", "ndarray.__class__"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("_codecs", "encode.__self__"),
        ("numpy._core.multiarray", "fromfile"),
        ("numpy.ctypeslib", "load_library"),
        ("numpy.testing", "runstring"),
        ("numpy.f2py", "compile"),
        ("posix", "system"),
        ("os", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("__builtin__", "eval"),
        ("_codecs", "lookup"),
        ("_codecs", "register"),
    ],
)
def test_names_that_look_like_numpy_are_refused(copy, tmp_path, module, name):
    marker = tmp_path / "marker"
    for make in (raw, stacked):
        replace(copy / TRAIN[0], make(module, name, f"touch {marker}"))
        assert f"{copy / TRAIN[0]}: refused: wants to load " in refused(copy)
        assert not marker.exists()


def test_array_of_objects_cannot_carry_a_payload(copy, tmp_path):
    marker = tmp_path / "marker"
    replace(copy / TRAIN[0], batch() | {b"data": np.array([Calls(os.system, f"touch {marker}")], dtype=object)})
    assert "refused" in refused(copy)
    assert not marker.exists()


@pytest.mark.parametrize("code", [b"\x82\x01.", b"P1\n.", b"\x97."], ids=["extension registry", "persistent id", "buffer"])
def test_other_ways_out_of_a_pickle_are_refused(copy, code):
    replace(copy / TRAIN[0], b"\x80\x05" + code)
    assert str(copy / TRAIN[0]) in refused(copy)


def test_folder_that_is_named_must_hold_the_batches(tmp_path, monkeypatch, copy):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert f"{empty}: dataset.folder names no folder with {FOLDER}/{TEST}" in refused(empty)
    assert "dataset.folder" in refused(tmp_path / "nowhere")
    monkeypatch.setenv("CIFAR10_DIR", str(empty))
    with pytest.raises(DatasetError, match="CIFAR10_DIR names no folder"):
        cifar10.load(None, True)
    assert cifar10.find(str(copy)) == copy  # the profile's folder comes first


def test_folder_may_be_the_layout_or_hold_it(copy, monkeypatch):
    assert cifar10.find(str(copy)) == cifar10.find(str(copy.parent)) == copy
    monkeypatch.setenv("CIFAR10_DIR", str(copy.parent))
    assert cifar10.find(None) == copy


@pytest.mark.parametrize("place", [FOLDER, f"{FOLDER}-target/{FOLDER}"])
def test_keras_cache_is_used(copy, tmp_path, monkeypatch, place):
    cached = tmp_path / "keras" / "datasets" / place
    cached.parent.mkdir(parents=True)
    copy.rename(cached)
    monkeypatch.setattr(cifar10, "_download", lambda: pytest.fail("downloaded in spite of the cache"))
    assert cifar10.find(None) == cached


@pytest.mark.parametrize("reason", ["URL fetch failure on https://host/x: None -- no route\nmore", ""])
def test_no_network(monkeypatch, reason):
    import keras

    def fails():
        raise Exception(reason)

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", fails)
    with pytest.raises(DatasetError, match="could not be downloaded") as caught:
        cifar10.load(None, False)
    assert "CIFAR10_DIR" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"backend": "torch"}, r"URL fetch failure .*"), ({"floatx": "float8"}, r".+"), ({"image_data_format": "sideways"}, r".+")],
    ids=["another backend", "no such type", "no such layout"],
)
def test_the_users_keras_settings_end_no_download_in_a_traceback(tmp_path, settings, reason):
    """A proxy that no one listens at stands for a machine without a network."""
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    environment = os.environ | {"KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT)}
    environment.pop("KERAS_BACKEND", None)
    program = "from lib.data import cifar10\ntry:\n    cifar10.load(None, False)\nexcept cifar10.DatasetError as error:\n    print(error)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    assert re.fullmatch(rf"CIFAR-10 could not be downloaded \({reason}\); set dataset\.folder or .*", done.stdout.splitlines()[-1])


def test_download_that_leaves_nothing(monkeypatch):
    import keras

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: None)
    with pytest.raises(DatasetError, match="not in Keras' cache"):
        cifar10.load(None, False)


def test_profile_reads_it(copy, write_profile):
    from lib import session
    from lib.experiment import profile as config

    profile = config.load(str(write_profile(dataset={"name": "cifar10", "folder": str(copy), "accept_unknown": True})))
    images = session.Session(profile, "test").images
    assert images.label.startswith("CIFAR-10, unknown copy")
    assert len(images.class_names) == 10
    assert len(images.x_train) == 5 * N
