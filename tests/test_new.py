"""`make new`: a profile that works, from what a model and its images say; what only the user knows is left to be filled in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import images
import models
import numpy as np
import pytest
import yaml

from lib import session
from lib.__main__ import main
from lib.errors import ConfigError
from lib.experiment import profile as config
from lib.experiment import sections as sections_of
from lib.experiment.preprocess import Preprocess
from lib.report import found, guess
from lib.report.new import FILL_IN, GUESS, new

FIVE = {f"クラス {index}": 4 for index in range(5)}
IMAGENET_CFG = {"architecture": "x", "pretrained_cfg": {"input_size": [3, 8, 8], "mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 0.9}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Five classes, names with spaces in Japanese, and images to calibrate on."""
    return images.folder(tmp_path / "写真 1", {"test": FIVE, "calibration": dict.fromkeys(FIVE, 2)})


def written(path: Path) -> config.Profile:
    """The profile, after all that can be checked of it."""
    profile = config.load(str(path))
    session.check(profile)
    return profile


def test_a_profile_lies_beside_the_model_and_works(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.onnx_classifier(tmp_path, name="flowers 2.onnx")
    monkeypatch.chdir(tmp_path)
    said = new(model.name, data.name, "").splitlines()
    assert said[0] == "flowers 2.onnx: input 'pixels', float32 NCHW [any, 3, 8, 8]; output 'scores', 5 classes, logits"
    assert said[1] == "images: 20 test images of 5 of the 5 classes, 10 to calibrate INT8 on"
    assert said[2] == "classes: the sorted names of the folders in test/"
    assert said[3].startswith("preprocessing: a guess, ")
    assert said[4] == "flowers 2.yaml: written; read it, then: make report PROFILE='flowers 2.yaml'"
    profile = written(tmp_path / "flowers 2.yaml")
    assert (profile.model.file, profile.dataset.folder, profile.dataset.labels) == ("flowers 2.onnx", "写真 1", None)
    text = (tmp_path / "flowers 2.yaml").read_text(encoding="utf-8")
    assert GUESS in text
    assert FILL_IN not in text
    assert str(tmp_path) not in text.replace("PROFILE=", "")


def test_paths_are_relative_to_the_profile_wherever_it_lies(tmp_path: Path, data: Path) -> None:
    model = models.onnx_classifier(tmp_path)
    (tmp_path / "of me").mkdir()
    new(str(model), str(data), str(tmp_path / "of me" / "mine.yml"))
    profile = written(tmp_path / "of me" / "mine.yml")
    assert (profile.model.file, profile.dataset.folder) == ("../model.onnx", "../写真 1")


def test_a_name_is_one_of_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "PARAMS", tmp_path / "params")
    config.PARAMS.mkdir()
    new(str(models.onnx_classifier(tmp_path)), "", "mine")
    assert written(config.PARAMS / "mine.yaml").model.file == "../model.onnx"


def test_nothing_is_overwritten_and_nothing_left_where_it_cannot_work(tmp_path: Path, data: Path) -> None:
    model = models.onnx_classifier(tmp_path)
    (tmp_path / "model.yaml").write_text("mine")
    for to, says in [("", "exists, and is never overwritten"), ("a/b", "a profile is a .yaml file"), ("no/where.yaml", "no folder")]:
        with pytest.raises(ConfigError, match=f"{says}.*PROFILE=|PROFILE=.*{says}"):
            new(str(model), str(data), to)
    assert (tmp_path / "model.yaml").read_text() == "mine"
    with pytest.raises(ConfigError, match="a letter or digit first; choose another with PROFILE="):
        new(str(models.onnx_classifier(tmp_path, name="-.onnx")), str(data), "")
    before = sorted(tmp_path.rglob("*"))
    for wrong, where, says in [
        (tmp_path / "none.onnx", data, "no such file; MODEL names"),
        (data, data, "no saved_model.pb"),
        (tmp_path / "model.yaml", data, "no .onnx, .keras or SavedModel folder"),
        (model, tmp_path / "none", "no such folder; DATA names"),
        (model, model, "neither a folder nor an .npz"),
        (model, tmp_path, "misses the folder test"),
    ]:
        with pytest.raises(ConfigError, match=says):
            new(str(wrong), str(where), "new.yaml" if wrong == model else str(tmp_path / "new.yaml"))
    assert sorted(tmp_path.rglob("*")) == before


def test_without_images_it_says_what_random_input_is_worth(tmp_path: Path) -> None:
    said = new(str(models.onnx_classifier(tmp_path)), "", "")
    assert "images: none; random input tells speed and numeric agreement, no accuracy" in said
    profile = written(tmp_path / "model.yaml")
    assert profile.dataset == config.Dataset()
    assert "# No images were named" in (tmp_path / "model.yaml").read_text()


@pytest.mark.parametrize(
    ("made", "lines", "filled"),
    [
        ({"outputs": 2}, ["# output: features"], ("# output: features", "output: scores")),
        ({"size": None}, ["# size: [224, 224]", "preset: "], ("# size: [224, 224]", "size: [9, 7]")),
        ({"end": "LogSoftmax"}, ["kind: logits"], ("", "")),
        ({"batch": 4}, ["# It takes batches of 4 and no others"], ("", "")),
    ],
)
def test_what_the_file_does_not_say_is_to_be_filled_in(
    tmp_path: Path, made: dict[str, object], lines: list[str], filled: tuple[str, str]
) -> None:
    said = new(str(models.onnx_classifier(tmp_path, classes=8, **made)), "", "")
    path = tmp_path / "model.yaml"
    text = path.read_text(encoding="utf-8")
    assert all(f"  {line}" in text or line in text for line in lines)
    if filled != ("", ""):
        assert (text.count(FILL_IN), "; fill in " in said) == (1, True)
        with pytest.raises(ConfigError, match=r"set model\.output|set preprocess\.size"):
            written(path)
        path.write_text(text.replace(*filled), encoding="utf-8")
    written(path)


def test_the_images_tell_which_of_several_outputs_is_meant(tmp_path: Path, data: Path) -> None:
    said = new(str(models.onnx_classifier(tmp_path, outputs=2)), str(data), "")
    assert "fill in" not in said
    assert written(tmp_path / "model.yaml").model.output == "scores"  # `features` has eight values, there are five classes


def test_two_layouts_are_both_offered(tmp_path: Path) -> None:
    new(str(models.onnx_classifier(tmp_path, size=(8, 3), layout="NCHW")), "", "")
    text = (tmp_path / "model.yaml").read_text()
    assert f"  # layout: NHWC  # {FILL_IN}, one of: NHWC, NCHW" in text
    (tmp_path / "model.yaml").write_text(text.replace("# layout: NHWC", "layout: NCHW"))
    assert session.Session(written(tmp_path / "model.yaml"), "test").spec.size == (8, 3)


def test_a_file_of_names_beside_the_model_is_taken_where_it_fits(tmp_path: Path) -> None:
    model = models.onnx_classifier(tmp_path, classes=7)
    data = images.folder(tmp_path / "images", {"test": {"b": 2, "f": 2}})
    said = new(str(model), str(data), "")
    assert "fill in dataset.classes" in said
    text = (tmp_path / "model.yaml").read_text()
    assert f"# classes: classes.txt  # {FILL_IN}: 2 folders (b, f) for the model's 7 outputs" in text
    with pytest.raises(ConfigError, match=r"model\.yaml: key 'dataset\.folder'"):
        written(tmp_path / "model.yaml")
    (tmp_path / "classes.txt").write_text("\n".join("abcdefg"))
    assert "2 of the 7 classes" in new(str(model), str(data), str(tmp_path / "two.yaml"))
    assert written(tmp_path / "two.yaml").dataset.classes == "classes.txt"


def test_images_that_nobody_labelled_have_no_labels(tmp_path: Path) -> None:
    model = models.onnx_classifier(tmp_path)
    for index in range(3):
        images.picture(tmp_path / "flat" / f"{index}.png", index)
    assert "3 test images without labels, 0 to calibrate INT8 on" in new(str(model), str(tmp_path / "flat"), "")
    assert written(tmp_path / "model.yaml").dataset.labels == "none"
    assert "INT8 needs images to calibrate on" in (tmp_path / "model.yaml").read_text()


@pytest.mark.parametrize("labels", [True, False])
def test_an_npz_will_do(tmp_path: Path, labels: bool) -> None:
    model = models.onnx_classifier(tmp_path)
    values = {"images": np.zeros((6, 8, 8, 3), np.uint8), "calibration_images": np.zeros((2, 8, 8, 3), np.uint8)}
    np.savez(tmp_path / "data.npz", **values, **{"labels": np.arange(6) % 5} if labels else {})
    said = new(str(model), str(tmp_path / "data.npz"), "")
    assert f"6 test images {'of 5 of the 5 classes' if labels else 'without labels'}, 2 to calibrate" in said
    assert written(tmp_path / "model.yaml").dataset.labels == (None if labels else "none")


def test_a_file_of_timm_beside_the_model_is_taken(tmp_path: Path, data: Path) -> None:
    model = models.onnx_classifier(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(IMAGENET_CFG))
    assert "preprocessing: config.json: config.json says so" in new(str(model), str(data), "")
    assert written(tmp_path / "model.yaml").preprocess.file == "config.json"
    assert GUESS not in (tmp_path / "model.yaml").read_text()
    # It also says the size where the model takes any.
    free = models.onnx_classifier(tmp_path, name="free.onnx", size=None)
    assert "fill in" not in new(str(free), str(data), "")
    assert session.Session(written(tmp_path / "free.yaml"), "test").spec.size == (8, 8)


def test_a_file_that_is_not_understood_is_named_and_not_taken(tmp_path: Path, data: Path) -> None:
    model = models.onnx_classifier(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": IMAGENET_CFG["pretrained_cfg"] | {"crop_mode": "border"}}))
    new(str(model), str(data), "")
    assert written(tmp_path / "model.yaml").preprocess.file is None
    assert "# Not taken: config.json: key 'pretrained_cfg.crop_mode'" in (tmp_path / "model.yaml").read_text()


def test_bytes_go_in_as_they_are(tmp_path: Path, data: Path) -> None:
    said = new(str(models.onnx_classifier(tmp_path, dtype="uint8")), str(data), "")
    assert "preprocessing: none: the model takes bytes" in said
    assert written(tmp_path / "model.yaml").preprocess.preset == "none"


def _bright(folder: Path) -> Path:
    """A model that tells dark (0) from bright (1), but only where the pixels are 0 to 255."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = [("w", [[-1.0], [1.0]]), ("b", [127.0, -127.0])]
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("ReduceMean", ["pooled"], ["bright"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["bright", "one"], ["column"]),
        helper.make_node("Gemm", ["column", "w", "b"], ["y"], transB=1),
    ]
    stored = [numpy_helper.from_array(np.float32(value), name) for name, value in weights]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "bright", [given], [made], [*stored, numpy_helper.from_array(np.int64([1]), "one")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "bright.onnx")
    return folder / "bright.onnx"


def test_the_guess_follows_the_model_and_the_images_overrule_it(tmp_path: Path) -> None:
    model = _bright(tmp_path)
    pixels = np.concatenate([np.full((30, 8, 8, 3), 60, np.uint8), np.full((30, 8, 8, 3), 200, np.uint8)])
    np.savez(tmp_path / "data.npz", images=pixels, labels=np.repeat([0, 1], 30))
    said = new(str(model), str(tmp_path / "data.npz"), "")
    assert "preprocessing: a guess, none; of 60 test images right: none 60, " in said
    assert not session.outputs("bright").exists()  # what the trial made is gone
    assert written(tmp_path / "bright.yaml").preprocess.preset == "none"
    assert "without images: imagenet" in (tmp_path / "bright.yaml").read_text()
    # Labels that no preprocessing explains: the guess stays and says so.
    np.savez(tmp_path / "odd.npz", images=pixels, labels=np.arange(60) % 2)
    assert "but none is better than guessing" in new(str(model), str(tmp_path / "odd.npz"), str(tmp_path / "odd.yaml"))


@pytest.mark.parametrize(
    ("names", "levels", "taken"), [(("a", "b"), (60, 200), "folders"), (("b", "a"), (60, 200), "file"), (("b", "a"), (130, 130), "file")]
)
def test_the_folders_order_is_taken_where_that_of_a_file_of_names_is_no_better_than_guessing(
    tmp_path: Path, names: tuple[str, str], levels: tuple[int, int], taken: str
) -> None:
    """names: of the folders of dark and of bright images; levels: their pixels; the file of names always says b, a."""
    from PIL import Image

    for name, level in zip(names, levels, strict=True):
        (tmp_path / "images" / "test" / name).mkdir(parents=True)
        for index in range(30):
            Image.new("RGB", (8, 8), (level, level, level)).save(tmp_path / "images" / "test" / name / f"{index}.png")
    (tmp_path / "labels.txt").write_text("b\na\n")
    said = new(str(_bright(tmp_path)), str(tmp_path / "images"), "")
    first = "classes: labels.txt, beside the model\n"
    instead = "in the order of labels.txt, beside the model, the model is no better than guessing"
    folders = f"classes: the sorted names of the folders in test/; {instead}\n"
    assert {"file": first, "folders": folders}[taken] in said
    assert ("none is better than guessing" in said) == (levels == (130, 130))
    assert written(tmp_path / "bright.yaml").dataset.classes == ("labels.txt" if taken == "file" else None)


def test_arithmetic_before_the_first_layer_is_seen(tmp_path: Path) -> None:
    spec = found.model(models.onnx_classifier(tmp_path), None, None).spec
    assert guess.of(tmp_path / "model.onnx", spec, None).section == {"preset": "none"}
    gray = found.model(models.saved_model_classifier(tmp_path, channels=1), None, None).spec
    assert guess.of(tmp_path / "saved", gray, None).section == guess.ONE


@pytest.mark.slow
@pytest.mark.parametrize(("inside", "preset"), [(True, "none"), (False, "tf")])
def test_a_keras_file_says_whether_it_preprocesses_itself(tmp_path: Path, inside: bool, preset: str) -> None:
    model = models.keras_classifier(tmp_path, preprocessing=inside)
    said = new(str(model), "", "")
    assert f"preprocessing: a guess, {preset}: " in said
    assert ("to_one, around_zero" in said) == inside
    assert written(tmp_path / "model.yaml").preprocess.preset == preset


def test_a_saved_model_has_its_profile_beside_the_folder(tmp_path: Path, data: Path) -> None:
    new(str(models.saved_model_classifier(tmp_path)), str(data), "")
    assert written(tmp_path / "saved.yaml").model.file == "saved"


def test_names_that_yaml_reads_otherwise_are_quoted(tmp_path: Path) -> None:
    for name in ("010.onnx", "yes: #1.onnx", "~me.onnx", "{a}.onnx"):
        model = models.onnx_classifier(tmp_path, name=name)
        new(str(model), "", str(tmp_path / f"p{len(list(tmp_path.glob('p*')))}.yaml"))
    names = [written(path).model.file for path in sorted(tmp_path.glob("p*.yaml"))]
    assert names == ["010.onnx", "yes: #1.onnx", "./~me.onnx", "{a}.onnx"]


def test_the_command_says_what_is_missing_without_loading_anything(tmp_path: Path) -> None:
    heavy = ("tensorflow", "onnx", "onnxruntime", "matplotlib", "pandas", "scipy")
    code = "import sys; from lib.__main__ import main; code = main(['new', '--model', 'none.onnx'])\n"
    code += f"assert (code, sorted(set({heavy}) & set(sys.modules))) == (2, []), sorted(set({heavy}) & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(config.ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "error: none.onnx: no such file; MODEL names an .onnx, a .keras or a SavedModel folder\n"


def test_help_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["new", "--help"])
    said = capsys.readouterr().out
    assert all(option in said for option in ("--model", "--data", "--to", "SavedModel"))
    assert "--profile" not in said


DEFAULTS = "# From here on the defaults, each of which may be written.\n"


def test_the_example_is_a_profile_and_no_name_that_can_be_run(tmp_path: Path) -> None:
    text = (config.PARAMS / "own.yaml.example").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    profile = config.load(str(tmp_path / "own.yaml"))
    assert not any(name.startswith("own") for name in config.available())
    above, below = text.split(DEFAULTS)
    sections = yaml.safe_load(below.replace("# ", "", 1).replace("\n# ", "\n"))
    said_in_full = config.Profile.model_validate({"name": "own"} | yaml.safe_load(above) | sections)
    assert said_in_full.model_dump() == profile.model_dump()
    assert sections.keys() | {"name", "dataset", "model", "train", "preprocess"} == config.Profile.model_fields.keys()
    # Every key of the user's own sections is named in it, said or commented.
    for section in (sections_of.Model, Preprocess, sections_of.Dataset):
        named = section.model_fields.keys() - {"name", "accept_unknown", "preset", "file"}
        assert all(f"{key}:" in above for key in named), named
