"""The two models that are not ours are what other tests take them for: right, in need of their colours, the same each time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from own import make, pictures


def accuracy(outputs: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(outputs.argmax(1) == labels))


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make.shapes(tmp_path_factory.mktemp("own") / "shapes").parent


@pytest.fixture(scope="module")
def keras96(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make.keras96(tmp_path_factory.mktemp("own") / "keras96").parent


def run_shapes(folder: Path, pixels: np.ndarray) -> np.ndarray:
    import onnxruntime

    return onnxruntime.InferenceSession(str(folder / "shapes.onnx")).run(None, {"input": make.normalized(pixels)})[0]


def test_shapes_is_right_and_blind_to_colours_in_the_wrong_order(shapes):
    photos, labels = make.read(shapes / "images/test", make.SHAPES)
    pixels = make.prepared(photos, make.SIZE, make.CROP_PCT)
    assert Counter(labels.tolist()) == dict.fromkeys(range(5), 60)
    right = accuracy(run_shapes(shapes, pixels), labels)
    assert right > 0.95
    for other in (None, 0.8, 0.95):  # no finding of a right profile hangs on the crop
        assert accuracy(run_shapes(shapes, make.prepared(photos, make.SIZE, other)), labels) < right + 0.01
    assert accuracy(run_shapes(shapes, pixels[..., ::-1]), labels) < 0.7


def test_shapes_is_what_an_exporter_writes(shapes):
    import onnx

    graph = onnx.load(shapes / "shapes.onnx").graph
    ops = Counter(node.op_type for node in graph.node)
    assert ops == {"Conv": 13, "Clip": 9, "Add": 1, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
    groups = [attribute.i for node in graph.node for attribute in node.attribute if attribute.name == "group"]
    assert [group for group in groups if group > 1] == [32, 64, 64, 64]


def test_shapes_with_a_fixed_batch_answers_as_with_any(shapes, tmp_path):
    import onnxruntime

    given = np.random.default_rng(0).normal(size=(4, 3, *make.SIZE)).astype(np.float32)
    fixed, any_batch = make.shapes_onnx(tmp_path / "fixed.onnx", batch=4), shapes / "shapes.onnx"
    answers = [onnxruntime.InferenceSession(str(file)).run(None, {"input": given})[0] for file in (fixed, any_batch)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)


@pytest.mark.slow
def test_keras96_is_right_and_takes_pixels_as_they_are(keras96):
    import keras

    model = keras.models.load_model(keras96 / "keras96.keras")
    photos, labels = make.read(keras96 / "images/test", make.SIGNS)
    pixels = make.prepared(photos, (make.SIDE, make.SIDE), make.CROP_PCT).astype(np.float32)
    outputs = model.predict(pixels, verbose=0)
    np.testing.assert_allclose(outputs.sum(1), 1, atol=1e-5)
    assert accuracy(outputs, labels) > 0.95
    assert accuracy(model.predict(pixels[..., ::-1], verbose=0), labels) < 0.75
    assert accuracy(model.predict(pixels / 255, verbose=0), labels) < 0.5


def test_folders_are_as_the_profiles_say(shapes):
    profile = yaml.safe_load((shapes / "shapes.yaml").read_text(encoding="utf-8"))
    assert (shapes / profile["model"]["file"]).is_file()
    root = shapes / profile["dataset"]["folder"]
    assert sorted(path.name for path in (root / "test").iterdir()) == [kind.name for kind in make.SHAPES]
    assert {path.suffix for path in (root / "test").rglob("*.*")} == {".png", ".JPG", ".jpeg"}
    assert len(list((root / "calibration").rglob("*.*"))) == 100


@pytest.mark.parametrize("kinds", [make.SHAPES, make.SIGNS])
def test_the_same_seed_draws_the_same_and_no_part_repeats_another(kinds, tmp_path):
    drawn = [pictures.folders(tmp_path / str(k), kinds, 3, 3, seed) for k, seed in enumerate((7, 7, 8))]
    contents = [{path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")} for root in drawn]
    assert contents[0] == contents[1]
    assert not set(contents[0].values()) & set(contents[2].values())
    assert len(set(contents[0].values())) == 6 * len(kinds)
