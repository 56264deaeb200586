"""Models that are not ours, on a GPU: engines of every input type and layout answer as ONNX Runtime, in Python and C++."""

from __future__ import annotations

from pathlib import Path

import images
import models as made
import numpy as np
import pytest

from lib import plans
from lib.errors import NotMeasured
from lib.experiment import profile as config
from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.measure import predictions
from lib.runners import cpp
from lib.session import OUTPUTS, Session
from lib.store.records import Reason

HERE = plans.unavailable()
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(900),
    pytest.mark.skipif(HERE is not None, reason=HERE.text.en if HERE else ""),
]
MODELS = {
    "float32": {},
    "NHWC": {"layout": "NHWC"},
    "uint8": {"dtype": "uint8", "scale": 1 / 255},
    "float16": {"dtype": "float16"},
    "batch of 4": {"batch": 4},
    "probabilities": {"end": "Softmax"},
    "two outputs": {"outputs": 2},
}
CASES = [(name, precision) for name in MODELS for precision in ("fp32", "fp16", "int8_qdq")]
CASES = [case for case in CASES if case not in [("float16", "fp32"), ("float16", "int8_qdq")]]  # its own types decide
CASES += [("float32", "int8"), ("batch of 4", "int8"), ("float32", "tf32")]


def opened(folder: Path, model: str) -> Session:
    """A session of one of MODELS with images of its own, 16 high and 24 wide."""
    made.onnx_classifier(folder, size=(16, 24), classes=3, **MODELS[model])
    images.folder(folder / "images", {"test": dict.fromkeys("abc", 6), "calibration": dict.fromkeys("abc", 16)})
    text = "model: {file: model.onnx, output: scores}\ndataset: {folder: images}\nengines: {calibration_images: 48, calibration_batch: 8}\n"
    preprocess = "" if model == "uint8" else "preprocess: torch\n"
    path = folder / "mine.yaml"
    path.write_text(text.replace("scores", made.OUTPUT) + preprocess, encoding="utf-8")
    return Session(config.load(str(path)), "gpu")


@pytest.mark.parametrize(("model", "precision"), CASES)
def test_engines_answer_as_onnx_runtime(model: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OUTPUTS, str(tmp_path / "outputs"))
    session = opened(tmp_path, model)
    if reason := plans.not_buildable(precision):
        pytest.skip(reason.text.en)
    expected = predictions.of(session, session.profile.reference)
    limit = PRECISIONS[precision].max_abs_difference * np.ptp(expected)
    for name in ("tensorrt", "cpp"):
        if name == "cpp" and isinstance(cpp.apis(), Reason):
            continue
        try:
            answers = predictions.of(session, Candidate(name, precision))
        except NotMeasured as error:
            pytest.fail(f"{name}: {error}")
        apart = float(np.abs(answers - expected).max())
        print(f"{model} {precision} {name}: {apart:.3g} of {np.ptp(expected):.3g}")
        assert apart <= limit
