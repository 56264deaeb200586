"""Preprocessing: images as they lie on disk become the model's input as timm, torchvision, Keras and transformers do it, or are refused."""

from __future__ import annotations

import io
import json
import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pydantic import ValidationError

from lib.data import preprocess, preprocessor_files
from lib.data.preprocess import Rules
from lib.errors import ConfigError, DatasetError
from lib.experiment.preprocess import MEAN, PRESETS, STD, Preprocess
from lib.experiment.spec import ModelSpec
from lib.experiment.strict import first

SPEC = ModelSpec("x", "float32", "NHWC", (224, 224), 3, "y", 10, logits=True)
PLAIN = Rules((224, 224), "exact", 1.0, "bilinear", "pillow", 1.0, (0.0,) * 3, (1.0,) * 3, "RGB")
SIZES = st.integers(1, 90)


def noise(height=301, width=417, channels=3, seed=0):
    """An image of random colours; smooth enough that a resize by another rule is far off, not by rounding."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return image if channels == 3 else image.convert("L")


def resolved(spec=SPEC, path=Path, **section):
    return preprocess.resolve(Preprocess(**section), spec, path)


def written(folder, values, name="config.json"):
    path = folder / name
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def torchvision(image, resize, crop, method=Image.Resampling.BILINEAR):
    """Resize(resize), CenterCrop(crop) of torchvision 0.2x, written out for Pillow."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    new = (resize, int(resize * long / short))
    image = image.resize(new if width <= height else new[::-1], method)
    left, top = round((image.width - crop) / 2.0), round((image.height - crop) / 2.0)
    return np.asarray(image.crop((left, top, left + crop, top + crop)))


# --- the section


def test_text_alone_is_a_preset_or_a_file():
    assert Preprocess.model_validate("imagenet") == Preprocess(preset="imagenet")
    assert Preprocess.model_validate("model/Config.JSON") == Preprocess(file="model/Config.JSON")
    with pytest.raises(ValidationError, match="preset"):
        Preprocess.model_validate("imagenette")


def test_a_section_comes_back_from_its_record():
    section = Preprocess(size=[96, 128], resize="shortest_edge", resize_size=140, scale=1, mean=[1, 2, 3], std=[4, 5, 6], channels="BGR")
    assert Preprocess.model_validate(json.loads(json.dumps(section.model_dump(mode="json")))) == section


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"preset": "tf", "file": "a.json"}, "'preprocess.file': stands beside preset"),
        ({"crop_pct": 0.9, "resize_size": 256}, "'preprocess.resize_size': stands beside crop_pct"),
        ({"resize": "pad", "crop_pct": 0.9}, "'preprocess.crop_pct': nothing is cropped"),
        ({"resize": "pad", "resize_size": 256}, "'preprocess.resize_size': nothing is cropped"),
        ({"mean": [1.0, 2.0]}, "'preprocess.mean': must be one number"),
        ({"mean": [1.0], "std": [1.0, 2.0, 3.0]}, "'preprocess.std': has 3 numbers where mean has 1"),
        ({"std": [1.0, 0.0, 1.0]}, "'preprocess.std': must not hold 0"),
        ({"scale": 0}, "'scale': input should be greater than 0"),
        ({"scale": math.inf}, "'scale': input should be a finite number"),
        ({"mean": [math.nan]}, "'mean.0': input should be a finite number"),
        ({"scale": True}, "'scale': input should be a valid number"),
        ({"crop_pct": 1.01}, "'crop_pct': input should be less than or equal to 1"),
        ({"size": [224]}, "'size'"),
        ({"size": [224, 8193]}, "'size.1': input should be less than or equal to 8192"),
        ({"size": [0, 224]}, "'size.0': input should be greater than or equal to 1"),
        ({"interpolation": "box"}, "'interpolation': input should be 'bilinear', 'bicubic', 'nearest' or 'lanczos'"),
        ({"crop": 0.9}, "'crop': unknown; did you mean crop_pct?"),
    ],
)
def test_a_section_that_cannot_be_is_refused_in_one_line(values, says):
    with pytest.raises(ValidationError) as refused:
        Preprocess.model_validate(values)
    assert says in first(refused.value, Preprocess)


# --- rules


def test_what_is_said_nowhere():
    assert resolved(scale=0.5) == replace(PLAIN, scale=0.5)
    assert preprocess.resolve(None, replace(SPEC, dtype="uint8"), Path) == PLAIN


@pytest.mark.parametrize("section", [None, Preprocess(), Preprocess(size=[224, 224], resize="pad")])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_values_that_nobody_named_are_asked_for(section, dtype):
    with pytest.raises(ConfigError) as refused:
        preprocess.resolve(section, replace(SPEC, dtype=dtype), Path)
    assert str(refused.value) == (
        "preprocess: missing; name one: imagenet, tf, caffe, torch, none, or size, scale, mean, std (python -m lib new guesses one)"
    )


@pytest.mark.parametrize(
    ("spec", "section", "says"),
    [
        ({}, {"mean": [0.5]}, "key 'preprocess.scale': missing; mean and std act after it"),
        ({}, {"preset": "none", "size": [256, 256]}, "key 'preprocess.size': the model takes 224 × 224, not 256 × 256"),
        ({"channels": 1}, {"preset": "imagenet"}, "key 'preprocess.mean': 3 numbers, but the model's input is gray, one channel"),
        ({"channels": 1}, {"preset": "none", "channels": "BGR"}, "key 'preprocess.channels': BGR, but the model's input is gray"),
        ({"dtype": "uint8"}, {"preset": "imagenet"}, "key 'preprocess': the model takes bytes (uint8)"),
        ({"dtype": "uint8"}, {"std": [2.0]}, "key 'preprocess': the model takes bytes (uint8)"),
        ({}, {"preset": "none", "resize": "shortest_edge", "resize_size": 200}, "key 'preprocess.resize_size': 200 is less than"),
        (
            {},
            {"scale": 1e300},
            "key 'preprocess.scale': with scale, mean and std the pixels 0 and 255 become nan and inf in float32",
        ),
        ({}, {"scale": 1e-300}, "key 'preprocess.scale'"),
        ({"dtype": "float16"}, {"scale": 1.0, "std": [1e-4]}, "key 'preprocess.scale'"),
    ],
)
def test_rules_that_do_not_fit_the_model_are_refused(spec, section, says):
    with pytest.raises(ConfigError) as refused:
        resolved(replace(SPEC, **spec), **section)
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


def test_own_keys_overrule_a_preset():
    rules = resolved(preset="imagenet", interpolation="bicubic", std=[1, 1, 2])
    assert (rules.interpolation, rules.std, rules.mean, rules.crop_pct) == ("bicubic", (1.0, 1.0, 2.0), tuple(MEAN), 0.875)
    assert resolved(preset="imagenet", resize_size=232).box == (232, 232)
    assert resolved(preset="imagenet", crop_pct=0.95).box == (235, 235)
    # Another way to resize has nothing to do with the preset's crop.
    assert resolved(preset="imagenet", resize="exact").box == (224, 224)
    assert resolved(preset="imagenet", resize="pad").box == (224, 224)
    assert resolved(preset="imagenet", resize="shortest_edge").box == (256, 256)


def test_a_presets_mean_stays_with_its_colour():
    assert resolved(preset="imagenet", channels="BGR").mean == tuple(MEAN[::-1])
    assert resolved(preset="imagenet", channels="BGR", mean=[1, 2, 3]).mean == (1, 2, 3)
    assert resolved(preset="caffe").mean == (103.939, 116.779, 123.68)
    assert PRESETS["imagenet"]["mean"] == MEAN == [0.485, 0.456, 0.406]


def test_one_number_is_for_every_channel():
    assert resolved(preset="tf").mean == (1.0, 1.0, 1.0)
    assert resolved(replace(SPEC, channels=1), preset="tf").mean == (1.0,)


def test_the_size_is_the_sections_or_the_files_or_unknown(tmp_path):
    path = written(tmp_path, {"input_size": [3, 96, 128]})
    assert preprocess.named_size(None, Path) is None
    assert preprocess.named_size(Preprocess(preset="imagenet"), Path) is None
    assert preprocess.named_size(Preprocess(file=path.name), tmp_path.joinpath) == (96, 128)
    assert preprocess.named_size(Preprocess(file=path.name, size=[32, 48]), tmp_path.joinpath) == (32, 48)
    with pytest.raises(ConfigError, match=r"224 × 224, not 96 × 128 as config.json says"):
        resolved(path=tmp_path.joinpath, file=path.name)


@given(crop=st.integers(1, 1000), extra=st.integers(0, 300))
@settings(max_examples=300)
def test_a_resized_side_is_met_exactly(crop, extra):
    """Not every pair of sizes is a crop_pct: floor(crop / (crop / resize)) misses by one for some."""
    assert replace(PLAIN, size=(crop, crop), resize="shortest_edge", resize_size=crop + extra).box == (crop + extra,) * 2


def test_some_pairs_of_sizes_are_no_crop_pct():
    missed = [resize for resize in range(224, 600) if math.floor(224 / (224 / resize)) != resize]
    assert missed, "resize_size could go"


# --- fit


@pytest.mark.parametrize("size", [(301, 417), (417, 301), (256, 256), (100, 90), (224, 500)])
def test_imagenet_is_torchvisions(size):
    image = noise(*size)
    assert np.array_equal(preprocess.fit(image, resolved(preset="imagenet"), 3), torchvision(image, 256, 224))
    bicubic = resolved(scale=1.0, resize="shortest_edge", resize_size=236, interpolation="bicubic")
    assert np.array_equal(preprocess.fit(image, bicubic, 3), torchvision(image, 236, 224, Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(301, 417), (417, 301), (99, 500)])
def test_a_size_that_is_no_square_is_timms(size):
    """ResizeKeepRatio of timm: the smaller ratio of image to target, sides rounded."""
    image = noise(*size)
    target = math.floor(96 / 0.9), math.floor(160 / 0.9)
    ratio = min(image.height / target[0], image.width / target[1])
    resized = image.resize((round(image.width / ratio), round(image.height / ratio)), Image.Resampling.LANCZOS)
    left, top = round((resized.width - 160) / 2.0), round((resized.height - 96) / 2.0)
    rules = replace(PLAIN, size=(96, 160), resize="shortest_edge", crop_pct=0.9, interpolation="lanczos")
    assert np.array_equal(preprocess.fit(image, rules, 3), np.asarray(resized.crop((left, top, left + 160, top + 96))))


def test_exact_squashes_and_crops_only_when_told():
    image = noise()
    assert np.array_equal(preprocess.fit(image, PLAIN, 3), np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR)))
    rules = replace(PLAIN, resize_size=256)
    assert np.array_equal(preprocess.fit(image, rules, 3), np.asarray(image.resize((256, 256), Image.Resampling.BILINEAR))[16:240, 16:240])


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(301, 417), (417, 301), (30, 31), (2, 255)])
def test_pad_is_pillows(size, method):
    image = noise(*size)
    rules = replace(PLAIN, size=(97, 130), resize="pad", interpolation=method)
    assert np.array_equal(preprocess.fit(image, rules, 3), np.asarray(ImageOps.pad(image, (130, 97), Image.Resampling[method.upper()])))


@given(
    image=st.tuples(SIZES, SIZES),
    size=st.tuples(SIZES, SIZES),
    crop_pct=st.floats(0.3, 1),
    resize=st.sampled_from(["shortest_edge", "exact", "pad"]),
    channels=st.sampled_from([1, 3]),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_sizes_the_image_has_the_models(image, size, crop_pct, resize, channels):
    """White stays white everywhere but where black is put around it."""
    rules = replace(PLAIN, size=size, resize=resize, crop_pct=1.0 if resize == "pad" else crop_pct)
    fitted = preprocess.fit(Image.new("RGB", image[::-1], "white"), rules, channels)
    assert fitted.shape == (*size, channels)
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    assert fitted.flags.writeable
    assert (fitted == 255).all() if resize != "pad" else fitted.any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_image(orientation):
    image = noise(40, 60)
    turned = {
        1: image,
        2: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: image.rotate(180),
        4: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: image.transpose(Image.Transpose.TRANSPOSE),
        6: image.rotate(270, expand=True),
        7: image.transpose(Image.Transpose.TRANSVERSE),
        8: image.rotate(90, expand=True),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, "png", exif=exif)
    rules = replace(PLAIN, size=(turned.height, turned.width))
    assert np.array_equal(preprocess.fit(Image.open(file), rules, 3), np.asarray(turned))


def test_cmyk_is_read_as_its_colours():
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 40, 90)).convert("CMYK").save(file, "jpeg", quality=100)
    fitted = preprocess.fit(Image.open(file), replace(PLAIN, size=(8, 8)), 3)
    assert np.abs(fitted.astype(int) - [200, 40, 90]).max() <= 3


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_become_eight(form, channels, tmp_path):
    values = np.uint16([[0, 128, 129, 257 * 7, 65535, 65406, 65407, 32768]])
    Image.fromarray(values).save(tmp_path / f"a.{form}")
    with Image.open(tmp_path / f"a.{form}") as image:
        fitted = preprocess.fit(image, replace(PLAIN, size=(1, 8)), channels)
    assert (fitted == np.rint(values / 257).astype(np.uint8)[..., None]).all()
    assert fitted[0, :, 0].tolist() == [0, 0, 1, 7, 255, 254, 255, 128]


def test_sixteen_bits_of_pnm_too():
    values = np.uint16([[0, 257 * 7, 65535]])
    file = io.BytesIO(b"P5 3 1 65535\n" + values.astype(">u2").tobytes())
    assert preprocess.fit(Image.open(file), replace(PLAIN, size=(1, 3)), 1).ravel().tolist() == [0, 7, 255]


@pytest.mark.parametrize("values", [np.float32([[0.5]]), np.int32([[-1]]), np.int32([[65536]])])
def test_pixels_whose_white_is_not_known_are_refused(values):
    with pytest.raises(DatasetError, match="store 8 or 16 bits"):
        preprocess.fit(Image.fromarray(values), PLAIN, 3)


def test_colours_that_pillow_cannot_convert_are_refused():
    with pytest.raises(DatasetError, match="mode LAB cannot be made L"):
        preprocess.fit(Image.new("LAB", (4, 4)), PLAIN, 1)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "YCbCr"])
def test_any_mode_is_what_pillow_makes_of_it(mode):
    """Transparency is dropped, as by convert("RGB") in torchvision's and timm's datasets."""
    image = noise(24, 32)
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 32), dtype=np.uint8)))
    image = image.convert(mode)
    fitted = preprocess.fit(image, replace(PLAIN, size=(24, 32)), 3)
    assert np.array_equal(fitted, np.asarray(image.convert("RGB")))
    assert np.array_equal(preprocess.fit(noise(24, 32), replace(PLAIN, size=(24, 32)), 1)[..., 0], np.asarray(noise(24, 32).convert("L")))


def test_a_palette_with_transparent_colours_warns_nobody():
    image = noise(24, 32).convert("P")
    file = io.BytesIO()
    image.save(file, "png", transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = preprocess.fit(Image.open(file), replace(PLAIN, size=(24, 32)), 3)
    assert np.array_equal(fitted, np.asarray(image.convert("RGB")))


def test_a_strip_that_would_take_gigabytes_is_refused():
    strip = Image.new("RGB", (20_000, 1))
    with pytest.raises(DatasetError, match=r"20000 × 1 pixels are too long and thin"):
        preprocess.fit(strip, resolved(preset="imagenet"), 3)
    assert preprocess.fit(strip, PLAIN, 3).shape == (224, 224, 3)


@pytest.mark.parametrize(("name", "code"), [("nearest", 0), ("bilinear", 1), ("bicubic", 2), ("lanczos", 4)])
def test_opencv_resizes_its_own_way(name, code):
    cv2 = pytest.importorskip("cv2")
    image = noise()
    rules = replace(PLAIN, size=(60, 80), library="opencv", interpolation=name)
    fitted = preprocess.fit(image, rules, 3)
    assert np.array_equal(fitted, cv2.resize(np.asarray(image), (80, 60), interpolation=code))
    assert not np.array_equal(fitted, preprocess.fit(image, replace(rules, library="pillow"), 3))
    assert preprocess.fit(image, rules, 1).shape == (60, 80, 1)


def test_opencv_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"key 'preprocess.library': OpenCV is not installed here; pip install opencv-python-headless"):
        resolved(preset="imagenet", library="opencv")


def test_what_is_kept_of_fit_depends_on_nothing_that_comes_after_it():
    rules = resolved(preset="imagenet")
    assert rules.fitting == replace(rules, scale=1.0, mean=(9.0,) * 3, std=(9.0,) * 3, channels="BGR").fitting
    for change in ({"crop_pct": 0.9}, {"resize_size": 230}, {"size": (9, 9)}, {"library": "opencv"}, {"interpolation": "nearest"}):
        assert rules.fitting != replace(rules, **change).fitting


# --- to_input


def pixels(n=3, channels=3):
    return np.random.default_rng(2).integers(0, 256, (n, 224, 224, channels), dtype=np.uint8)


@pytest.mark.parametrize("scale", [1 / 255, 0.00392156862745])
def test_a_scale_of_one_255th_divides_by_255_to_the_bit(scale):
    images = pixels()
    inputs = preprocess.to_input(images, resolved(scale=scale), SPEC)
    assert inputs.tobytes() == (images.astype(np.float32) / np.float32(255)).tobytes()


def test_none_gives_the_bytes_as_they_are():
    images = pixels()
    assert np.array_equal(preprocess.to_input(images, resolved(preset="none"), SPEC), images.astype(np.float32))
    spec = replace(SPEC, dtype="uint8", layout="NCHW")
    inputs = preprocess.to_input(images, preprocess.resolve(None, spec, Path), spec)
    assert inputs.dtype == np.uint8
    assert np.array_equal(inputs, images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_every_pixel_lies_where_the_model_looks_for_it(layout, dtype, channels):
    spec = replace(SPEC, layout=layout, dtype=dtype)
    images = pixels()
    rules = replace(PLAIN, scale=1 / 127.5, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7), channels=channels)
    inputs = preprocess.to_input(images, rules, spec)
    assert inputs.shape == spec.input_shape(3)
    assert inputs.dtype == dtype
    assert inputs.flags.c_contiguous
    for n, y, x, channel in ((0, 0, 0, 0), (1, 5, 200, 1), (2, 223, 1, 2)):
        pixel = int(images[n, y, x, channel if channels == "RGB" else 2 - channel])
        wanted = (pixel / 127.5 - rules.mean[channel]) / rules.std[channel]
        found = inputs[n, y, x, channel] if layout == "NHWC" else inputs[n, channel, y, x]
        assert found == pytest.approx(wanted, rel=1e-5 if dtype == "float32" else 2e-3, abs=1e-5 if dtype == "float32" else 1e-3)


def test_gray_has_one_channel():
    spec = replace(SPEC, channels=1, layout="NCHW")
    inputs = preprocess.to_input(pixels(channels=1), resolved(spec, scale=1 / 255, mean=[0.1307], std=[0.3081]), spec)
    assert inputs.shape == (3, 1, 224, 224)


def test_a_slice_of_a_memory_map_is_left_as_it_was(tmp_path):
    np.save(tmp_path / "a.npy", images := pixels())
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    inputs = preprocess.to_input(mapped[1:3], resolved(preset="torch"), SPEC)
    assert np.array_equal(inputs, preprocess.to_input(images[1:3], resolved(preset="torch"), SPEC))
    assert type(inputs) is np.ndarray
    assert np.array_equal(mapped, images)
    assert preprocess.to_input(mapped[:0], resolved(preset="torch"), SPEC).shape == (0, 224, 224, 3)


@pytest.mark.parametrize("images", [pixels().astype(np.float32), pixels()[:, :200], pixels(channels=1), pixels()[0]])
def test_what_fit_did_not_make_is_no_input(images):
    with pytest.raises(ValueError, match="not uint8"):
        preprocess.to_input(images, PLAIN, SPEC)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["tf", "caffe", "torch"])
@pytest.mark.parametrize(("layout", "order"), [("NHWC", "channels_last"), ("NCHW", "channels_first")])
def test_keras_modes_are_keras(mode, layout, order):
    from keras.applications.imagenet_utils import preprocess_input

    images, spec = pixels(), replace(SPEC, layout=layout)
    theirs = images.astype(np.float32) if layout == "NHWC" else images.transpose(0, 3, 1, 2).astype(np.float32)
    theirs = preprocess_input(theirs, data_format=order, mode=mode)
    np.testing.assert_allclose(preprocess.to_input(images, resolved(spec, preset=mode), spec), theirs, rtol=1e-5, atol=1e-5)


# --- files: timm

TIMM = {
    "architecture": "resnet50",
    "num_classes": 1000,
    "num_features": 2048,
    "pretrained_cfg": {
        "tag": "a1_in1k",
        "custom_load": False,
        "input_size": [3, 224, 224],
        "test_input_size": [3, 288, 288],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "test_crop_pct": 1.0,
        "crop_mode": "center",
        "mean": MEAN,
        "std": STD,
        "num_classes": 1000,
        "pool_size": [7, 7],
        "first_conv": "conv1",
        "classifier": "fc",
        "paper_ids": "arXiv:2110.00476",
        "crop_border_pixels": None,
    },
}


def test_timm_is_read(tmp_path):
    path = written(tmp_path, TIMM)
    rules = resolved(file=str(path))
    assert rules == Rules((224, 224), "shortest_edge", 0.95, "bicubic", "pillow", 1 / 255, tuple(MEAN), tuple(STD), "RGB")
    assert rules.box == (235, 235)
    # Exported with the size that timm tests with, it is meant to be tested as timm does.
    assert resolved(replace(SPEC, size=(288, 288)), file=str(path)).crop_pct == 1.0
    image = noise()
    assert np.array_equal(preprocess.fit(image, rules, 3), torchvision(image, 235, 224, Image.Resampling.BICUBIC))


def test_timms_defaults(tmp_path):
    """Of an old, flat file that says its input only."""
    rules = resolved(
        file=str(written(tmp_path, {"architecture": "vit", "num_classes": 5, "input_size": [3, 224, 224], "classifier": "head"}))
    )
    assert rules == Rules((224, 224), "shortest_edge", 0.875, "bicubic", "pillow", 1 / 255, tuple(MEAN), tuple(STD), "RGB")


def test_timms_squash(tmp_path):
    values = TIMM | {"pretrained_cfg": TIMM["pretrained_cfg"] | {"crop_mode": "squash", "crop_pct": 1.0}}
    rules = resolved(file=str(written(tmp_path, values)))
    assert (rules.resize, rules.box) == ("exact", (224, 224))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"crop_mode": "border"}, "config.json: key 'pretrained_cfg.crop_mode': 'border' cannot be done here"),
        ({"crop_border_pixels": 4}, "config.json: key 'pretrained_cfg.crop_border_pixels': not known here"),
        ({"interpolation": "hamming"}, "config.json: key 'pretrained_cfg.interpolation': 'hamming' cannot be done here"),
        ({"interpolation": ["bilinear"]}, "config.json: key 'pretrained_cfg.interpolation'"),
        ({"input_size": [224, 224]}, "config.json: key 'pretrained_cfg.input_size': must be [channels, height, width]"),
        ({"mean": [0.5, 0.5]}, "config.json: key 'pretrained_cfg.mean': must be one number or three"),
        ({"mean": ["0.5"]}, "config.json: key 'pretrained_cfg.mean'"),
        ({"std": [0.5, 0.0, 0.5]}, "config.json: key 'preprocess.std': must not hold 0"),
        ({"crop_pct": 1.2}, "config.json: key 'crop_pct': input should be less than or equal to 1"),
        ({"gamma\nray": 2}, "config.json: key 'pretrained_cfg.gamma"),
    ],
)
def test_what_timm_asks_and_cannot_be_done_is_refused(change, says, tmp_path):
    path = written(tmp_path, TIMM | {"pretrained_cfg": TIMM["pretrained_cfg"] | change})
    with pytest.raises(ConfigError) as refused:
        resolved(file=str(path))
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


# --- files: transformers

VIT = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 224},
}
DEIT = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "DeiTFeatureExtractor",
    "image_mean": MEAN,
    "image_std": STD,
    "resample": 3,
    "size": 256,
}
CONVNEXT = {
    "crop_pct": 0.875,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "ConvNextFeatureExtractor",
    "image_mean": MEAN,
    "image_std": STD,
    "resample": 3,
    "size": 224,
}
DINO = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": MEAN,
    "image_processor_type": "BitImageProcessor",
    "image_std": STD,
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 256},
}
MOBILEVIT = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_flip_channel_order": True,
    "do_resize": True,
    "feature_extractor_type": "MobileViTFeatureExtractor",
    "resample": 2,
    "size": 256,
}
LEVIT = DINO | {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 224}}
EFFICIENTNET = {
    "crop_size": {"height": 289, "width": 289},
    "do_center_crop": False,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": MEAN,
    "image_processor_type": "EfficientNetImageProcessor",
    "image_std": [0.47853944, 0.4732864, 0.47434163],
    "include_top": True,
    "resample": 0,
    "rescale_factor": 0.00392156862745098,
    "rescale_offset": False,
    "size": {"height": 224, "width": 224},
}


def transformers(folder, values, size=(224, 224)):
    return resolved(replace(SPEC, size=size), file=str(written(folder, values, "preprocessor_config.json")))


@pytest.mark.parametrize(
    ("values", "resize", "box", "interpolation", "mean", "channels"),
    [
        (VIT, "exact", 224, "bilinear", 0.5, "RGB"),
        ({"feature_extractor_type": "ViTFeatureExtractor", "do_resize": True, "size": 224}, "exact", 224, "bilinear", 0.5, "RGB"),
        (VIT | {"image_processor_type": "ViTImageProcessorFast", "data_format": "channels_first"}, "exact", 224, "bilinear", 0.5, "RGB"),
        (DEIT, "exact", 256, "bicubic", 0.485, "RGB"),
        (CONVNEXT, "shortest_edge", 256, "bicubic", 0.485, "RGB"),
        (
            CONVNEXT | {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}},
            "shortest_edge",
            256,
            "bicubic",
            0.485,
            "RGB",
        ),
        (DINO, "shortest_edge", 256, "bicubic", 0.485, "RGB"),
        (DINO | {"size": 224}, "shortest_edge", 224, "bicubic", 0.485, "RGB"),
        (DINO | {"image_processor_type": "MobileNetV2ImageProcessor"}, "shortest_edge", 256, "bicubic", 0.485, "RGB"),
        (
            DINO | {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 224}},
            "shortest_edge",
            256,
            "bicubic",
            0.485,
            "RGB",
        ),
        (MOBILEVIT, "shortest_edge", 256, "bilinear", 0.0, "BGR"),
        (EFFICIENTNET, "exact", 224, "nearest", 0.485, "RGB"),
    ],
)
def test_transformers_files_are_read(values, resize, box, interpolation, mean, channels, tmp_path):
    rules = transformers(tmp_path, values)
    assert (rules.resize, rules.box, rules.interpolation) == (resize, (box, box), interpolation)
    assert (rules.mean[0], rules.channels, rules.size) == (mean, channels, (224, 224))
    assert rules.scale == pytest.approx(1 / 255)  # older files do not say that they rescale


def test_convnext_is_squashed_from_384_on(tmp_path):
    rules = transformers(tmp_path, CONVNEXT | {"size": 384}, (384, 384))
    assert (rules.resize, rules.box) == ("exact", (384, 384))


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("top", [False, True])
def test_efficientnet_computes_what_transformers_does(offset, normalize, top, tmp_path):
    """The steps of EfficientNetImageProcessor one by one, in float64."""
    scale = 1 / 127.5 if offset else 1 / 255
    values = EFFICIENTNET | {"rescale_offset": offset, "rescale_factor": scale, "do_normalize": normalize, "include_top": top}
    images, mean, std = pixels(1), np.array(MEAN), np.array(EFFICIENTNET["image_std"])
    theirs = images * scale - (1 if offset else 0)
    theirs = (theirs - mean) / std if normalize else theirs
    theirs = theirs / std if top else theirs
    np.testing.assert_allclose(preprocess.to_input(images, transformers(tmp_path, values), SPEC), theirs, atol=2e-5)


def test_what_is_switched_off_is_not_done(tmp_path):
    rules = transformers(tmp_path, VIT | {"do_normalize": False, "do_rescale": False})
    assert (rules.scale, rules.mean, rules.std) == (1.0, (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (VIT | {"do_sharpen": True}, "do_sharpen"),
        (VIT | {"crop_pct": 0.9}, "crop_pct"),
        (VIT | {"do_flip_channel_order": True}, "do_flip_channel_order"),
        (VIT | {"rescale_offset": True}, "rescale_offset"),
        (VIT | {"do_center_crop": True}, "do_center_crop"),
        (VIT | {"do_resize": False}, "do_resize"),
        (VIT | {"do_pad": True}, "do_pad"),
        (VIT | {"do_rescale": "yes"}, "do_rescale"),
        (VIT | {"resample": 4}, "resample"),
        (VIT | {"resample": True}, "resample"),
        (VIT | {"size": {"shortest_edge": 224}}, "size"),
        (VIT | {"size": {"longest_edge": 224}}, "size"),
        (VIT | {"size": [224, 224]}, "size"),
        (VIT | {"size": "224"}, "size"),
        (VIT | {"rescale_factor": 0}, "rescale_factor"),
        (VIT | {"image_mean": [0.5, 0.5]}, "image_mean"),
        (VIT | {"image_processor_type": "DPTImageProcessor"}, "image_processor_type"),
        ({key: value for key, value in VIT.items() if key != "image_processor_type"}, "image_processor_type"),
        (CONVNEXT | {"size": {"height": 224, "width": 224}}, "size"),
        (DINO | {"do_center_crop": False}, "do_center_crop"),
        (DINO | {"crop_size": {"height": 300, "width": 300}}, "crop_size"),
        (DINO | {"crop_size": {"shortest_edge": 224}}, "crop_size"),
        (MOBILEVIT | {"do_normalize": True}, "do_normalize"),
        (EFFICIENTNET | {"rescale_offset": True}, "rescale_offset"),
        ({"model_type": "vit", "hidden_size": 768}, "model_type"),
    ],
)
def test_what_transformers_asks_and_cannot_be_done_is_refused(values, key, tmp_path):
    with pytest.raises(ConfigError) as refused:
        transformers(tmp_path, values)
    assert str(refused.value).startswith(f"preprocessor_config.json: key '{key}': ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "holds no keys"),
        (b'{"a": 1}', "neither timm's config.json nor transformers' preprocessor_config.json"),
        (b"{" + b" " * preprocessor_files.LONGEST, "is no configuration"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_neither_is_refused(content, says, tmp_path):
    path = tmp_path / "odd.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        preprocessor_files.read(path)
    assert "odd.json" in str(refused.value)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
