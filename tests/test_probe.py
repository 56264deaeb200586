"""lib/measure/probe.py and mistakes.py: what a profile has wrong is found and named, what it has right raises nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from images import rules as plain_rules
from own import make
from PIL import Image

from lib import stats
from lib.data import preprocess
from lib.errors import NotMeasured
from lib.experiment import profile as config
from lib.experiment.preprocess import PRESETS, Preprocess
from lib.experiment.spec import ModelSpec
from lib.measure import mistakes, predictions, probe
from lib.runners.onnxrt import OnnxRuntime
from lib.session import Session
from lib.store.records import Reason

RGB = ModelSpec("pixels", "float32", "NCHW", (48, 64), 3, "scores", 5, logits=True)
PRE = yaml.safe_load(make.SHAPES_PROFILE)["preprocess"]
FITS = {"resize", "crop", "interpolation", "library"}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Path:
    """20 test pictures of each of five classes, the model, and the right profile shapes.yaml."""
    return make.shapes(tmp_path_factory.mktemp("probe"), 20, 1).parent


@pytest.fixture
def opened(shapes):
    """`opened("stem", dataset={…}, preprocess={…})`: a session of the right profile with these keys changed."""

    def change(stem: str, **sections: dict) -> Session:
        values = yaml.safe_load(make.SHAPES_PROFILE)
        for section, keys in sections.items():
            values[section] = {key: value for key, value in (values[section] | keys).items() if value is not None}
        path = shapes / f"{stem}.yaml"
        path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
        return Session(config.load(str(path)), "test")

    return change


@pytest.fixture(scope="module")
def right(shapes) -> Session:
    """The right profile, probed."""
    return probed(Session(config.load(str(shapes / "shapes.yaml")), "test"))


def probed(session: Session) -> Session:
    probe.probe(session)
    return session


def found(session: Session, metric: str = "probed") -> dict[tuple[str, str], object]:
    return {(r.case["kind"], r.case["choice"]): r for r in session.records if r.metric == metric}


def better(session: Session) -> list[tuple[str, str]]:
    """What is better than the own choice after Holm's correction over all, the best first: the page's rule."""
    tried = [record for record in session.records if record.case["kind"] != "own" and record.value is not None]
    told = [(r.stats["only_own"], r.stats["only_choice"], r.stats["total"]) for r in tried]
    p_values = stats.holm([stats.mcnemar(*pair[:2]) for pair in told])
    sure = [r for r, pair, p in zip(tried, told, p_values, strict=True) if p < 0.05 and stats.paired(*pair).low > 0]
    return [(r.case["kind"], r.case["choice"]) for r in sorted(sure, key=lambda r: -r.value)]


def counted(session: Session) -> dict[tuple[str, str], dict]:
    return {key: record.stats for metric in ("probed", "probed_labels") for key, record in found(session, metric).items()}


def test_a_right_profile_raises_nothing_and_every_kind_was_tried(right):
    assert better(right) == []
    tried = found(right)
    assert {kind for kind, _ in tried} >= {"own", "channels", "scale", "normalization", "keras", "resize", "crop", "interpolation"}
    assert all(record.candidate == right.profile.reference and record.reason is None for record in right.records)
    own = tried["own", "own"]
    answers = predictions.of(right, right.profile.reference)
    assert own.stats == {"correct": int((answers.argmax(1) == right.images.y_test).sum()), "total": 100, "only_own": 0, "only_choice": 0}
    assert own.case["line"] == ""
    assert own.value > 0.9
    assert found(right, "probed_labels")["order", "best"].case["line"] == ""
    for record in tried.values():
        assert record.stats["correct"] - own.stats["correct"] == record.stats["only_choice"] - record.stats["only_own"]


@pytest.mark.parametrize(
    ("wrong", "choice", "line"),
    [
        ({"channels": "BGR"}, ("channels", "RGB"), "preprocess.channels: RGB"),
        (
            {"mean": None, "std": None},
            ("normalization", "imagenet"),
            "preprocess.mean: [0.485, 0.456, 0.406]\npreprocess.std: [0.229, 0.224, 0.225]",
        ),
        ({"scale": 1.0}, ("scale", "0..1"), "preprocess.scale: 0.00392156862745098"),
    ],
    ids=["bgr", "no mean and std", "0 to 255"],
)
def test_what_is_wrong_is_the_best_of_what_is_better(opened, right, wrong, choice, line):
    session = probed(opened("wrong", preprocess=wrong))
    assert better(session)[0] == choice
    record = found(session)[choice]
    assert record.case["line"] == line
    assert record.stats["only_choice"] > 30 > 10 * record.stats["only_own"]
    assert record.stats["correct"] == found(right)["own", "own"].stats["correct"]  # it is the right profile


def test_another_resize_is_tried_on_the_files_themselves(opened, monkeypatch):
    def touchy(self, batch):
        """A class that any pixel changes."""
        sums = np.abs(batch).sum(axis=(1, 2, 3), dtype=np.float64)
        return np.eye(5, dtype=np.float32)[(sums * 100).astype(int) % 5]

    monkeypatch.setattr(OnnxRuntime, "infer", touchy)
    session = opened("exact", preprocess={"resize": "exact", "crop_pct": None})
    padded = opened("padded", preprocess={"resize": "pad", "crop_pct": None})
    right = []
    for one in (session, padded):
        with OnnxRuntime(one, one.profile.reference) as runner:
            right.append(predictions.run(runner, one.images.x_test).argmax(1) == one.images.y_test)
    record = found(probed(session))["resize", "pad"]
    assert record.stats["only_own"] == (right[0] & ~right[1]).sum()
    assert record.stats["only_choice"] == (right[1] & ~right[0]).sum()
    assert record.stats["only_own"] > 5


def test_batches_chunks_and_a_fixed_batch_change_no_count(opened, shapes, right, monkeypatch):
    monkeypatch.setattr(probe, "AT_ONCE_BYTES", 1)  # one image at a time
    make.shapes_onnx(shapes / "fixed.onnx", batch=7)
    session = probed(opened("fixed", model={"file": "fixed.onnx"}))
    assert session.spec.batch == 7
    assert counted(session) == counted(right)


def test_only_the_first_images_are_tried(opened, monkeypatch):
    monkeypatch.setattr(probe, "MOST_IMAGES", 11)
    session = probed(opened("few"))
    assert {record.stats["total"] for record in found(session).values()} == {11}
    assert [record.stats["total"] for record in found(session, "probed_labels").values()] == [11, 11, 6]


def classes_file(shapes: Path, order: list[int]) -> str:
    (shapes / "classes.txt").write_text("\n".join(make.SHAPES[k].name for k in order), encoding="utf-8")
    return "classes.txt"


@pytest.mark.parametrize(("count", "cut"), [(11, False), (12, True)])
def test_a_remedy_names_ten_classes_and_says_where_there_are_more(count, cut):
    classes = np.arange(count)
    line = probe._renamed(classes, classes + 1, tuple(f"c{k}" for k in classes))  # nothing comes after the last
    assert (line.count("→"), line.endswith("…")) == (10, cut)


def test_labels_off_by_one_are_found(opened, shapes):
    session = probed(opened("offset", dataset={"classes": classes_file(shapes, [4, 0, 1, 2, 3])}))
    record = found(session, "probed_labels")["offset", "+1"]
    assert ("offset", "+1") in better(session)
    assert record.value > 0.7
    assert (
        record.case["line"]
        == "dataset.classes: 黄色い 星 → green triangle, green triangle → 赤い 丸, 赤い 丸 → 青い 丸, 青い 丸 → 青い 四角"
    )
    assert ("offset", "-1") not in better(session)
    order = found(session, "probed_labels")["order", "best"]
    assert better(session)[0] == ("order", "best")
    assert order.stats["total"] == 50


def test_classes_that_are_swapped_are_found_and_named(opened, shapes):
    session = probed(opened("swapped", dataset={"classes": classes_file(shapes, [0, 1, 3, 2, 4])}))
    assert better(session)[0] == ("order", "best")
    said = found(session, "probed_labels")["order", "best"].case["line"]
    assert sorted(said.removeprefix("dataset.classes: ").split(", ")) == ["青い 丸 → 青い 四角", "青い 四角 → 青い 丸"]


def test_nothing_is_recorded_without_labels_without_images_and_of_what_is_trained_here(opened, monkeypatch):
    assert probed(opened("unlabelled", dataset={"labels": "none"})).records == []
    assert probed(opened("random", dataset={"folder": None})).records == []
    monkeypatch.setattr(Session, "images", property(lambda self: pytest.fail("no image is needed to know that")))
    assert probed(Session(config.load("quickstart"), "test")).records == []


def sized(shapes: Path, folder: str) -> str:
    """Pictures of just the model's size."""
    for index, kind in enumerate(make.SHAPES):
        place = shapes / folder / "test" / kind.name
        place.mkdir(parents=True)
        pixels = np.random.default_rng(index).integers(0, 256, (*make.SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(place / "one.png")
    return folder


def test_a_resize_is_not_told_where_it_changes_no_pixel(opened, shapes):
    own = {"resize": "exact", "crop_pct": None}
    session = probed(opened("sized", dataset={"folder": sized(shapes, "sized")}, preprocess=own))
    kinds = {record.case["kind"] for record in session.records}
    assert kinds & FITS == {"crop"}  # which cuts something off whatever the size
    assert kinds >= {"own", "channels", "scale"}


def test_images_without_files_are_not_resized_again(opened, shapes):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 70, 90, 3), np.uint8)
    np.savez(shapes / "images.npz", images=pixels, labels=np.arange(6) % 5)
    session = probed(opened("npz", dataset={"folder": None, "npz": "images.npz"}))
    assert not FITS & {record.case["kind"] for record in session.records}
    assert found(session)["channels", "BGR"].stats["total"] == 6


def test_a_file_that_is_gone_is_named_where_files_are_needed(opened, shapes):
    session = opened("gone", dataset={"folder": sized(shapes, "gone")})
    session.images.files[2].unlink()
    records = found(probed(session))
    for (kind, _), record in records.items():
        assert (record.reason is not None) == (kind in FITS)
    said = records["resize", "pad"].reason
    assert said.failed
    assert "one.png: No such file" in said.text.en


def test_why_a_reference_cannot_be_run_stands_in_every_record(opened, monkeypatch):
    monkeypatch.setattr(OnnxRuntime, "unavailable", classmethod(lambda cls, precision: Reason("no_gpu")))
    session = probed(opened("unavailable"))
    assert len(session.records) > 10
    assert {record.reason for record in session.records} == {Reason("no_gpu")}


def test_one_choice_that_fails_leaves_the_others(opened, monkeypatch):
    infer = OnnxRuntime.infer

    def picky(self, batch):
        if batch.max() > 200:
            raise NotMeasured(Reason("no_gpu"))
        answer = infer(self, batch)
        return np.full_like(answer, np.nan) if batch.min() == 0 else answer

    monkeypatch.setattr(OnnxRuntime, "infer", picky)
    session = probed(opened("picky"))
    reasons = {key: record.reason and record.reason.key for key, record in found(session).items() if record.reason}
    assert reasons == {("scale", "0..255"): "no_gpu", ("normalization", "none"): "wrong_output"}


def stub(section: dict, spec: ModelSpec = RGB) -> SimpleNamespace:
    """What `choices` looks at of a session."""
    made = Preprocess.model_validate(section)
    profile = SimpleNamespace(preprocess=made, path=Path)
    return SimpleNamespace(profile=profile, spec=spec, rules=preprocess.resolve(made, spec, Path))


def names_of(section: dict, spec: ModelSpec = RGB, fits: bool = False) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in mistakes.choices(stub(section, spec), fits)]


def test_a_model_of_bytes_or_gray_has_fewer_mistakes():
    uint8 = ModelSpec("x", "uint8", "NHWC", (8, 8), 3, "y", 2, logits=True)
    assert names_of({}, uint8) == [("channels", "BGR")]
    assert {kind for kind, _ in names_of({}, uint8, fits=True)} == {"channels", *FITS} - (set() if mistakes_has_opencv() else {"library"})
    gray = ModelSpec("x", "float32", "NHWC", (8, 8), 1, "y", 2, logits=True)
    assert names_of({"scale": 1 / 255}, gray) == [("scale", "0..255"), ("scale", "-1..1")]  # keras' tf is the same as -1..1


def mistakes_has_opencv() -> bool:
    return ("library", "opencv") in names_of({"scale": 1.0}, fits=True)


def test_opencv_is_tried_only_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(mistakes.importlib.util, "find_spec", lambda name: None)
    assert not mistakes_has_opencv()
    monkeypatch.undo()
    assert mistakes_has_opencv() == (mistakes.importlib.util.find_spec("cv2") is not None)


def test_a_value_that_the_input_cannot_hold_has_its_reason():
    half = ModelSpec("x", "float16", "NHWC", (8, 8), 3, "y", 2, logits=True)
    tried = {(each.kind, each.name): each for each in mistakes.choices(stub({"scale": 1 / 255, "mean": [0.0], "std": [0.002]}, half))}
    twice = tried["normalization", "twice"]
    assert isinstance(twice.rules, Reason)
    assert twice.rules.failed
    assert "inf" in twice.rules.text.en
    assert tried["channels", "BGR"].rules.channels == "BGR"


def test_the_preset_of_another_mode_is_one_line():
    tried = {(each.kind, each.name): each for each in mistakes.choices(stub({"preset": "caffe"}))}
    assert tried["keras", "tf"].line == "preprocess.preset: tf"
    assert tried["normalization", "none"].line == "preprocess.mean: [0.0]"  # and caffe's order of the channels as it is
    assert ("scale", "0..255") not in tried  # it is caffe's own
    other = {(each.kind, each.name): each for each in mistakes.choices(stub({"preset": "imagenet"}))}
    assert other["keras", "caffe"].rules.resize == "shortest_edge"  # the values alone are another mode's


def test_a_mean_stays_where_it_is_of_the_unit():
    mean = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}  # of 0..255, after a scale to 0..1
    tried = {(each.kind, each.name): each for each in mistakes.choices(stub({"scale": 1 / 255, **mean}))}
    assert tried["scale", "0..255"].line == "preprocess.scale: 1.0"
    assert tried["scale", "0..1"].rules.mean == (0.0,) * 3


NUMBERS = st.sampled_from([[0.5], [0.485, 0.456, 0.406], [1.0], [103.939, 116.779, 123.68], [0.0]])
SECTIONS = st.builds(
    lambda preset, more, pair, way: (
        ({"preset": preset} if preset else {"scale": 1 / 255}) | more | ({"mean": pair, "std": [0.25] * len(pair)} if pair else {}) | way
    ),
    st.sampled_from([None, *PRESETS]),
    st.fixed_dictionaries({}, optional={"scale": st.sampled_from([1 / 255, 1 / 127.5, 1.0]), "channels": st.sampled_from(["RGB", "BGR"])}),
    st.none() | NUMBERS,
    st.sampled_from([{}, {"resize": "exact"}, {"resize": "pad"}, {"crop_pct": 0.9}, {"resize": "shortest_edge", "resize_size": 80}]),
)


@given(SECTIONS, st.sampled_from(["float32", "float16"]))
def test_the_line_makes_the_profile_what_was_tried(section, dtype):
    spec = ModelSpec("x", dtype, "NHWC", (48, 64), 3, "y", 5, logits=True)
    session = stub(section, spec)
    tried = mistakes.choices(session)
    assert len({(each.kind, each.name) for each in tried}) == len(tried) > 5
    for each in tried:
        keys = yaml.safe_load(each.line.replace("preprocess.", ""))
        assert each.rules == preprocess.resolve(Preprocess.model_validate(section | keys), spec, Path) != session.rules
    assert len({each.rules for each in tried}) == len(tried)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_the_best_order_is_the_best_of_all_and_moves_nothing_for_nothing(pairs):
    classes, labels = np.array(pairs).T
    order, moved = probe._order(classes, labels, 5)
    every = [np.array(each) for each in itertools.permutations(range(5))]
    rights = [int((each[classes] == labels).sum()) for each in every]
    assert sorted(order) == list(range(5))
    assert set(moved) == set(np.flatnonzero(order != np.arange(5)))
    assert (order[classes] == labels).sum() == max(rights)
    if max(rights) == (classes == labels).sum():
        assert not len(moved)


def test_an_order_that_fits_by_chance_wins_nothing_on_the_other_half():
    won = {"fitted": 0, "counted": 0}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        classes, labels = rng.integers(0, 20, (2, 60))
        named = tuple(map(str, range(20)))
        (_, before, after, truth) = list(probe._relabelled(classes, labels, named, seed))[-1]
        won["counted"] += int((after == truth).sum() - (before == truth).sum())
        order, _ = probe._order(classes, labels, 20)
        won["fitted"] += int((order[classes] == labels).sum() - (classes == labels).sum())
    assert won["fitted"] > 40 * 8
    assert abs(won["counted"]) < 40


def test_the_halves_share_no_image_and_divide_every_class():
    labels = np.repeat(np.arange(7), 10)[np.random.default_rng(1).permutation(70)]
    fit, count = probe._halves(labels, 3)
    assert sorted([*fit, *count]) == list(range(70))
    assert np.bincount(labels[fit]).tolist() == np.bincount(labels[count]).tolist() == [5] * 7
    np.testing.assert_array_equal(fit, probe._halves(labels, 3)[0])
    assert set(fit) != set(probe._halves(labels, 4)[0])


def test_a_thousand_classes_of_which_few_are_seen_take_no_memory():
    order, moved = probe._order(np.array([5, 5, 9]), np.array([9, 9, 5]), 10**6)
    assert (order[5], order[9]) == (9, 5)
    assert moved.tolist() == [5, 9]


def test_one_image_has_no_halves(right):
    kinds = [named[0] for named, *_ in probe._relabelled(np.array([1]), np.array([1]), ("a", "b"), 0)]
    assert kinds == ["offset", "offset"]


def test_rules_that_differ_by_less_than_a_thousandth_are_one_choice():
    one = plain_rules(scale=1 / 255)
    assert mistakes._alike(one, plain_rules(scale=1 / 255.1))
    assert not mistakes._alike(one, plain_rules(scale=1 / 250))
    assert not mistakes._alike(one, plain_rules(scale=1 / 255, interpolation="bicubic"))
