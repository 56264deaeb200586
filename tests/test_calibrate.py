"""Calibration caches and calibrators, with a stand-in for TensorRT's classes: what they do, not what TensorRT does with them."""

from __future__ import annotations

import struct
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import plans, trt
from lib.errors import ArtifactError, NotMeasured
from lib.experiment import profile as config
from lib.models import train as training
from lib.plans import bound, calibrate
from lib.store import artifacts
from lib.trt import calibrators

CHECKED = {  # field of a cache's identity -> what people call it
    "tensorrt": "TensorRT version",
    "method": "calibrator",
    "onnx_sha256": "ONNX",
    "dataset": "dataset",
    "images": "number of calibration images",
    "seed": "seed of the calibration images",
    "held_out": "number of images held out for validation",
    "batch": "calibration batch",
    "version": "version of this project's builder",
}
HEADER = "TRT-8503-EntropyCalibration2\n"


def cache(scales: dict[str, float]) -> bytes:
    """A cache as TensorRT writes it."""
    return (HEADER + "".join(f"{name}: {struct.pack('>f', value).hex()}\n" for name, value in scales.items())).encode()


class Base:
    """What TensorRT's calibrators are to Python: a class whose own __init__ must be called."""

    def __init__(self) -> None:
        self.started = True


FAKE = SimpleNamespace(IInt8EntropyCalibrator2=Base, IInt8MinMaxCalibrator=Base)


class Device:
    """Device memory, stream and pinned memory in one, on the host."""

    address = 4096

    def __init__(self, *_: object) -> None:
        self.closed = False

    def upload(self, host: np.ndarray, device: Device) -> None:
        Device.seen.append(host.copy())

    def synchronize(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def device(monkeypatch):
    Device.seen = []
    monkeypatch.setattr("lib.cuda.DeviceMemory", Device)
    monkeypatch.setattr("lib.cuda.Stream", Device)
    monkeypatch.setattr("lib.cuda.pinned", lambda shape, dtype=np.float32: np.empty(shape, dtype))
    return Device


# Caches


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9_/:.\-]{1,30}", fullmatch=True), st.floats(2**-20, 2**20, width=32), min_size=1))
def test_scales_of_a_cache_are_read_back(scales):
    assert calibrators.scales(cache(scales)) == scales


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (HEADER + "images: 3c0\n", "line 2"),
        (HEADER + "images: 3c010204\nno colon\n", "line 3"),
        (HEADER + "images: zz010204\n", "line 2"),
        (HEADER + "images: 7fc00000\n", "line 2: the scale of 'images' is nan"),
        (HEADER + "images: bc010204\n", "line 2: the scale of 'images' is -"),
        (HEADER + "images: 3c01020400\n", "line 2"),
    ],
)
def test_a_damaged_cache_names_its_line(data, line):
    with pytest.raises(trt.EngineError, match=line):
        calibrators.scales(data.encode())


@pytest.mark.parametrize("data", [b"", HEADER.encode(), b"\xff\xfe"])
def test_a_cache_without_scales_is_refused(data):
    with pytest.raises(trt.EngineError, match="holds no scales"):
        calibrators.scales(data)


@pytest.fixture
def stored(tmp_path):
    """The folder of a stored cache and the identity that it is bound to."""
    identity = {field: f"value of {field}" for field in CHECKED}
    write = lambda folder: (folder / calibrate.CACHE).write_bytes(cache({"images": 0.25, "conv": 0.5})) and None  # noqa: E731
    return artifacts.Store(tmp_path).get_or_build(calibrate.KIND, identity, write).path.parent, identity


def refusal(folder, identity, tensors=frozenset({"images", "conv"})):
    with pytest.raises(ArtifactError) as caught:
        calibrate.load_cache(folder, identity, set(tensors))
    assert "\n" not in str(caught.value)
    assert "calibrates anew" in str(caught.value) or "built again" in str(caught.value)
    return str(caught.value)


def test_a_cache_loads_for_what_it_was_made_of(stored):
    folder, identity = stored
    assert calibrate.load_cache(folder, identity, {"images", "conv", "more"}).startswith(b"TRT-8503")


@pytest.mark.parametrize(("field", "words"), CHECKED.items())
def test_a_cache_of_something_else_is_refused_in_words(stored, field, words):
    folder, identity = stored
    assert f"its {words} is 'value of {field}', here it is 'another'" in refusal(folder, identity | {field: "another"})


def test_a_cache_of_other_tensors_is_refused(stored):
    assert "holds a scale for 'conv', which is no tensor of this network" in refusal(*stored, {"images"})


def test_an_altered_cache_is_refused(stored):
    folder, identity = stored
    (folder / "payload" / calibrate.CACHE).write_bytes(cache({"images": 1.0, "conv": 0.5}))
    assert "altered or truncated" in refusal(folder, identity)


def test_the_identity_holds_every_field_that_is_checked(quick, monkeypatch, tmp_path):
    monkeypatch.setattr("lib.trt.versions.version", lambda: "8.5.3.1")
    network = tmp_path / "model.onnx"
    network.write_bytes(b"network")
    identity = calibrate.identity(quick, network, calibrate.default(quick))
    assert identity.keys() == set(CHECKED)
    assert (identity["method"], identity["images"], identity["batch"]) == ("entropy", 320, 32)


def test_another_kind_of_artifact_is_no_cache(tmp_path):
    other = artifacts.Store(tmp_path).get_or_build("engine", {}, lambda folder: (folder / calibrate.CACHE).write_bytes(b"x") and None)
    with pytest.raises(ArtifactError, match="kind is 'engine', not 'calibration'"):
        bound.read(other.path.parent, calibrate.KIND, calibrate.CACHE, {})


# Calibrators


def images(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32)[:, None, None, None] * np.ones((1, 32, 32, 3), np.float32)


def test_a_collector_hands_over_full_batches_in_order(device):
    made = calibrators.collector(FAKE, "entropy", images(70), 32)  # two batches, six images are left out
    assert made.started
    assert made.get_batch_size() == 32
    assert made.read_calibration_cache() is None
    assert [made.get_batch(["images"]) for _ in range(3)] == [[4096], [4096], None]
    assert [batch[:, 0, 0, 0].tolist() for batch in device.seen] == [list(range(32)), list(range(32, 64))]
    made.write_calibration_cache(memoryview(b"cache"))
    assert made.finish() == b"cache"
    made.close()
    assert made._device.closed


def test_fewer_images_than_a_batch(device):
    with pytest.raises(trt.EngineError, match="31 images, one batch has 32"):
        calibrators.collector(FAKE, "minmax", images(31), 32)


def test_a_calibration_that_stopped_early_is_an_error(device):
    made = calibrators.collector(FAKE, "entropy", images(64), 32)
    made.get_batch(["images"])
    with pytest.raises(trt.EngineError, match="read 1 of 2 batches"):
        made.finish()


def test_what_goes_wrong_in_a_callback_is_not_lost(device, monkeypatch):
    def no_memory(*_: object) -> None:
        raise trt.EngineError("no device memory left")

    monkeypatch.setattr("lib.cuda.DeviceMemory", no_memory)
    made = calibrators.collector(FAKE, "entropy", images(64), 32)
    assert made.get_batch(["images"]) is None  # TensorRT would only print what is raised here
    with pytest.raises(trt.EngineError, match="batch 1 of 2: no device memory left"):
        made.finish()
    made.close()


def test_a_reader_needs_no_image():
    made = calibrators.reader(FAKE, "minmax", b"cache")
    assert made.read_calibration_cache() == b"cache"
    assert made.get_batch(["images"]) is None


def test_the_experiments_calibration_is_the_originals(quick):
    engines = config.load("cifar10").engines
    assert (engines.calibration_images, engines.calibration_batch) == (320, 32)  # ten batches
    assert calibrate.default(quick) == plans.Calibration("entropy", 320)


def test_the_number_of_calibration_images_is_that_of_those_read(quick):
    there = len(training.split(quick.profile.train, quick.images)[0])
    for wanted, read in ((330, 320), (10**6, there // 32 * 32)):
        engines = quick.profile.engines.model_copy(update={"calibration_images": wanted})
        session = replace(quick, profile=quick.profile.model_copy(update={"engines": engines}))
        assert calibrate.default(session) == plans.Calibration("entropy", read)


@pytest.mark.parametrize(("there", "key"), [(0, "no_calibration_images"), (7, "few_calibration_images")])
def test_too_few_images_are_a_reason_and_no_failure(quick, tmp_path, there, key):
    images = replace(quick.images, x_train=quick.images.x_train[: there + quick.profile.train.validation_images])
    session = replace(quick)
    session.images = replace(images, y_train=quick.images.y_train[: len(images.x_train)])
    with pytest.raises(NotMeasured) as caught:
        calibrate.cache(session, tmp_path / "m.onnx", plans.Calibration("entropy", 0))
    assert caught.value.reason.key == key
