"""Where a model comes from: its spec is read once and stored, so that a system that cannot read the file knows it too."""

from __future__ import annotations

from pathlib import Path

import models as made
import pytest

from lib.experiment import profile as config
from lib.models import onnx_file
from lib.session import Session


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    made.onnx_classifier(tmp_path, classes=3)
    path = tmp_path / "mine.yaml"
    path.write_text("model: {file: model.onnx}\npreprocess: imagenet\n", encoding="utf-8")
    return path


def opened(profile: Path) -> Session:
    return Session(config.load(str(profile)), "test")


def test_a_spec_is_read_once(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(profile).spec
    monkeypatch.setattr(onnx_file, "spec", None)
    assert opened(profile).spec == first


def test_another_file_or_another_question_is_read_anew(profile: Path) -> None:
    first = opened(profile).spec
    assert first.logits
    profile.write_text(profile.read_text().replace("model.onnx}", "model.onnx, kind: probabilities}"), encoding="utf-8")
    assert not opened(profile).spec.logits
    made.onnx_classifier(profile.parent, classes=4)
    assert opened(profile).spec.classes == 4


def test_the_model_is_copied_once_and_the_copy_is_what_is_used(profile: Path) -> None:
    session = opened(profile)
    artifact = session.model
    assert artifact.file("model.onnx").is_file()
    (profile.parent / "model.onnx").write_bytes((profile.parent / "model.onnx").read_bytes())  # as it was
    assert session.model.path == artifact.path
