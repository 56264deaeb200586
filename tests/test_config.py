"""A profile that cannot be used is one line that names file and key, at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import tiny

from lib.errors import ConfigError
from lib.experiment import profile as config

HEAVY = ("tensorflow", "keras", "onnx", "onnxruntime", "tensorrt", "tensorrt_rtx", "matplotlib", "pandas", "sklearn", "scipy")

BAD = [
    ("train.epoch", 3, "train.epoch", "unknown"),
    ("trian", {}, "trian", "unknown"),
    ("train.epochs", "3", "train.epochs", "integer"),
    ("train.epochs", 3.0, "train.epochs", "integer"),
    ("train.epochs", True, "train.epochs", "integer"),
    ("train.horizontal_flip", "no", "train.horizontal_flip", "boolean"),
    ("train.horizontal_flip", 1, "train.horizontal_flip", "boolean"),
    ("train.batch_size", -32, "train.batch_size", "greater than"),
    ("train.seed", -1, "train.seed", "greater than"),
    ("train.peak_learning_rate", 0.0, "train.peak_learning_rate", "greater than"),
    ("train.momentum", 1.0, "train.momentum", "less than"),
    ("train.minimum_accuracy", 1.5, "train.minimum_accuracy", "less than"),
    ("train.peak_learning_rate", float("nan"), "train.peak_learning_rate", "less than"),
    ("train.conv_filters", [], "train.conv_filters", "at least 1"),
    ("train.conv_filters", [[8], []], "train.conv_filters.1", "at least 1"),
    ("train.conv_filters", [[8, 0]], "train.conv_filters.0.1", "greater than"),
    ("train.dense_units", None, "train.dense_units", "missing"),
    ("engines", None, "engines", "missing"),
    ("engines.max_batch", 4, "engines", "min_batch <= opt_batch <= max_batch"),
    ("export.opset", 18, "export.opset", "less than or equal to 17"),
    ("int8.methods", ["entropy", "maxmin"], "int8.methods.1", "minmax"),
    ("batching.batch_sizes", [1, -8], "batching.batch_sizes.1", "greater than"),
    ("batching.batch_sizes", 8, "batching.batch_sizes", "list"),
    ("dataset.name", "mnist", "dataset.name", "cifar10"),
    ("dataset", "digits", "dataset", "dictionary"),
    ("name", "other", "name", "named by its file"),
]


@pytest.mark.parametrize("profile", ["quickstart", "cifar10"])
def test_profiles_of_the_project_are_valid(profile):
    assert config.load(profile).name == profile
    assert profile in config.available()


@pytest.mark.parametrize(("key", "value", "named", "says"), BAD, ids=[f"{key}={value}" for key, value, _, _ in BAD])
def test_one_line_names_file_and_key(write_profile, key, value, named, says):
    path = write_profile(**{key: value})
    with pytest.raises(ConfigError) as caught:
        config.load(str(path))
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: key '{named}': ")
    assert says in line
    assert caught.value.exit_code == 2


def test_value_is_shown(write_profile):
    with pytest.raises(ConfigError, match=r"\(got -32\)$"):
        config.load(str(write_profile(**{"train.batch_size": -32})))


def test_missing_profile_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"^params/quickstrat\.yaml: no such profile; there are: cifar10, quickstart"):
        config.load("quickstrat")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dataset:\n  name: digits\n bad: [1\n", r"line 3: not YAML"),
        ("train: {epochs: 3\n", r"line \d: not YAML"),
        ("", "must hold sections"),
        ("- 1\n- 2\n", "must hold sections"),
        ("1: {}\n", "must hold sections"),
        ("a: !!python/object/apply:os.system ['true']\n", "not YAML"),
        ("\x00", "not YAML"),
    ],
)
def test_not_a_profile(tmp_path, text, says):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        config.load(str(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_file_that_is_not_text(tmp_path):
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00dataset")
    with pytest.raises(ConfigError, match=r"p\.yaml"):
        config.load(str(tmp_path / "p.yaml"))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.yaml: cannot be read"):
        config.load(str(tmp_path / "folder.yaml"))


def test_nothing_changes_a_loaded_profile(tiny_profile):
    profile = config.load(str(tiny_profile))
    with pytest.raises(ValueError, match="frozen"):
        profile.train.epochs = 1


def test_rows_show_every_parameter(tiny_profile):
    rows = dict(config.as_rows(config.load(str(tiny_profile))))
    assert rows["train.epochs"] == "3"
    assert rows["train.conv_filters"] == "[[8], [16]]"
    assert rows["train.horizontal_flip"] == "false"
    assert all(f"{section}.{key}" in rows for section, keys in tiny().items() for key in keys)


def test_command_fails_fast_with_exit_code_2(write_profile):
    path = write_profile(**{"train.batch_size": -32})
    started = time.perf_counter()
    done = _python("-m", "lib", "check", "--profile", str(path))
    took = time.perf_counter() - started
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert f"{path}: key 'train.batch_size'" in done.stderr
    assert took < 3


@pytest.mark.parametrize("module", ["config", "session"])
def test_nothing_heavy_is_imported_before_the_profile_is_checked(module):
    code = f"import sys, lib.{module}, lib.experiment.profile; lib.experiment.profile.load('quickstart'); print(*sorted(sys.modules))"
    done = _python("-c", code)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(config.ROOT)}
    return subprocess.run([sys.executable, *arguments], cwd=Path(config.ROOT), env=environment, capture_output=True, text=True, timeout=60)


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("dataset:\n  name: digits\n  name: cifar10\n")
    with pytest.raises(ConfigError, match=r"twice\.yaml: line 3: not YAML: key 'name' stands twice"):
        config.load(str(path))


def test_a_file_whose_name_is_no_folders_name_is_refused(tmp_path):
    path = tmp_path / "...yaml"  # its outputs would be the folder above outputs/
    path.write_text((config.PARAMS / "quickstart.yaml").read_text())
    with pytest.raises(ConfigError, match="named by letters"):
        config.load(str(path))


def test_a_dataset_folder_without_batches_is_a_mistake_in_the_profile(tmp_path, write_profile):
    path = write_profile(**{"dataset.name": "cifar10", "dataset.folder": str(tmp_path)})
    done = subprocess.run([sys.executable, "-m", "lib", "check", "--profile", str(path)], capture_output=True, text=True, cwd=config.ROOT)
    assert done.returncode == 2
    assert "key 'dataset.folder'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
