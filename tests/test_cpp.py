"""The C++ runner's library: built with AddressSanitizer and UBSan, its own tests, and files exchanged with Python."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lib.experiment import profile as config
from lib.store import records

SOURCE = config.ROOT / "lib" / "cpp"
PIXELS = 32 * 32 * 3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not shutil.which("cmake"), reason="cmake is not installed"),
    pytest.mark.skipif(not (shutil.which("c++") or shutil.which("g++")), reason="no C++ compiler is installed"),
]


def call(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=800)


def must(*words: object) -> str:
    done = call(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build without TensorRT, wherever this runs: what it finds on this machine is not looked for."""
    folder = tmp_path_factory.mktemp("build of the runner")
    without = "-DCMAKE_DISABLE_FIND_PACKAGE_TensorRT=ON"
    said = must("cmake", "-S", SOURCE, "-B", folder, "-DSANITIZE=ON", "-DCMAKE_BUILD_TYPE=Debug", without)
    assert "runner: not built, missing: TensorRT's headers" in said
    must("cmake", "--build", folder, "--parallel", len(os.sched_getaffinity(0)))
    return folder


@pytest.fixture(scope="module")
def roundtrip(build: Path) -> Path:
    return build / "tests" / "roundtrip"


@pytest.fixture
def images() -> np.ndarray:
    """Three images of all magnitudes that float32 has."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((3, 32, 32, 3)) * 10.0 ** rng.integers(-44, 38, (3, 32, 32, 3))).astype(np.float32)


def write_csv(path: Path, images: np.ndarray, ids: list[int]) -> Path:
    header = ",".join(["sample_id", *(f"pixel_{i}" for i in range(PIXELS))])
    rows = [",".join([str(number), *map(str, row)]) for number, row in zip(ids, images.reshape(len(images), -1), strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def digest(images: np.ndarray) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()


def test_its_own_tests_pass_under_sanitizers(build: Path) -> None:
    assert "100% tests passed" in must("ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error")


def test_csv_of_python_is_read_bit_by_bit(roundtrip: Path, images: np.ndarray, tmp_path: Path) -> None:
    ids, sha256 = must(roundtrip, "samples", write_csv(tmp_path / "s.csv", images, [5, 0, -2])).splitlines()
    assert ids.split() == ["5", "0", "-2"]
    assert sha256 == digest(images)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("shape", [(3, 32, 32, 3), (3, PIXELS)])
def test_npy_of_numpy_is_read_bit_by_bit(roundtrip: Path, images: np.ndarray, tmp_path: Path, version, shape) -> None:
    with open(tmp_path / "s.npy", "wb") as file:
        np.lib.format.write_array(file, images.reshape(shape), version=version)
    ids, sha256 = must(roundtrip, "samples", tmp_path / "s.npy").splitlines()
    assert ids.split() == ["0", "1", "2"]
    assert sha256 == digest(images)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.astype(np.float64), "type '<f8', wanted '<f4'"),
        (lambda a: a.astype(">f4"), "type '>f4', wanted '<f4'"),
        (lambda a: np.asfortranarray(a), "Fortran order"),
        (lambda a: a[..., :2].copy(), "shape (3, 32, 32, 2), wanted"),
        (lambda a: a[:0], "no images"),
        (lambda a: np.full_like(a, np.nan), "pixel_0 of image 0 is not finite"),
        (lambda a: a.view([("x", "<f4")]), "malformed header"),
    ],
)
def test_other_npy_is_refused_in_one_line(roundtrip: Path, images: np.ndarray, tmp_path: Path, change, words: str) -> None:
    np.save(tmp_path / "s.npy", change(images))
    done = call(roundtrip, "samples", tmp_path / "s.npy")
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_predictions_parse_back_to_the_same_float32(roundtrip: Path, images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", images)
    must(roundtrip, "predictions", tmp_path / "s.npy", tmp_path / "p.csv")
    header, *rows = [line.split(",") for line in (tmp_path / "p.csv").read_text().splitlines()]
    wanted = images.reshape(3, -1)[:, :10]
    assert header == ["sample_id", "class", *(f"probability_{c}" for c in range(10))]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert [int(row[1]) for row in rows] == wanted.argmax(axis=1).tolist()
    assert np.array_equal(np.array([row[2:] for row in rows], dtype=np.float32), wanted)


def test_records_are_read_by_python(roundtrip: Path, tmp_path: Path) -> None:
    (tmp_path / "cpp.jsonl").write_text(must(roundtrip, "record"))
    measured, missing = records.read(tmp_path)
    assert measured.samples == [0.1, 1 / 3, 5e-324, 1.7976931348623157e308]
    assert measured.value == pytest.approx(np.median(measured.samples))
    assert measured.stats == {"n": 4, "stable": True, "p50": measured.value, "p90": None, "p95": None, "p99": None}
    assert (measured.precision, measured.batch_size, measured.case) == ('fp16 "é" \n 日本', 32, {"api": "enqueueV3", "graph": False})
    assert missing.value is None
    assert missing.reason == ("no GPU", "GPUがない")


def test_a_record_has_exactly_the_fields_of_the_schema(roundtrip: Path) -> None:
    written = json.loads(must(roundtrip, "record").splitlines()[0])
    left_to_the_notebook = {"run_id", "system_id", "stage", "dataset"}
    assert written.keys() == set(records.Record.__dataclass_fields__) - left_to_the_notebook
    assert written["schema"] == records.SCHEMA


def test_help_and_wrong_arguments(roundtrip: Path) -> None:
    assert must(roundtrip, "options", "--help").startswith("usage: runner --plan FILE --samples FILE")
    done = call(roundtrip, "options", "--plan", "a", "--samples", "b", "--records", "r", "--batch", "0")
    assert done.returncode == 1
    assert done.stderr == "--batch is '0', wanted a whole number from 1 to 65536\n"


def test_a_plan_whose_sha256_nobody_gave_is_refused_in_one_line(roundtrip: Path) -> None:
    words = ["--plan", "a", "--samples", "b", "--records", "r"]
    done = call(roundtrip, "options", *words)
    assert done.returncode == 1
    assert "--sha256 HEX is missing" in done.stderr
    assert "--insist" in done.stderr
    assert done.stderr.count("\n") == 1
    for more in (["--insist"], ["--sha256", "0" * 64]):
        assert must(roundtrip, "options", *words, *more) == "32\n"
