"""The C++ runner without TensorRT: built with AddressSanitizer and UBSan, its own tests, and its program over an engine that is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import ReportError, WrongOutput
from lib.experiment import profile as config
from lib.runners import cpp
from lib.store import files

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
    done = call(
        "cmake", "-S", SOURCE, "-B", folder, "-DSANITIZE=ON", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_DISABLE_FIND_PACKAGE_TensorRT=ON"
    )
    if "missing: apt install" in done.stderr:
        pytest.skip(done.stderr)
    assert "runner: not built, missing: TensorRT's headers" in done.stdout, done.stderr
    must("cmake", "--build", folder, "--parallel", min(2, len(os.sched_getaffinity(0))))
    return folder


@pytest.fixture
def program(build: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in, where lib/runners/cpp.py looks for the runner."""
    monkeypatch.setenv(cpp.PROGRAM, str(build / "tests" / "stand_in"))
    return build / "tests" / "stand_in"


@pytest.fixture
def images() -> np.ndarray:
    """Seven images; the stand-in's answer is the first ten values of each over their sum."""
    return np.random.default_rng(0).random((7, 32, 32, 3), np.float32)


def answers(images: np.ndarray) -> np.ndarray:
    first = images.reshape(len(images), -1)[:, :10]
    return first / first.sum(axis=1, keepdims=True)


def plan(folder: Path, what: str = "") -> Path:
    """What the stand-in takes for a plan: a text that says how to fail."""
    path = folder / "model.plan"
    path.write_text(what)
    return path


def engine(folder: Path, what: str = "") -> tuple[object, ...]:
    path = plan(folder, what)
    return "--plan", path, "--sha256", files.sha256(path)


def write_csv(path: Path, images: np.ndarray, ids: list[int], mark: str = "", end: str = "\n", last: str = "\n") -> Path:
    header = ",".join(["sample_id", *(f"pixel_{i}" for i in range(PIXELS))])
    rows = [",".join([str(number), *map(str, row)]) for number, row in zip(ids, images.reshape(len(images), -1), strict=True)]
    path.write_bytes((mark + end.join([header, *rows]) + last).encode())
    return path


def read_csv(path: Path) -> tuple[list[str], list[int], list[int], np.ndarray]:
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    return header, [int(row[0]) for row in rows], [int(row[1]) for row in rows], np.array([row[2:] for row in rows], np.float32)


def test_its_own_tests_pass_under_sanitizers(build: Path) -> None:
    assert "100% tests passed" in must("ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error")


def test_what_is_missing_to_build_it_is_named_by_its_packages(tmp_path: Path) -> None:
    without = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("CLI11", "OpenSSL")]
    done = call("cmake", "-S", SOURCE, "-B", tmp_path, *without)
    assert done.returncode != 0
    assert "missing: apt install libcli11-dev libssl-dev\n" in done.stderr


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("shape", [(7, 32, 32, 3), (7, PIXELS)])
def test_npy_of_numpy_is_read_and_predictions_are_read_by_numpy(program, images, tmp_path, version, shape) -> None:
    with open(tmp_path / "s.npy", "wb") as file:
        np.lib.format.write_array(file, images.reshape(shape), version=version)
    cpp.call(*engine(tmp_path), "--samples", tmp_path / "s.npy", "--batch", 3, "--predictions", tmp_path / "p.npy")
    got = np.load(tmp_path / "p.npy", allow_pickle=False)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert np.allclose(got, answers(images), rtol=1e-6, atol=0)
    cpp.call(*engine(tmp_path), "--samples", tmp_path / "s.npy", "--batch", 32, "--predictions", tmp_path / "p.csv")
    header, ids, classes, values = read_csv(tmp_path / "p.csv")
    assert header == ["sample_id", "class", *(f"probability_{c}" for c in range(10))]
    assert ids == list(range(7))
    assert classes == got.argmax(axis=1).tolist()
    assert np.array_equal(values, got)


@given(
    values=st.lists(st.floats(2**-100, 2.0**100, width=32), min_size=10, max_size=10),
    mark=st.sampled_from(["", "\ufeff"]),
    end=st.sampled_from(["\n", "\r\n"]),
    blank=st.lists(st.sampled_from(["", " ", "\t"]), max_size=3),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_is_read_bit_by_bit_however_an_editor_left_it(program, tmp_path, values, mark, end, blank) -> None:
    image = np.zeros((2, PIXELS), np.float32)
    image[:, :10] = values
    np.save(tmp_path / "s.npy", image)
    write_csv(tmp_path / "s.csv", image, [5, -2], mark, end, last="".join(end + line for line in blank))
    for kind in ("npy", "csv"):
        cpp.call(*engine(tmp_path), "--samples", tmp_path / f"s.{kind}", "--predictions", tmp_path / f"{kind}.csv")
    _, ids, _, got = read_csv(tmp_path / "csv.csv")
    assert ids == [5, -2]
    assert np.array_equal(got, read_csv(tmp_path / "npy.csv")[3])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.astype(np.float64), "type '<f8', wanted '<f4'"),
        (lambda a: a.astype(">f4"), "type '>f4', wanted '<f4'"),
        (lambda a: np.asfortranarray(a), "Fortran order"),
        (lambda a: a[..., :2].copy(), "images of shape (32, 32, 2), the plan takes (32, 32, 3)"),
        (lambda a: a.transpose(0, 3, 1, 2).copy(), "images of shape (3, 32, 32), the plan takes (32, 32, 3)"),
        (lambda a: a.reshape(7, -1)[:, 1:].copy(), "images of shape (3071,), the plan takes"),
        (lambda a: a[:0], "holds no images"),
        (lambda a: np.full_like(a, np.nan), "pixel_0 of image 0 is not finite"),
        (lambda a: a.view([("x", "<f4")]), "malformed header"),
    ],
)
def test_other_npy_is_refused_in_one_line(program, images, tmp_path, change, words) -> None:
    np.save(tmp_path / "s.npy", change(images))
    done = call(program, *engine(tmp_path), "--samples", tmp_path / "s.npy", "--predictions", tmp_path / "p.csv")
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "p.csv").exists()


def test_help_and_apis(program) -> None:
    assert "--samples" in must(program, "--help")
    assert cpp.apis() == ("enqueueV3", "executeV2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--serve",), "--sha256 is missing"),
        (("--insist",), "give either --predictions FILE or --serve"),
        (("--insist", "--serve", "--predictions", "p.csv"), "give either --predictions FILE or --serve"),
        (("--insist", "--serve", "--batch", "0"), "--batch"),
        (("--insist", "--serve", "--batch", "many"), "--batch"),
        (("--insist", "--serve", "--api", "enqueueV2"), "--api"),
        (("--insist", "--serve", "--api", "executeV2", "--graph"), "--graph needs --api enqueueV3"),
        (("--insist", "--serve", "--records", "r"), "--records"),
    ],
)
def test_wrong_arguments_are_one_line(program, words, said) -> None:
    done = call(program, "--plan", "a", "--samples", "b", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("runner: ")
    assert done.stderr.count("\n") == 1
    assert "--plan is required" in call(program, "--samples", "b", *words[:1]).stderr


def test_only_the_plan_that_was_meant_is_loaded(program, images, tmp_path) -> None:
    samples = cpp.write_samples(tmp_path / "s.npy", images)
    rest = ("--samples", samples, "--predictions", tmp_path / "p.npy")
    with pytest.raises(ReportError, match=f"its SHA-256 is {files.sha256(plan(tmp_path))}, wanted 0+; it is altered"):
        cpp.call("--plan", plan(tmp_path), "--sha256", "0" * 64, *rest)
    cpp.call("--plan", plan(tmp_path), "--insist", *rest)
    with pytest.raises(ReportError, match=r"none: no such file"):
        cpp.call("--plan", tmp_path / "none", "--insist", *rest)


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("refused", ReportError, "wrong magic number"),
        ("fails", ReportError, "enqueueV3: failed"),
        ("logs", ReportError, "TensorRT logged an error"),
        ("wrong", WrongOutput, r"^p\[0\]: NaN, ∞$"),
    ],
)
def test_failures_are_told_apart_by_kind_whoever_asks(program, images, tmp_path, what, kind, words) -> None:
    samples = cpp.write_samples(tmp_path / "s.npy", images)
    with pytest.raises(ReportError, match=words) as asked:
        cpp.call(*engine(tmp_path, what), "--samples", samples, "--predictions", tmp_path / "p.npy")
    server = cpp.Server(*engine(tmp_path, what), "--samples", samples, said=tmp_path / "said")
    with pytest.raises(ReportError, match=words) as served:
        server.ask(2, 0)
    server.stop()
    assert type(asked.value) is type(served.value) is kind


def test_it_serves_until_its_input_ends(program, images, tmp_path) -> None:
    words = (*engine(tmp_path), "--samples", cpp.write_samples(tmp_path / "s.npy", images))
    server = cpp.Server(*words, said=tmp_path / "said")
    for batch in (1, 7, 3):
        found = server.ask(batch, 0.001)
        assert 1 <= len(found.latencies_ms) <= 4000
        assert set(found.latencies_ms) == {0.5}
        assert set(found.gpu_ms) == {0.25}
    with pytest.raises(ReportError, match="batch is 8, wanted 1 to 7"):
        server.ask(8, 0)
    assert server.ask(7, 0).latencies_ms.tolist() == [0.5]
    server.stop()
    assert server._process.returncode == 0
    legacy = cpp.Server(*words, "--api", "executeV2", said=tmp_path / "said")
    assert legacy.ask(1, 0).gpu_ms is None
    legacy.stop()
