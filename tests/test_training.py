"""Training: what an epoch sees, and that one which was killed or ran out of disk goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lib import models, session
from lib.data.dataset import Images
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment.profile import Train
from lib.models import train as training
from lib.models import vgg


def settings(quick, **changes):
    return Train(**(quick.profile.train.model_dump() | changes))


def numbered(count):
    """Images whose every pixel says where it comes from: red is its row, green its column, blue the image's number."""
    grid = np.indices((32, 32), dtype=np.uint8) * 8
    images = np.zeros((count, 32, 32, 3), np.uint8)
    images[..., 0], images[..., 1] = grid
    images[..., 2] = np.arange(count)[:, None, None]
    return images


def epoch(settings, count=64, number=0, classes=10):
    batches = list(training.epoch_of(settings, numbered(count), np.arange(count) % classes, number, classes))
    x, y = (np.concatenate([np.asarray(pair[k]) for pair in batches]) for k in (0, 1))
    return np.rint(x * 255).astype(int), y


def test_validation_images_are_never_trained_on(quick):
    images = Images("n", ("a",) * 10, numbered(200), np.arange(200) % 10, numbered(1), np.zeros(1, int))
    x_train, y_train, x_val, y_val = training.split(settings(quick, validation_images=30), images)
    assert (len(x_train), len(y_train), len(x_val), len(y_val)) == (170, 170, 30, 30)
    assert not set(x_train[:, 0, 0, 2]) & set(x_val[:, 0, 0, 2])
    assert set(x_train[:, 0, 0, 2]) | set(x_val[:, 0, 0, 2]) == set(range(200))
    assert np.array_equal(y_val, images.y_train[-30:])


def test_an_epoch_shows_every_image_once_with_its_label(quick):
    x, y = epoch(settings(quick, batch_size=16))
    numbers = x[:, 0, 0, 2]
    assert sorted(numbers) == list(range(64))
    assert numbers.tolist() != list(range(64))
    assert np.array_equal(y.argmax(1), numbers % 10)
    assert y.dtype == np.float32
    assert (y.sum(1) == 1).all()


def test_an_incomplete_batch_is_left_out(quick):
    assert len(epoch(settings(quick, batch_size=24))[0]) == 48


def test_augmentation_depends_on_seed_and_epoch_only(quick):
    own = settings(quick, crop_padding=4, horizontal_flip=True)
    first = epoch(own, number=3)
    assert all(np.array_equal(a, b) for a, b in zip(first, epoch(own, number=3), strict=True))
    for other in (epoch(own, number=4), epoch(settings(quick, crop_padding=4, horizontal_flip=True, seed=2), number=3)):
        a, b = (x[np.argsort(x[:, 0, 0, 2])] for x in (first[0], other[0]))  # blue: the image's number
        assert (a != b).any(axis=(1, 2, 3)).mean() > 0.8  # the same image is cropped or mirrored in another way


def test_the_same_place_in_the_next_epoch_is_cropped_in_another_way(quick):
    own = settings(quick, crop_padding=4, horizontal_flip=False)
    a, b = (epoch(own, number=number)[0][:, 16, 16, :2] for number in (3, 4))
    assert (a != b).any(axis=1).mean() > 0.8


def test_crops_move_the_image_by_at_most_the_padding(quick):
    x, _ = epoch(settings(quick, crop_padding=2, horizontal_flip=False), count=224)
    middle = x[:, 16, 16, :2] // 8 - 16  # how far row and column of the middle have moved
    assert set(middle[:, 0]) == set(middle[:, 1]) == {-2, -1, 0, 1, 2}
    assert (x[:, 5, 5, 1] < x[:, 5, 20, 1]).all()  # never mirrored


def test_flips_mirror_about_half_of_the_images(quick):
    x, _ = epoch(settings(quick, crop_padding=0, horizontal_flip=True), count=224)
    mirrored = x[:, 0, 0, 1] > x[:, 0, 31, 1]
    assert 0.3 < mirrored.mean() < 0.7
    assert np.array_equal(x[mirrored][0][:, ::-1, :2], x[~mirrored][0][:, :, :2])
    assert (x[:, 0, 0, 0] < x[:, 31, 0, 0]).all()  # never upside down


def test_without_augmentation_images_stay_as_they_are(quick):
    x, _ = epoch(settings(quick, crop_padding=0, horizontal_flip=False))
    assert np.array_equal(x[..., :2], np.broadcast_to(numbered(1)[..., :2], x[..., :2].shape))


def test_learning_rate_warms_up_and_falls_to_zero(quick):
    own = settings(quick, epochs=10, warmup_fraction=0.2, peak_learning_rate=0.1)
    schedule = training.compiled(own, 10, 10).optimizer._learning_rate
    rates = [float(schedule(step)) for step in range(101)]
    assert np.argmax(rates) == 20
    assert rates[20] == pytest.approx(0.1)
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates[100] == pytest.approx(0, abs=1e-6)
    assert (np.diff(rates[:21]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()


def test_only_kernels_decay(quick):
    network = training.compiled(settings(quick, weight_decay=0.01), 10, 10)
    decays = {variable.path for variable in network.trainable_variables if network.optimizer._use_weight_decay(variable)}
    assert decays
    assert all(path.endswith("kernel") for path in decays)


def test_it_learns(quick):
    history = training.history(quick.model)
    assert len(history) == quick.profile.train.epochs
    assert history[-1]["val_accuracy"] > 0.8
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["learning_rate"] == pytest.approx(0, abs=1e-6)
    assert set(history[0]) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}


KILLED = """
    import os, signal, sys
    from lib.experiment import profile
    from lib.models import train as training
    from lib.session import Session
    checkpoint = training._checkpoint
    def killed(network, history, work):
        if len(history) == 2:
            os.kill(os.getpid(), signal.SIGKILL)  # the second epoch is done but not kept
        checkpoint(network, history, work)
    training._checkpoint = killed
    Session(profile.load(sys.argv[1]), "test").model
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_training_goes_on_and_comes_to_the_same_model(quick, tiny_profile, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path))
    monkeypatch.setenv("REPORT_PROGRESS", "lines")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tiny_profile)]
    environment = os.environ | {"PYTHONPATH": str(config.ROOT)}
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == -signal.SIGKILL
    work = next((tmp_path / "tiny/work").iterdir())
    assert sorted(path.name for path in work.iterdir()) == ["0001-checkpoint.keras", "history.json"]
    assert not list((tmp_path / "tiny/artifacts").rglob("manifest.json"))
    (work / "saving.keras").write_bytes(b"half")  # what one that is killed while it saves leaves

    again = session.Session(config.load(str(tiny_profile)), "test").model
    said = capsys.readouterr().err
    assert "going on after epoch 1 of 3" in said
    assert "epoch 1/3" not in said
    assert "epoch 2/3: 37/37" in said
    assert not work.exists()
    assert not list((tmp_path / "tiny/artifacts/model").glob(".*"))  # what the killed one had begun

    through, resumed = (training.history(artifact) for artifact in (quick.model, again))
    assert [entry["learning_rate"] for entry in resumed] == pytest.approx([entry["learning_rate"] for entry in through])
    assert [entry["loss"] for entry in resumed] == pytest.approx([entry["loss"] for entry in through], rel=0.05)


def test_checkpoint_without_its_history_is_not_possible(quick, tmp_path, monkeypatch):
    """The history is written first: killed between the two, the epoch is done again and its entry replaced."""
    own = settings(quick, epochs=3)
    network = training.compiled(own, 10, 4)
    entry = {"loss": 1.0}
    training._checkpoint(network, [entry], tmp_path)
    (tmp_path / training.HISTORY).write_text(json.dumps([entry, entry]))  # the second epoch's checkpoint never came
    assert len(training._resume(own, 10, 4, tmp_path)[1]) == 1


def test_one_checkpoint_is_kept(quick, tmp_path):
    network = training.compiled(settings(quick), 10, 4)
    for epochs in (1, 2):
        training._checkpoint(network, [{"loss": 1.0}] * epochs, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0002-checkpoint.keras", "history.json"]


@pytest.mark.parametrize("kib", [64, 230], ids=["first checkpoint", "second checkpoint"])
def test_full_disk_is_one_line_and_nothing_half_written(quick, disk, kib, monkeypatch):
    """Keras and HDF5 each say in their own way that a disk is full."""
    monkeypatch.setenv(session.OUTPUTS, str(disk(kib)))
    opened = replace(quick)
    monkeypatch.setattr(training, "_one_epoch", lambda network, *rest: {"loss": 1.0, "seconds": 1.0})
    with pytest.raises(ReportError, match="no space left on the disk; free some") as caught:
        _ = opened.model
    assert "\n" not in str(caught.value)
    assert not list(opened.folder.rglob("payload"))
    assert not list(opened.folder.rglob("saving*"))
    assert not list(opened.folder.rglob(".*"))


def test_training_is_not_repeated(quick, monkeypatch):
    monkeypatch.setattr(training, "train", lambda *_: pytest.fail("trained again"))
    assert replace(quick).model.sha256 == quick.model.sha256


# Training that diverges

WILD = {"peak_learning_rate": 10.0, "momentum": 0.99, "weight_decay": 0.9, "label_smoothing": 0.0}


def test_diverged_training_says_so_itself_and_leaves_nothing(quick, tmp_path, monkeypatch):
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path))
    profile = quick.profile.model_copy(update={"train": settings(quick, **WILD)})
    opened = session.Session(profile, "test")
    with pytest.raises(training.Diverged, match=r"training diverged in epoch \d of 3: .* lower train\.peak_learning_rate \(10\)") as caught:
        _ = opened.model
    assert "\n" not in str(caught.value)
    assert 1 <= caught.value.epoch <= 3
    assert not list(tmp_path.rglob("manifest.json"))
    assert all("NaN" not in path.read_text() for path in tmp_path.rglob(training.HISTORY))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_no_number_is_diverged_too(quick, value):
    network = SimpleNamespace(fit=lambda *_, **__: SimpleNamespace(history={"loss": [1.0], "val_loss": [value]}))
    with pytest.raises(training.Diverged):
        training._one_epoch(network, None, None, 0, settings(quick), 1)


def test_a_stored_history_that_is_no_numbers_is_diverged(quick, tmp_path):
    """Of a version that kept one."""
    entry = {"loss": 1.0, "seconds": 1.0}
    (tmp_path / training.HISTORY).write_text(json.dumps([entry, entry | {"loss": float("nan")}]))
    artifact = SimpleNamespace(file=lambda name: tmp_path / name, inputs={"train": {"peak_learning_rate": 0.5}})
    with pytest.raises(training.Diverged, match="in epoch 2 of 2"):
        training.history(artifact)


# The user's own settings

HOSTILE = {"floatx": "float16", "epsilon": 0.5, "backend": "torch", "image_data_format": "channels_first"}
WEIGHTS = """
    import hashlib, sys
    import numpy as np
    from lib.experiment import profile
    from lib.models import keras_file, train, vgg
    from lib.session import Session
    opened = Session(profile.load(sys.argv[1]), "test")
    trained = opened.model
    network = keras_file.load(trained.file(vgg.FILE))
    digest = hashlib.sha256(b"".join(weights.tobytes() for weights in network.get_weights())).hexdigest()
    print(trained.key, network.input.dtype, {str(weights.dtype) for weights in network.get_weights()}, digest)
"""


def in_home(home, profile, settings_file):
    (home / ".keras").mkdir(parents=True)
    (home / ".keras" / "keras.json").write_text(settings_file)
    limits = {"KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "0", "KERAS_MAX_STEPS_PER_EPOCH": "1"}
    environment = os.environ | limits | {"HOME": str(home), "PYTHONPATH": str(config.ROOT), session.OUTPUTS: str(home / "outputs")}
    environment.pop("KERAS_HOME", None)
    command = [sys.executable, "-c", textwrap.dedent(WEIGHTS), str(profile)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_the_users_keras_settings_change_neither_model_nor_key(write_profile, tmp_path):
    profile = write_profile(**{"train.epochs": 1, "train.conv_filters": [[4]], "train.dense_units": 8})
    said = [in_home(tmp_path / name, profile, json.dumps(given)) for name, given in (("hostile", HOSTILE), ("plain", {}))]
    assert [done.returncode for done in said] == [0, 0], said[0].stderr + said[1].stderr
    assert "float32 {'float32'}" in said[0].stdout
    assert len({done.stdout for done in said}) == 1


def test_a_trained_network_is_read_by_a_keras_that_does_not_know_its_layers_description(write_profile, tmp_path):
    """Keras 3.12, the last for Python 3.10, does not read what 3.15 wrote; the weights are the same."""
    settings = config.load(str(write_profile(**{"train.conv_filters": [[4]], "train.dense_units": 8}))).train
    made, file = vgg.build(settings, 10), tmp_path / "model.keras"
    made.save(file)
    newer = tmp_path / "newer.keras"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            new.writestr(name, json.dumps({"class_name": "Functional2"}) if name == "config.json" else old.read(name))
    read = vgg.load(newer, settings, 10)
    assert all((a == b).all() for a, b in zip(made.get_weights(), read.get_weights(), strict=True))
    other = settings.model_copy(update={"dense_units": 16})
    with pytest.raises(ReportError, match=r"newer\.keras: holds no weights of this profile's network"):
        vgg.load(newer, other, 10)
    newer.write_bytes(b"no zip")
    with pytest.raises(ReportError, match=r"newer\.keras: holds no weights"):
        vgg.load(newer, settings, 10)


def test_a_keras_file_that_keras_does_not_take_is_one_line(write_profile, tmp_path):
    done = in_home(tmp_path / "odd", write_profile(), json.dumps({"floatx": "float8"}))
    assert "keras.json: Keras does not start" in done.stderr.strip().splitlines()[-1]


def test_settings_made_in_the_process_are_overruled_and_another_backend_refused(monkeypatch):
    keras = models.keras()
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    models.keras()
    assert (keras.config.floatx(), keras.config.image_data_format(), keras.config.dtype_policy().name) == (
        "float32",
        "channels_last",
        "float32",
    )
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(ReportError, match="already runs on 'jax'"):
        models.keras()


def test_what_libraries_write_past_python_is_kept_out_but_not_of_an_error(capfd):
    def fails():
        with models.quiet():
            os.write(2, b"the reason\n")
            raise ValueError("wrong")

    with models.quiet():
        os.write(2, b"noise\n")
    with pytest.raises(ValueError, match="wrong"):
        fails()
    assert capfd.readouterr().err == "the reason\n"
