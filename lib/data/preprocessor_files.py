"""Reads the files that people have beside a model and that say its preprocessing, without their libraries.

timm's config.json (timm/models/_pretrained.py, timm/data/config.py) and transformers' preprocessor_config.json (a class each in
transformers/models/*/image_processing_*.py). A key that is not known, or that asks for what lib.data.preprocess.Rules cannot do, is
refused: what is not done to the images costs accuracy that nobody finds again.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lib.errors import ConfigError
from lib.experiment import strict
from lib.experiment.preprocess import MEAN, STD, Preprocess

LONGEST = 16 * 2**20  # bytes; with 22,000 classes' names and descriptions timm's are two
HALF = [0.5]
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers; 4 is box, 5 is hamming
INSTEAD = "write the preprocessing as keys of preprocess instead"

# Keys that say what a model is or where it comes from, not what is done to an image.
TIMM_DESCRIBES = """architecture architectures num_classes num_features global_pool model_args pretrained_cfg url file hf_hub hf_hub_id
    hf_hub_filename source tag custom_load min_input_size fixed_input_size label_offset label_names label_descriptions pool_size
    test_pool_size first_conv classifier license description origin_url paper_name paper_ids notes model_type transformers_version
    torch_dtype dtype id2label label2id problem_type"""
TIMM_SAYS = "input_size test_input_size interpolation crop_pct test_crop_pct crop_mode mean std"
DESCRIBES = """_name_or_path name_or_path _valid_processor_keys processor_class image_processor_type feature_extractor_type
    transformers_version model_input_names return_tensors data_format input_data_format device disable_grouping do_convert_rgb
    do_reduce_labels reduce_labels"""
SAYS = """do_resize do_pad size default_to_square resample do_center_crop crop_size do_rescale rescale_factor do_normalize image_mean
    image_std"""


@dataclass(frozen=True)
class Family:
    """An image processor of transformers: how it reads `size`, what it does where its file is silent, the keys of its own.

    size: what is resized to; square: a plain number means both sides, else the shorter one; resample: of RESAMPLE; crop: the crop's side,
    None where it never crops; crops, normalizes: whether it does where not told.
    """

    size: int
    square: bool
    resample: int
    crop: int | None
    mean: list[float]
    std: list[float]
    crops: bool = True
    normalizes: bool = True
    own: str = ""


FAMILIES = {
    "ViT": Family(224, True, 2, None, HALF, HALF),  # Swin uses it
    "DeiT": Family(256, True, 3, 224, HALF, HALF),
    "Beit": Family(256, True, 3, 224, HALF, HALF),
    "ConvNext": Family(384, False, 3, None, HALF, HALF, own="crop_pct"),  # ResNet and RegNet use it
    "Levit": Family(224, False, 3, 224, MEAN, STD),
    "Bit": Family(224, False, 3, 224, CLIP_MEAN, CLIP_STD),  # DINOv2 uses it
    "CLIP": Family(224, False, 3, 224, CLIP_MEAN, CLIP_STD),
    "MobileNetV1": Family(256, False, 2, 224, HALF, HALF),
    "MobileNetV2": Family(256, False, 2, 224, HALF, HALF),
    "MobileViT": Family(224, False, 2, 256, [0.0], [1.0], normalizes=False, own="do_flip_channel_order"),
    "EfficientNet": Family(346, True, 0, 289, HALF, HALF, crops=False, own="rescale_offset include_top"),
}


def read(path: Path, model: tuple[int, int] | None = None) -> Preprocess:
    """What a file says, every key explicit. model: (height, width) that the model takes; timm's files may name two sizes.

    Raises ConfigError, one line that names file and key, for a file that is neither of the two or says what cannot be done.
    """
    values = _load(path)
    try:
        if {"image_processor_type", "feature_extractor_type", "image_mean", "do_normalize", "do_resize"} & values.keys():
            said = _transformers(values)
        elif {"pretrained_cfg", "input_size", "crop_pct", "first_conv", "interpolation"} & values.keys():
            said = _timm(values, model)
        elif "model_type" in values:
            raise _Refused("model_type", "this is transformers' file of the model; name its preprocessor_config.json")
        else:
            raise ConfigError(f"{path.name}: neither timm's config.json nor transformers' preprocessor_config.json")
        return Preprocess.model_validate(said)
    except _Refused as refused:
        raise ConfigError(strict.line(f"{path.name}: key '{refused.key}': {refused}")) from None
    except ValidationError as error:
        raise ConfigError(strict.line(f"{path.name}: {strict.first(error, Preprocess)}")) from None


class _Refused(ValueError):
    def __init__(self, key: str, says: str) -> None:
        super().__init__(says)
        self.key = key


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LONGEST:
            raise ConfigError(f"key 'preprocess.file': {path} is no configuration, it has {path.stat().st_size:,} bytes")
        values = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigError(strict.line(f"key 'preprocess.file': {path} cannot be read: {error.strerror}")) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(strict.line(f"key 'preprocess.file': {path} is not JSON: {error}")) from None
    if not isinstance(values, dict):
        raise ConfigError(strict.line(f"key 'preprocess.file': {path} holds no keys"))
    return {key: value for key, value in values.items() if value is not None}  # null says nothing


def _known(values: dict[str, Any], known: str, where: str = "") -> None:
    for key in values:
        if key not in known.split():
            raise _Refused(strict.brief(where + key)[1:-1], f"not known here, it may change the images; {INSTEAD}")


def _timm(root: dict[str, Any], model: tuple[int, int] | None) -> dict[str, Any]:
    """timm's evaluation transform. Its test size and crop are meant where the model was exported with that size."""
    nested = root.get("pretrained_cfg")
    if nested is not None and not isinstance(nested, dict):
        raise _Refused("pretrained_cfg", "must hold keys")
    where = "" if nested is None else "pretrained_cfg."
    values = root if nested is None else {key: value for key, value in nested.items() if value is not None}
    if nested is not None:
        _known(root, TIMM_DESCRIBES)
    _known(values, f"{TIMM_SAYS} {TIMM_DESCRIBES}", where)
    sizes = {key: _size_chw(values[key], where + key) for key in ("input_size", "test_input_size") if key in values}
    size = sizes.get("input_size", [224, 224])
    tested = model is not None and list(model) != size and sizes.get("test_input_size") == list(model)
    crop_pct = values.get("crop_pct") or 0.875
    mode = values.get("crop_mode", "center")
    if mode not in ("center", "squash"):
        raise _Refused(f"{where}crop_mode", f"{strict.brief(mode)} cannot be done here (center and squash can)")
    return {
        "size": sizes["test_input_size"] if tested else size,
        "resize": {"center": "shortest_edge", "squash": "exact"}[mode],
        "crop_pct": values.get("test_crop_pct", crop_pct) if tested else crop_pct,
        "interpolation": _timm_interpolation(values.get("interpolation") or "bicubic", where),
        "library": "pillow",
        "scale": 1 / 255,
        "mean": _numbers(values.get("mean") or MEAN, f"{where}mean"),
        "std": _numbers(values.get("std") or STD, f"{where}std"),
        "channels": "RGB",
    }


def _size_chw(value: Any, key: str) -> list[int]:
    if not isinstance(value, list) or len(value) != 3 or not all(type(side) is int for side in value):
        raise _Refused(key, f"must be [channels, height, width], not {strict.brief(value)}")
    return value[1:]


def _timm_interpolation(value: Any, where: str) -> str:
    if value not in RESAMPLE.values():
        raise _Refused(f"{where}interpolation", f"{strict.brief(value)} cannot be done here; there are: {', '.join(RESAMPLE.values())}")
    return value


def _transformers(values: dict[str, Any]) -> dict[str, Any]:
    """What the image processor of a file does, in its order: resize, crop, rescale, normalize."""
    family = _family(values)
    _known(values, f"{SAYS} {DESCRIBES} {family.own}")
    if not _flag(values, "do_resize", True) or _flag(values, "do_pad", False):
        key = "do_pad" if _flag(values, "do_pad", False) else "do_resize"
        raise _Refused(key, f"{str(values[key]).lower()} gives images of any size; {INSTEAD}")
    resample = values.get("resample", family.resample)
    if type(resample) is not int or resample not in RESAMPLE:
        raise _Refused("resample", f"{strict.brief(resample)} cannot be done here; there are: {', '.join(map(str, RESAMPLE))}")
    mean, std = _normalization(values, family)
    return _resizing(values, family) | {
        "interpolation": RESAMPLE[resample],
        "library": "pillow",
        "scale": _scale(values),
        "mean": mean,
        "std": std,
        "channels": "BGR" if "do_flip_channel_order" in family.own.split() and _flag(values, "do_flip_channel_order", True) else "RGB",
    }


def _family(values: dict[str, Any]) -> Family:
    key = "image_processor_type" if "image_processor_type" in values else "feature_extractor_type"
    if key not in values:
        raise _Refused("image_processor_type", f"missing, and without it the sizes have no meaning; add it, or {INSTEAD}")
    name = str(values[key])
    for end in ("Fast", "Pil", "ImageProcessor", "FeatureExtractor"):
        name = name.removesuffix(end)
    found = {known.lower(): family for known, family in FAMILIES.items()}.get(name.lower())
    if found is None:
        raise _Refused(key, f"{strict.brief(values[key])} is not known here; there are: {', '.join(FAMILIES)}; {INSTEAD}")
    return found


def _flag(values: dict[str, Any], key: str, default: bool) -> bool:
    value = values.get(key, default)
    if type(value) is not bool:
        raise _Refused(key, f"must be true or false, not {strict.brief(value)}")
    return value


def _resizing(values: dict[str, Any], family: Family) -> dict[str, Any]:
    """size, resize and what is cropped, as the family reads `size` and `crop_size`."""
    square = _flag(values, "default_to_square", family.square)
    kept, sides = _size(values.get("size", family.size), "size", square)
    if family.square and kept:
        raise _Refused("size", "has a shortest_edge, but this image processor takes height and width")
    if "crop_pct" in family.own.split():  # ConvNeXT: cropped under 384, squashed from there on
        if not kept:
            raise _Refused("size", "must have a shortest_edge")
        _no_crop(values)
        cropped = {"resize": "shortest_edge", "crop_pct": values.get("crop_pct", 224 / 256)} if sides[0] < 384 else {"resize": "exact"}
        return {"size": sides} | cropped
    if family is FAMILIES["Levit"] and kept:
        sides = [int(256 / 224 * side) for side in sides]
    if family.crop is None or not _flag(values, "do_center_crop", family.crops):
        if family.crop is None:
            _no_crop(values)
        if kept:
            raise _Refused("do_center_crop", "without it a shortest_edge gives images of any size")
        return {"size": sides, "resize": "exact"}
    crop = _size(values.get("crop_size", family.crop), "crop_size", True)[1]
    resize = {"resize": "shortest_edge" if kept else "exact"}
    if crop == sides:
        return {"size": crop} | resize
    if sides[0] != sides[1] or sides[0] < max(crop):
        raise _Refused("crop_size", f"{crop} cut out of {sides} cannot be done here; {INSTEAD}")
    return {"size": crop, "resize_size": sides[0]} | resize


def _no_crop(values: dict[str, Any]) -> None:
    if _flag(values, "do_center_crop", False):
        raise _Refused("do_center_crop", "this image processor does not crop")


def _size(value: Any, key: str, square: bool) -> tuple[bool, list[int]]:
    """(whether the shorter side is meant, [height, width])."""
    if type(value) is int:
        return not square, [value, value]
    sides = value if isinstance(value, dict) else {}
    if all(type(side) is int for side in sides.values()):
        if sides.keys() == {"shortest_edge"} and key == "size":
            return True, [sides["shortest_edge"]] * 2
        if sides.keys() == {"height", "width"}:
            return False, [sides["height"], sides["width"]]
    raise _Refused(key, f"{strict.brief(value)} is neither a number nor a shortest_edge nor height and width")


def _scale(values: dict[str, Any]) -> float:
    """Files older than the key do_rescale were written for a program that divides by 255 (huggingface/transformers#20867)."""
    factor = values.get("rescale_factor", 1 / 255)
    if type(factor) not in (int, float) or not math.isfinite(factor) or factor <= 0:
        raise _Refused("rescale_factor", f"must be a number above 0, not {strict.brief(factor)}")
    return float(factor) if _flag(values, "do_rescale", True) else 1.0


def _normalization(values: dict[str, Any], family: Family) -> tuple[list[float], list[float]]:
    """(mean, std), with what EfficientNet adds: 1 taken away from what was scaled, and the std's division done twice."""
    mean = _numbers(values.get("image_mean", family.mean), "image_mean")
    deviation = std = _numbers(values.get("image_std", family.std), "image_std")
    normalize = _flag(values, "do_normalize", family.normalizes)
    if normalize and not family.normalizes:
        raise _Refused("do_normalize", "this image processor does not normalize")
    if not normalize:
        mean, std = [0.0] * len(mean), [1.0] * len(std)
    if "include_top" in family.own.split() and _flag(values, "include_top", True):
        std = [first * second for first, second in zip(std, deviation, strict=True)]
    if "rescale_offset" in family.own.split() and _flag(values, "rescale_offset", False):
        # Versions differ in what they do to other scales (huggingface/transformers#25174).
        if not math.isclose(_scale(values), 1 / 127.5):
            raise _Refused("rescale_offset", "is only known to mean one thing where rescale_factor is 1/127.5")
        mean = [number + 1 for number in mean]
    return mean, std


def _numbers(value: Any, key: str) -> list[float]:
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) not in (1, 3) or not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise _Refused(key, f"must be one number or three, not {strict.brief(value)}")
    return [float(number) for number in numbers]
