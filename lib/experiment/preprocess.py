"""The section `preprocess:` of a profile: how an image becomes the model's input. What it comes to: lib/data/preprocess.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lib.experiment.strict import Misfit, Strict

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # of ImageNet's RGB in 0..1 (torchvision, timm, Keras)

# Sources: imagenet is what torchvision's and timm's classifiers are tested with (torchvision/transforms/_presets.py,
# timm/data/constants.py); tf, caffe and torch are the modes of Keras' preprocess_input (keras/src/applications/imagenet_utils.py). Those
# say nothing of resizing, which Keras does to both sides. caffe's mean stands in the order of its channels, blue first.
PRESETS: dict[str, dict[str, Any]] = {
    "imagenet": {"resize": "shortest_edge", "crop_pct": 0.875, "scale": 1 / 255, "mean": MEAN, "std": STD},
    "torch": {"scale": 1 / 255, "mean": MEAN, "std": STD},
    "tf": {"scale": 1 / 127.5, "mean": [1.0]},
    "caffe": {"scale": 1.0, "mean": [103.939, 116.779, 123.68], "channels": "BGR"},
    "none": {"scale": 1.0},
}

Side = Annotated[int, Field(ge=1, le=8192)]
Numbers = Annotated[list[float], Field(min_length=1, max_length=3)]


class Preprocess(Strict):
    """How an image becomes the model's input. Text alone is a preset's name, or a file where it ends in .json.

    preset: of PRESETS; file: timm's config.json or transformers' preprocessor_config.json; every other key overrules what they say.
    size: [height, width] of the input. resize: shortest_edge (the aspect kept, the middle cut out), exact (both sides, the aspect not
    kept) or pad (all of the image, black around it). crop_pct: the side of the input over that of the resized image; resize_size: or
    the resized side itself, in pixels. interpolation, library: of the resize; Pillow's smooths what it makes smaller, OpenCV's does not.
    scale multiplies 0..255; then mean is taken away and std divides, a number for all channels or one each, in the order in which the
    model gets its channels.
    """

    preset: Literal["imagenet", "tf", "caffe", "torch", "none"] | None = None
    file: Annotated[str, Field(min_length=1)] | None = None
    size: Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None
    resize: Literal["shortest_edge", "exact", "pad"] | None = None
    crop_pct: Annotated[float, Field(gt=0, le=1)] | None = None
    resize_size: Side | None = None
    interpolation: Literal["bilinear", "bicubic", "nearest", "lanczos"] | None = None
    library: Literal["pillow", "opencv"] | None = None
    scale: Annotated[float, Field(gt=0)] | None = None
    mean: Numbers | None = None
    std: Numbers | None = None
    channels: Literal["RGB", "BGR"] | None = None

    @model_validator(mode="before")
    @classmethod
    def named(cls, values: Any) -> Any:
        """A preset's name, or a file's, in place of the keys."""
        if not isinstance(values, str):
            return values
        return {"file" if values.lower().endswith(".json") else "preset": values}

    @model_validator(mode="after")
    def fits_together(self) -> Preprocess:
        if self.preset and self.file:
            raise Misfit("preprocess.file", "stands beside preset; keep one of them")
        if self.crop_pct is not None and self.resize_size is not None:
            raise Misfit("preprocess.resize_size", "stands beside crop_pct; keep one of them")
        if self.resize == "pad" and (self.crop_pct is not None or self.resize_size is not None):
            key = "crop_pct" if self.crop_pct is not None else "resize_size"
            raise Misfit(f"preprocess.{key}", "nothing is cropped with resize: pad; remove one of them")
        for key in ("mean", "std"):
            if len(getattr(self, key) or [0]) == 2:
                raise Misfit(f"preprocess.{key}", "must be one number for all channels or three")
        if self.mean and self.std and len(self.mean) != len(self.std):
            raise Misfit("preprocess.std", f"has {len(self.std)} numbers where mean has {len(self.mean)}; give both as many")
        if 0 in (self.std or []):
            raise Misfit("preprocess.std", "must not hold 0, it divides")
        return self

    def given(self) -> dict[str, Any]:
        """What is said, beside preset and file."""
        return {key: value for key, value in self if value is not None and key not in ("preset", "file")}
