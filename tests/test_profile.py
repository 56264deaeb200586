"""A profile that cannot be used is one line that names file and key, at once; what it says is done."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin

import conftest
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import session
from lib.errors import ConfigError, ReportError
from lib.experiment import profile as config
from lib.experiment import sections, strict

HEAVY = ("tensorflow", "keras", "onnx", "onnxruntime", "tensorrt", "tensorrt_rtx", "matplotlib", "pandas", "sklearn", "scipy")
QUICKSTART = (config.PARAMS / "quickstart.yaml").read_text(encoding="utf-8")
VALUES = yaml.safe_load(QUICKSTART)

BAD = [
    ("train.epoch", 3, "train.epoch", "unknown; did you mean epochs?"),
    ("trian", {}, "trian", "unknown; did you mean train?"),
    ("train.opset", 3, "train.opset", "unknown; did you mean export.opset?"),
    ("measuring.limit_s", 3, "measuring.limit_s", "unknown; there are: rounds, slice_s, warmup_s"),
    ("train.epochs", "3", "train.epochs", "integer"),
    ("train.epochs", 3.0, "train.epochs", "integer (got 3.0); write a number such as 10 or 1000"),
    ("train.epochs", True, "train.epochs", "integer"),
    ("train.horizontal_flip", "no", "train.horizontal_flip", "boolean"),
    ("train.horizontal_flip", 1, "train.horizontal_flip", "boolean (got 1); write true"),
    ("train.batch_size", -32, "train.batch_size", "greater than"),
    ("train.seed", -1, "train.seed", "greater than"),
    ("train.peak_learning_rate", 0.0, "train.peak_learning_rate", "greater than"),
    ("train.momentum", 1.0, "train.momentum", "less than"),
    ("train.minimum_accuracy", 1.5, "train.minimum_accuracy", "less than"),
    ("train.conv_filters", [], "train.conv_filters", "at least 1"),
    ("train.conv_filters", [[8], []], "train.conv_filters.1", "at least 1"),
    ("train.conv_filters", [[8, 0]], "train.conv_filters.0.1", "greater than"),
    ("train.dense_units", None, "train.dense_units", "missing"),
    ("train", None, "model", "missing; name a model of your own"),
    ("model", {"file": "m.onnx"}, "model", "one, not both"),
    ("preprocess", "tf", "preprocess", "has its own"),
    ("engines.max_batch", 4, "engines", "min_batch <= opt_batch <= max_batch"),
    ("engines.max_batch", 10**30, "engines.max_batch", "less than or equal to 65536"),
    ("engines.calibration_batch", 10**30, "engines.calibration_batch", "less than or equal to 65536"),
    ("export.opset", 18, "export.opset", "less than or equal to 17"),
    ("int8.methods", ["entropy", "maxmin"], "int8.methods.1", "minmax"),
    ("batching.batch_sizes", [1, -8], "batching.batch_sizes.1", "greater than"),
    ("batching.batch_sizes", 8, "batching.batch_sizes", "list"),
    ("dataset.name", "mnist", "dataset.name", "cifar10"),
    ("dataset", "digits", "dataset", "dictionary"),
    ("dataset.folder", 2024, "dataset.folder", "(got 2024); write it in quotes"),
    ("dataset.folder", "", "dataset.folder", "at least 1 character"),
    ("name", "other", "name", "named by its file"),
    ("measuring.rounds", 2, "measuring.rounds", "greater than or equal to 3"),
    ("measuring.rounds", 1001, "measuring.rounds", "less than or equal to 1000"),
    ("measuring.slice_s", 0.0, "measuring.slice_s", "greater than 0"),
    ("measuring.slice_s", 61.0, "measuring.slice_s", "less than or equal to 60"),
    ("measuring.warmup_s", -0.1, "measuring.warmup_s", "greater than or equal to 0"),
    ("measuring.least_ratio", 1.0, "measuring.least_ratio", "less than 1"),
    # What a profile says is done, or refused.
    ("dataset.folder", "images", "dataset.folder", "read from no folder; remove folder"),
    ("dataset.accept_unknown", True, "dataset.accept_unknown", "remove accept_unknown"),
    ("precision.batch_size", 100, "precision.batch_size", "engines.min_batch 1 to engines.max_batch 32 images a batch, not 100"),
    ("batching.batch_sizes", [64, 128], "batching.batch_sizes", "none of [64, 128]"),
]
MORE_THAN_THERE_ARE = [
    ("train.validation_images", 5000, "5000 is more than 259, a fifth of the 1,297 training images"),
    ("train.validation_images", 260, "260 is more than 259"),
    ("train.batch_size", 1201, "1201 is more than 1200, the training images that validation leaves"),
    ("export.calibration_images", 1201, "1201 is more than 1200"),
    ("export.samples", 501, "501 is more than 500, all test images"),
    ("engines.calibration_images", 1216, "1216 is more than 1200"),
    ("int8.image_counts", [32, 1500], "1500 is more than 1200"),
]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(**{"train.epochs": 1})` writes a changed quickstart as `p.yaml`; None removes a key."""

    def changed(**changes: Any) -> Path:
        path = tmp_path / "p.yaml"
        path.write_text(yaml.safe_dump(values_with(**changes), sort_keys=False))
        return path

    return changed


@pytest.fixture
def text(tmp_path: Path) -> Callable[[str, str], Path]:
    """`text("epochs: 8", "epochs: 010")` writes the quickstart with one line's text replaced."""

    def changed(old: str, new: str) -> Path:
        assert QUICKSTART.count(f"  {old}\n") == 1
        path = tmp_path / "p.yaml"
        path.write_text(QUICKSTART.replace(f"  {old}\n", f"  {new}\n"), encoding="utf-8")
        return path

    return changed


def values_with(**changes: Any) -> dict[str, Any]:
    return conftest.changed(copy.deepcopy(VALUES), changes)


def refused(path: Path | str) -> str:
    """The line with which a profile is refused."""
    with pytest.raises(ConfigError) as caught:
        config.load(str(path))
    assert caught.value.exit_code == 2
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    return str(caught.value)


@pytest.mark.parametrize("profile", ["quickstart", "cifar10"])
def test_profiles_of_the_project_are_valid(profile):
    loaded = config.load(profile)
    assert loaded.name == profile
    assert profile in config.available()
    assert (loaded.measuring.least_ratio, loaded.measuring.tolerance) == (0.02, 0.05)  # neither names them
    session.check(loaded)


@pytest.mark.parametrize(("key", "value", "named", "says"), BAD, ids=[f"{key}={value}" for key, value, _, _ in BAD])
def test_one_line_names_file_and_key(write, key, value, named, says):
    path = write(**{key: value})
    line = refused(path)
    assert line.startswith(f"{path}: key '{named}': ")
    assert says in line


def test_value_is_shown(write):
    assert refused(write(**{"train.batch_size": -32})).endswith("(got -32)")


@pytest.mark.parametrize(("key", "value", "says"), MORE_THAN_THERE_ARE, ids=[key for key, _, _ in MORE_THAN_THERE_ARE])
def test_more_images_than_there_are_is_refused_with_both_numbers(write, key, value, says):
    with pytest.raises(ConfigError) as caught:
        session.check(config.load(str(write(**{key: value}))))
    assert str(caught.value).startswith(f"profile p: key '{key}': {says}")


def test_engines_that_need_more_images_than_there_are_are_refused(write):
    changes = {f"engines.{name}_batch": 600 for name in ("min", "opt", "max")} | {"precision.batch_size": 600}
    with pytest.raises(ConfigError, match=r"key 'engines\.min_batch': 600 is more than 500, all test images"):
        session.check(config.load(str(write(**changes, **{"batching.batch_sizes": [600]}))))


def test_min_batch_over_every_batch_size_would_leave_tensorrt_without_rows(write):
    changes = {"engines.min_batch": 16, "engines.opt_batch": 16, "batching.batch_sizes": [1, 8]}
    assert "key 'batching.batch_sizes': TensorRT's engines take engines.min_batch 16" in refused(write(**changes))
    assert "key 'precision.batch_size'" in refused(write(**changes, **{"precision.batch_size": 8}))
    config.load(str(write(**changes | {"batching.batch_sizes": [1, 16, 64]})))  # the others' rows say why


@pytest.mark.parametrize("key", ["batching.batch_sizes", "int8.image_counts", "int8.methods"])
def test_a_list_holds_each_value_once(write, key):
    section, name = key.split(".")
    first = VALUES[section][name][0]
    line = refused(write(**{key: [*VALUES[section][name], first]}))
    assert f"key '{key}': holds {first} twice; name each once" in line


def test_every_list_of_a_profile_refuses_duplicates_but_the_layers_of_the_network():
    lists = {}
    for section, field in config.Profile.model_fields.items():
        for name, inner in strict._section(field.annotation).model_fields.items() if section != "name" else ():
            if get_origin(inner.annotation) is list or list in map(get_origin, get_args(inner.annotation)):
                lists[f"{section}.{name}"] = sections.Distinct in inner.metadata
    assert lists.pop("train.conv_filters") is False
    assert lists
    assert all(lists.values()), lists


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("epochs: 8", "epochs: 010", "key 'train.epochs': input should be a valid integer (got '010'); write a number such as 10 or 1000"),
        ("epochs: 8", "epochs: 1:30", "(got '1:30'); write a number such as 10 or 1000"),
        ("epochs: 8", "epochs: 0x10", "(got '0x10'); write a number such as 10 or 1000"),
        ("epochs: 8", "epochs: 1_0", "(got '1_0'); write a number such as 10 or 1000"),
        ("epochs: 8", "epochs: 1e1", "(got '1e1'); write a number such as 10 or 1000"),
        ("epochs: 8", "epochs: '8'", "(got '8'); write a number such as 10 or 1000"),
        ("epochs: 8", "epochs: ８", "(got '８'); write a number such as 10 or 1000"),
        ("epochs: 8", "epochs: 2024-01-01", "valid integer (got '2024-01-01')"),
        ("epochs: 8", "epochs: yes", "valid integer (got 'yes')"),
        ("epochs: 8", "epochs:", "valid integer (got None)"),
        ("epochs: 8", "epoch: 8", "key 'train.epoch': unknown; did you mean epochs?"),
        ("horizontal_flip: false", "horizontal_flip: yes", "(got 'yes'); write true"),
        ("horizontal_flip: false", "horizontal_flip: Off", "(got 'Off'); write false"),
        ("peak_learning_rate: 0.05", "peak_learning_rate: 5e-3", "(got '5e-3'); write a number such as 0.05 or 5.0e-3"),
        ("peak_learning_rate: 0.05", "peak_learning_rate: 0,05", "valid number (got '0,05'); write a number such as 0.05 or 5.0e-3"),
        ("peak_learning_rate: 0.05", "peak_learning_rate: .nan", "valid number (got '.nan')"),
        ("peak_learning_rate: 0.05", "peak_learning_rate: .inf", "valid number (got '.inf')"),
        ("peak_learning_rate: 0.05", "peak_learning_rate: 1.0e999", "(got inf)"),
        ("name: digits", "name: 1", "(got 1); write it in quotes"),
        ("epochs: 8", "epochs: {{ epochs }}", "line 8: not YAML: a key must be a word; templates such as {{"),
        ("epochs: 8", "epochs: '{{ epochs }}'", "key 'train.epochs': input should be a valid integer (got '{{ epochs }}')"),
        ("seed: 1", f"seed: {'7' * 5000}", "key 'train.seed': input should be a valid integer (got '777"),
        ("seed: 1", f"seed: {'[' * 3000}{']' * 3000}", "line 5: not YAML: more than 20 brackets within brackets"),
        ("seed: 1", f"seed: {'{a: ' * 3000}{'}' * 3000}", "line 5: not YAML: more than 20 brackets within brackets"),
        ("seed: 1", "seed: !!int '1'", "line 5: not YAML: tags (!) are not read"),
        ("seed: 1", "seed: !!timestamp x", "line 5: not YAML: tags (!) are not read"),
        ("seed: 1", "seed: &one 1", "line 5: not YAML: anchors and aliases"),
        ("seed: 1", "seed: *one", "line 5: not YAML: anchors and aliases"),
        ("seed: 1", "seed: =", "valid integer (got '=')"),
        ("seed: 1", "<<: {seed: 1}", "key 'train.<<': unknown"),
        ("seed: 1", "[1, 2]: 1", "line 5: not YAML: a key must be a word"),
        ("seed: 1", "1: 1", "key 'train.1': unknown"),
        ("seed: 1", '"a\\nb\\e": 1', "key 'train.a"),
    ],
)
def test_what_yaml_reads_in_its_own_way_is_refused_with_what_to_write(text, old, new, says):
    line = refused(text(old, new))
    assert says in line


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("peak_learning_rate: 0.05", "peak_learning_rate: 5.0e-2", 0.05),
        ("peak_learning_rate: 0.05", "peak_learning_rate: 0.5e-1", 0.05),
        ("peak_learning_rate: 0.05", "peak_learning_rate: .05", 0.05),
        ("peak_learning_rate: 0.05", "peak_learning_rate: 1", 1.0),
        ("peak_learning_rate: 0.05", "peak_learning_rate: +0.05", 0.05),
    ],
)
def test_numbers_that_every_reader_agrees_on_are_taken(text, old, new, value):
    assert config.load(str(text(old, new))).train.peak_learning_rate == value


def test_a_folder_is_text_whatever_it_looks_like(tmp_path):
    path = tmp_path / "p.yaml"
    for folder in ("no", "2024-01-01", "010", "画像"):
        path.write_text(QUICKSTART.replace("name: digits", f"name: cifar10\n  folder: {folder}"), encoding="utf-8")
        loaded = config.load(str(path))
        assert loaded.dataset.folder == folder
        assert dict(config.as_rows(loaded))["dataset.folder"].strip("'") == folder


def test_missing_profile_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"^params/quickstrat\.yaml: no such profile; there are: cifar10, quickstart"):
        config.load("quickstrat")


@pytest.mark.parametrize("value", [2024, 1.5, True, None, ["quickstart"], Path("quickstart.yaml"), b"quickstart"])
def test_what_is_no_text_is_no_profile(value):
    with pytest.raises(ConfigError, match=r"^profile: .* is no text; write a profile's name in quotes"):
        config.load(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dataset:\n  name: digits\n bad: [1\n", r"line 3: not YAML"),
        ("train: {epochs: 3\n", r"line \d: not YAML"),
        ("", "line 1: must hold sections"),
        ("- 1\n- 2\n", "line 1: must hold sections"),
        ("1: {}\n", "key '1': unknown"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1: not YAML"),
        ("a: 1\n\x00", "line 2: not YAML: character U.0000"),
        ("a: 1\n--- \nb: 1\n", "line 2: not YAML"),
        ("dataset:\n\tname: digits\n", "line 2: not YAML"),
        ("dataset:\n  name: digits\n  name: cifar10\n", r"line 3: not YAML: key 'name' stands twice"),
    ],
)
def test_not_a_profile(tmp_path, text, says):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        config.load(str(path))
    assert refused(path).startswith(f"{path}: ")


def test_file_that_is_not_text(tmp_path):
    (tmp_path / "p.yaml").write_bytes(b"a: 1\nb: \xff\xfe\x00dataset")
    assert refused(tmp_path / "p.yaml") == f"{tmp_path / 'p.yaml'}: line 2: cannot be read: not UTF-8"
    (tmp_path / "folder.yaml").mkdir()
    assert "folder.yaml: cannot be read" in refused(tmp_path / "folder.yaml")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_profile_gives_a_traceback(tmp_path, data):
    damaged = QUICKSTART
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(damaged)))
        end = min(len(damaged), start + data.draw(st.integers(0, 40)))
        marks = st.sampled_from(
            ["{", "}", "[", "]", "!", "&", "*", ":", "-", "'", '"', "#", "|", ">", "%", "@", "\t", "\n", "\\", "0", "e", "? "]
        )
        damaged = damaged[:start] + "".join(data.draw(st.lists(marks | st.characters(codec="utf-8"), max_size=6))) + damaged[end:]
    path = tmp_path / "p.yaml"
    path.write_bytes(damaged.encode())
    said = ""
    try:
        loaded = config.load(str(path))
        assert config.recorded(json.loads(json.dumps(loaded.model_dump()))).model_dump() == loaded.model_dump()
        session.check(loaded)
    except ConfigError as error:
        said = str(error)
    assert said == "" or (said.isprintable() and said.startswith((f"{path}: line ", f"{path}: key '", "profile p: key '"))), said


@pytest.mark.parametrize("name", ["試し", "mein Profil", "v1.2 (größer)", "2024", "a{b}", "50%", "it's"])
def test_a_profile_is_named_in_any_letters(tmp_path, name):
    path = tmp_path / "deep folder" / f"{name}.yaml"
    path.parent.mkdir()
    path.write_text(QUICKSTART)
    assert config.load(str(path)).name == name


@pytest.mark.parametrize(
    "name", ["...yaml", ".hidden.yaml", "-x.yaml", "a\nb.yaml", "a\0b.yaml", " .yaml", "a .yaml", "\udcff.yaml", "..", "a\0b"]
)
def test_a_name_that_no_folder_should_have_is_refused(name):
    assert "named by letters, digits and marks" in refused(name)  # its outputs would lie in a folder of that name


def test_a_profile_given_as_a_path_is_found_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "mine.yml").write_text(QUICKSTART)
    monkeypatch.chdir(tmp_path)
    assert config.locate("mine.yml") == tmp_path / "mine.yml"
    assert config.locate("./mine.yml") == tmp_path / "mine.yml"
    monkeypatch.chdir("/")
    assert config.load("params/quickstart.yaml").name == config.load("quickstart.yaml").name == "quickstart"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.load("~/mine.yml").name == "mine"
    assert config.load(str(tmp_path / "mine.yml")).name == "mine"


def test_nothing_changes_a_loaded_profile():
    profile = config.load("quickstart")
    with pytest.raises(ValueError, match="frozen"):
        profile.train.epochs = 1


def test_rows_show_every_parameter_in_one_line():
    rows = dict(config.as_rows(config.load("cifar10")))
    assert rows["train.epochs"] == "22"
    assert rows["train.conv_filters"] == "[[32, 64], [128], [256, 256], [512]]"
    assert rows["train.horizontal_flip"] == "true"
    assert not any("\n" in row for row in rows.values())
    assert all(f"{section}.{key}" in rows for section, keys in VALUES.items() for key in keys)


@pytest.mark.parametrize("name", ["quickstart", "cifar10"])
def test_a_recorded_profile_comes_back(name):
    loaded = config.load(name)
    assert config.recorded(json.loads(json.dumps(loaded.model_dump()))) == loaded


@pytest.mark.parametrize("values", [{}, [], None, "x", {"name": 1}, values_with(), values_with(**{"train.epochs": "8"}) | {"name": "p"}])
def test_what_is_no_recorded_profile_is_one_line(values):
    with pytest.raises(ReportError, match=r"^recorded profile: key '.*it was altered or is of another version$") as caught:
        config.recorded(values)
    assert caught.value.exit_code == 1


def test_command_fails_fast_with_exit_code_2(write):
    path = write(**{"train.batch_size": -32})
    started = time.perf_counter()
    done = _python("-m", "lib", "check", "--profile", str(path))
    took = time.perf_counter() - started
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert f"{path}: key 'train.batch_size'" in done.stderr
    assert took < 3


@pytest.mark.parametrize("module", ["experiment.profile", "session"])
def test_nothing_heavy_is_imported_before_the_profile_is_checked(module):
    code = f"import sys, lib.{module}, lib.experiment.profile; lib.experiment.profile.load('quickstart'); print(*sorted(sys.modules))"
    done = _python("-c", code)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(config.ROOT)}
    return subprocess.run([sys.executable, *arguments], cwd=config.ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_a_dataset_folder_without_batches_is_a_mistake_in_the_profile(tmp_path, write):
    path = write(**{"dataset.name": "cifar10", "dataset.folder": str(tmp_path)})
    done = _python("-m", "lib", "check", "--profile", str(path))
    assert done.returncode == 2
    assert "key 'dataset.folder'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_line_with_a_dot_is_told_where_it_belongs(write):
    line = refused(_dotted(write))
    assert line.endswith("key 'measuring.rounds': a line below 'measuring:' is meant, '  rounds: …'")


def _dotted(write) -> Path:
    path = write()
    path.write_text(path.read_text(encoding="utf-8") + "\nmeasuring.rounds: 9\n", encoding="utf-8")
    return path
