"""The C++ runner without TensorRT: built with AddressSanitizer and UBSan, its own tests, and its program over an engine that is none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import ReportError, WrongOutput
from lib.experiment import profile as config
from lib.runners import compiled
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
    quick = "-DCMAKE_CXX_FLAGS_DEBUG=-g1"  # lines for the sanitizers' reports, and no more
    done = call(
        "cmake", "-S", SOURCE, "-B", folder, "-DSANITIZE=ON", "-DCMAKE_BUILD_TYPE=Debug", quick, "-DCMAKE_DISABLE_FIND_PACKAGE_TensorRT=ON"
    )
    if "missing: apt install" in done.stderr:
        pytest.skip(done.stderr)
    assert "runner: not built, missing: TensorRT's headers" in done.stdout, done.stderr
    must("cmake", "--build", folder, "--parallel", min(2, len(os.sched_getaffinity(0))))
    return folder


@pytest.fixture
def program(build: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in, where lib/runners/compiled.py looks for the runner."""
    monkeypatch.setenv(compiled.PROGRAM, str(build / "tests" / "stand_in"))
    return build / "tests" / "stand_in"


@pytest.fixture
def images() -> np.ndarray:
    """Seven images; the stand-in's answer is the first ten values of each over their sum."""
    return np.random.default_rng(0).random((7, 32, 32, 3), np.float32)


def answers(images: np.ndarray) -> np.ndarray:
    first = images.reshape(len(images), -1)[:, :10]
    return first / first.sum(axis=1, keepdims=True)


def plan(folder: Path, **says: object) -> Path:
    """What the stand-in takes for a plan: type, shape, smallest, largest, profiles, outputs, logits, classes, and how it fails (what)."""
    path = folder / "model.plan"
    path.write_text(json.dumps(says))
    return path


def engine(folder: Path, **says: object) -> tuple[object, ...]:
    path = plan(folder, **says)
    return "--plan", path, "--sha256", files.sha256(path)


def saved(folder: Path, images: np.ndarray) -> Path:
    np.save(folder / "s.npy", images)
    return folder / "s.npy"


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


FINDER = """
cmake_minimum_required(VERSION 3.20)
project(finder LANGUAGES CXX)
list(APPEND CMAKE_MODULE_PATH [[{modules}]])
find_package(TensorRT REQUIRED)
message(STATUS "found ${{TensorRT_VERSION}} ${{TENSORRT_LIBRARY}}")
"""
# As TensorRT 8 and 10 write it, and as 11 does
NUMBERS = "".join(f"#define NV_TENSORRT_{name} {{}} //!< TensorRT version.\n" for name in ("MAJOR", "MINOR", "PATCH", "BUILD"))
INDIRECT = "#define TRT_MAJOR_ENTERPRISE {}\n" + NUMBERS.replace("{}", "TRT_MAJOR_ENTERPRISE", 1)


@pytest.fixture
def find(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """What lib/cpp/cmake/FindTensorRT.cmake says, given these."""
    (tmp_path / "finder").mkdir()
    (tmp_path / "finder" / "CMakeLists.txt").write_text(FINDER.format(modules=SOURCE / "cmake"))
    return lambda **words: call(
        "cmake", "-S", tmp_path / "finder", "-B", tmp_path / "found", "-U", "TENSORRT_*", *(f"-D{k}={v}" for k, v in words.items())
    )


def installed(root: Path, header: str, *version: int) -> Path:
    """A folder as TensorRT's archive makes it: its headers and two libraries beside them."""
    (root / "include").mkdir(parents=True)
    (root / "include" / "NvInferRuntime.h").touch()
    (root / "include" / "NvInferVersion.h").write_text(header.format(*version))
    (root / "lib").mkdir()
    for major in (version[0], version[0] + 1):
        (root / "lib" / f"libnvinfer.so.{major}").touch()
    return root


def test_the_version_of_tensorrt_is_that_of_its_headers(find, tmp_path) -> None:
    """One build folder for one version after the other, whatever was given before."""
    old = installed(tmp_path / "old one", NUMBERS, 8, 5, 3, 1)
    new = installed(tmp_path / "new one", INDIRECT, 11, 0, 0, 114)
    for root, version in ((old, "8.5.3.1"), (new, "11.0.0.114"), (old, "8.5.3.1")):
        done = find(TENSORRT_INCLUDE_DIR=root / "include")
        assert f"found {version} {root}/lib/libnvinfer.so.{version.split('.')[0]}\n" in done.stdout, done.stderr
    done = find(TENSORRT_INCLUDE_DIR=old / "include", TENSORRT_LIBRARY=new / "lib" / "libnvinfer.so.11")
    assert f"found 8.5.3.1 {new}/lib/libnvinfer.so.11\n" in done.stdout  # that they differ is what `runner --version` finds out


def test_what_is_given_and_is_no_tensorrt_is_told(find, tmp_path) -> None:
    root = installed(tmp_path / "root", NUMBERS, 8, 5, 3, 1)
    for words, said in (
        ({"TENSORRT_INCLUDE_DIR": root}, "holds no NvInferVersion.h"),
        ({"TENSORRT_INCLUDE_DIR": root / "include", "TENSORRT_LIBRARY": root / "lib" / "libnvinfer.so"}, "is no file"),
        ({"TENSORRT_INCLUDE_DIR": root / "include", "TENSORRT_LIBRARY": root / "lib"}, "is no file"),
    ):
        done = find(**words)
        assert done.returncode
        assert said in " ".join(done.stderr.split())
    (root / "include" / "NvInferVersion.h").write_text("#define NV_TENSORRT_MAJOR 8\n")
    assert "tells no version" in " ".join(find(TENSORRT_INCLUDE_DIR=root / "include").stderr.split())


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("shape", [(7, 32, 32, 3), (7, PIXELS)])
def test_npy_of_numpy_is_read_and_predictions_are_read_by_numpy(program, images, tmp_path, version, shape) -> None:
    with open(tmp_path / "s.npy", "wb") as file:
        np.lib.format.write_array(file, images.reshape(shape), version=version)
    compiled.call(*engine(tmp_path), "--samples", tmp_path / "s.npy", "--batch", 3, "--predictions", tmp_path / "p.npy")
    got = np.load(tmp_path / "p.npy", allow_pickle=False)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert np.allclose(got, answers(images), rtol=1e-6, atol=0)
    compiled.call(*engine(tmp_path), "--samples", tmp_path / "s.npy", "--batch", 32, "--predictions", tmp_path / "p.csv")
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
        compiled.call(*engine(tmp_path), "--samples", tmp_path / f"s.{kind}", "--predictions", tmp_path / f"{kind}.csv")
    _, ids, _, got = read_csv(tmp_path / "csv.csv")
    assert ids == [5, -2]
    assert np.array_equal(got, read_csv(tmp_path / "npy.csv")[3])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.astype(np.float64), "type '<f8', wanted '<f4'"),
        (lambda a: a.astype(">f4"), "type '>f4', wanted '<f4'"),
        (lambda a: np.asfortranarray(a), "Fortran order"),
        (lambda a: a[..., :2].copy(), "images are float32 (32, 32, 2), the plan takes float32 (32, 32, 3)"),
        (lambda a: a.transpose(0, 3, 1, 2).copy(), "images are float32 (3, 32, 32), the plan takes float32 (32, 32, 3)"),
        (lambda a: a.reshape(7, -1)[:, 1:].copy(), "images are float32 (3071,), the plan takes"),
        (lambda a: a.astype(np.float16), "images are float16 (32, 32, 3), the plan takes float32 (32, 32, 3)"),
        (lambda a: (a * 255).astype(np.uint8), "images are uint8 (32, 32, 3), the plan takes float32 (32, 32, 3)"),
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


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (8, 8, 3), (1, 5, 7)])
@pytest.mark.parametrize("limits", [{}, {"smallest": 4, "largest": 4}, {"smallest": 3, "largest": 5}])
def test_images_of_any_shape_and_type_in_any_batches(program, tmp_path, dtype, shape, limits) -> None:
    images = np.random.default_rng(1).integers(1, 100, (10, *shape)).astype(dtype)
    words = engine(tmp_path, type=dtype, shape=shape, **limits)
    compiled.call(*words, "--samples", saved(tmp_path, images), "--predictions", tmp_path / "p.npy")
    assert np.array_equal(np.load(tmp_path / "p.npy"), answers(images.astype(np.float32)))


def test_a_csv_is_for_float32(program, images, tmp_path) -> None:
    write_csv(tmp_path / "s.csv", images, list(range(7)))
    words = engine(tmp_path, type="uint8", shape=[32, 32, 3])
    with pytest.raises(ReportError, match=r"s.csv: images are float32 \(3072,\), the plan takes uint8 \(32, 32, 3\)$"):
        compiled.call(*words, "--samples", tmp_path / "s.csv", "--predictions", tmp_path / "p.npy")


def test_logits_are_written_as_they_are_and_to_a_csv_as_probabilities(program, images, tmp_path) -> None:
    words = (*engine(tmp_path, logits=True), "--samples", saved(tmp_path, images * 50 - 20), "--batch", 2)
    with pytest.raises(WrongOutput, match=r"Σp\[0\] = "):
        compiled.call(*words, "--predictions", tmp_path / "p.npy")
    for kind in ("npy", "csv"):
        compiled.call(*words, "--outputs", "logits", "--predictions", tmp_path / f"p.{kind}")
    logits = (images * 50 - 20).reshape(7, -1)[:, :10]
    assert np.array_equal(np.load(tmp_path / "p.npy"), logits)
    odds = np.exp(logits.astype(np.float64))
    _, _, classes, values = read_csv(tmp_path / "p.csv")
    assert classes == logits.argmax(axis=1).tolist()
    assert np.allclose(values, odds / odds.sum(axis=1, keepdims=True), rtol=1e-6, atol=0)
    with pytest.raises(WrongOutput, match=r"^z\[0\]: NaN, ∞$"):
        compiled.call(*engine(tmp_path, logits=True, what="wrong"), *words[4:], "--outputs", "logits", "--predictions", tmp_path / "p.npy")
    server = compiled.Server(*engine(tmp_path, logits=True), *words[4:], "--outputs", "logits", said=tmp_path / "said")
    assert len(server.ask(7, 0).latencies_ms) == 1
    server.stop()


@given(lanes=st.integers(1, 8), batch=st.integers(1, 9), smallest=st.integers(1, 4))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lanes_answer_in_the_order_of_the_images(program, images, tmp_path, lanes, batch, smallest) -> None:
    """Also more lanes than there are batches."""
    words = (*engine(tmp_path, profiles=lanes, smallest=smallest), "--samples", saved(tmp_path, images), "--batch", batch)
    compiled.call(*words, "--lanes", lanes, "--predictions", tmp_path / "p.npy")
    assert np.allclose(np.load(tmp_path / "p.npy"), answers(images), rtol=1e-6, atol=0)


def test_lanes_are_timed_between_batches_and_need_a_profile_each(program, images, tmp_path) -> None:
    words = (*engine(tmp_path, profiles=4), "--samples", saved(tmp_path, images), "--graph")
    server = compiled.Server(*words, "--lanes", 4, said=tmp_path / "said")
    for batch in (1, 7):
        started = time.perf_counter()
        found = server.ask(batch, 0.01)
        passed_ms = 1e3 * (time.perf_counter() - started)
        assert found.gpu_ms is None
        assert len(found.latencies_ms) % 4 == 0
        assert 0 < found.latencies_ms.sum() <= passed_ms
        assert server.enqueue_ms > 0
    server.stop()
    with pytest.raises(ReportError, match=r"no batch has 5 of the plan's 4; build it with that many alike, or give fewer --lanes$"):
        compiled.call(*words, "--lanes", 5, "--predictions", tmp_path / "p.npy")


@pytest.mark.parametrize(("what", "kind"), [("fails later", ReportError), ("wrong at the end", WrongOutput), ("logs", ReportError)])
def test_an_error_in_one_lane_is_told_and_leaves_no_file(program, images, tmp_path, what, kind) -> None:
    words = (*engine(tmp_path, profiles=3, what=what), "--samples", saved(tmp_path, images), "--lanes", 3)
    with pytest.raises(ReportError) as asked:
        compiled.call(*words, "--batch", 1, "--predictions", tmp_path / "p.npy")
    assert not (tmp_path / "p.npy").exists()
    server = compiled.Server(*words, said=tmp_path / "said")
    for _ in range(2):
        with pytest.raises(ReportError) as served:
            server.ask(2, 0)
        assert type(served.value) is type(asked.value) is kind
    assert server.alive
    server.stop()


@pytest.mark.parametrize("lanes", [1, 3])
def test_classes_are_whole_numbers(program, images, tmp_path, lanes) -> None:
    words = (*engine(tmp_path, classes=True, profiles=3), "--samples", saved(tmp_path, images), "--batch", 2, "--lanes", lanes)
    with pytest.raises(ReportError, match=r"the plan answers an image with int32 \(\); --outputs classes is for one int32"):
        compiled.call(*words, "--predictions", tmp_path / "p.npy")
    for kind in ("npy", "csv"):
        compiled.call(*words, "--outputs", "classes", "--predictions", tmp_path / f"p.{kind}")
    got = np.load(tmp_path / "p.npy")
    assert got.dtype == np.int32
    assert got.tolist() == answers(images).argmax(axis=1).tolist()
    assert (tmp_path / "p.csv").read_text() == "sample_id,class\n" + "".join(f"{i},{one}\n" for i, one in enumerate(got))
    with pytest.raises(WrongOutput, match=r"^c\[0\] = -1 < 0$"):
        compiled.call(
            *engine(tmp_path, classes=True, what="wrong"), *words[4:8], "--outputs", "classes", "--predictions", tmp_path / "p.npy"
        )


def test_one_of_several_outputs_by_its_name(program, images, tmp_path) -> None:
    words = (*engine(tmp_path, outputs=["features", "reversed"]), "--samples", saved(tmp_path, images), "--predictions", tmp_path / "p.npy")
    with pytest.raises(ReportError, match=r"the plan has 2 outputs: choose one of features, reversed with --output$"):
        compiled.call(*words)
    with pytest.raises(ReportError, match=r"the plan has no output probabilities, it has features, reversed$"):
        compiled.call(*words, "--output", "probabilities")
    compiled.call(*words, "--output", "reversed")
    assert np.allclose(np.load(tmp_path / "p.npy")[:, ::-1], answers(images), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_set_of_images_need_not_fit_into_memory(program, tmp_path, dtype) -> None:
    """1 GB of images of 224 × 224 × 3, of which the disk holds the first and the last."""
    shape, size = (3, 224, 224), 602_112 if dtype == "float32" else 150_528
    count = 1_000_000_000 // size
    images = np.lib.format.open_memmap(tmp_path / "s.npy", "w+", dtype, (count, *shape))
    images[0], images[-1] = 1, 2
    del images
    words = (*engine(tmp_path, type=dtype, shape=shape, logits=True), "--samples", tmp_path / "s.npy", "--outputs", "logits")
    # From a small process: until it has started the program, a child of this one counts as large as this one is.
    code = "import resource as r, subprocess as s, sys; s.run(sys.argv[1:], check=True); print(r.getrusage(r.RUSAGE_CHILDREN).ru_maxrss)"
    command = [sys.executable, "-S", "-c", code, program, *words, "--predictions", tmp_path / "p.npy"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 300_000_000
    got = np.load(tmp_path / "p.npy")
    assert got.shape == (count, 10)
    assert (got[0] == 1).all()
    assert (got[-1] == 2).all()
    assert not got[1:-1].any()
    server = compiled.Server(*words, said=tmp_path / "said")
    assert len(server.ask(32, 0).latencies_ms) == 1
    server.stop()


def test_help_and_version(program) -> None:
    assert "--samples" in must(program, "--help")
    assert json.loads(must(program, "--version")) == {"apis": ["enqueueV3", "executeV2"], "tensorrt": "8.5.3.1", "library": "8.5.3"}
    assert compiled.apis("8.5.3.1") == ("enqueueV3", "executeV2")
    assert compiled.apis("10.6.0").key == "cpp_does_not_start"


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
        (("--insist", "--serve", "--outputs", "scores"), "--outputs"),
        (("--insist", "--serve", "--lanes", "0"), "--lanes"),
        (("--insist", "--serve", "--lanes", "65"), "--lanes"),
        (("--insist", "--serve", "--api", "executeV2", "--lanes", "2"), "--lanes needs --api enqueueV3"),
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
    samples = saved(tmp_path, images)
    rest = ("--samples", samples, "--predictions", tmp_path / "p.npy")
    with pytest.raises(ReportError, match=f"its SHA-256 is {files.sha256(plan(tmp_path))}, wanted 0+; it is altered"):
        compiled.call("--plan", plan(tmp_path), "--sha256", "0" * 64, *rest)
    compiled.call("--plan", plan(tmp_path), "--insist", *rest)
    with pytest.raises(ReportError, match=r"none: no such file"):
        compiled.call("--plan", tmp_path / "none", "--insist", *rest)


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
    samples = saved(tmp_path, images)
    with pytest.raises(ReportError, match=words) as asked:
        compiled.call(*engine(tmp_path, what=what), "--samples", samples, "--predictions", tmp_path / "p.npy")
    server = compiled.Server(*engine(tmp_path, what=what), "--samples", samples, said=tmp_path / "said")
    with pytest.raises(ReportError, match=words) as served:
        server.ask(2, 0)
    server.stop()
    assert type(asked.value) is type(served.value) is kind


def test_it_serves_until_its_input_ends(program, images, tmp_path) -> None:
    words = (*engine(tmp_path), "--samples", saved(tmp_path, images))
    server = compiled.Server(*words, said=tmp_path / "said")
    for batch in (1, 7, 3):
        found = server.ask(batch, 0.001)
        assert 1 <= len(found.latencies_ms) <= 4000
        assert 0 < server.enqueue_ms < found.latencies_ms.max()
        assert set(found.gpu_ms) == {0.25}
    with pytest.raises(ReportError, match="batch is 8, wanted 1 to 7"):
        server.ask(8, 0)
    assert len(server.ask(7, 0).latencies_ms) == 1
    server.stop()
    assert server._process.returncode == 0
    legacy = compiled.Server(*words, "--api", "executeV2", said=tmp_path / "said")
    assert legacy.ask(1, 0).gpu_ms is None
    legacy.stop()
