"""Two models that are not the project's, each with pictures and the profile of a user: made in seconds from the weights beside this file.

python tests/own/make.py make FOLDER    both, to look at or to run the report on
python tests/own/make.py train          draw pictures, train both again (some minutes) and write the weights, shapes.npz and keras96.npz

`shapes` is what PyTorch's exporter would write: ONNX, NCHW, logits, inverted residual blocks with depthwise convolutions and ReLU6, global
pooling; 48 high and 64 wide. `keras96` is a .keras file of 96 x 96 that takes 0 to 255 and normalizes them itself; its outputs are
probabilities. The weights lie in .npz, not in the models' own files, so that they can be read whatever the versions of Keras and onnx.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

if __package__ in (None, ""):  # run as a program
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from own.pictures import SHAPES, SIGNS, Kind, folders

HERE = Path(__file__).resolve().parent
SIZE = 48, 64  # height, width of shapes
SIDE = 96  # of keras96
CROP_PCT = 0.875  # right for both
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's, RGB, of 0 to 1
BLOCKS = ((1, 32, 24, False), (2, 64, 32, False), (1, 64, 32, True), (2, 64, 48, False))  # stride, expanded, out, shortcut

SHAPES_PROFILE = """\
model:
  file: shapes.onnx
dataset:
  folder: images
preprocess:
  resize: shortest_edge
  crop_pct: 0.875
  interpolation: bilinear
  scale: 0.00392156862745098
  mean: [0.485, 0.456, 0.406]
  std: [0.229, 0.224, 0.225]
  channels: RGB
"""
KERAS96_PROFILE = """\
model:
  file: keras96.keras
dataset:
  folder: images
preprocess:
  preset: none # the model normalizes 0 to 255 itself
  resize: shortest_edge
  crop_pct: 0.875
"""


def images(folder: Path, test: int = 60, calibration: int = 20, seed: int = 0) -> Path:
    """Pictures for shapes: folder/test/CLASS and folder/calibration/CLASS, so many a class. 400 take about four seconds."""
    return folders(folder, SHAPES, test, calibration, seed)


def keras_images(folder: Path, test: int = 60, calibration: int = 20, seed: int = 0) -> Path:
    """Pictures for keras96, as `images` are for shapes."""
    return folders(folder, SIGNS, test, calibration, seed)


def shapes(folder: Path, test: int = 60, calibration: int = 20, seed: int = 0) -> Path:
    """Model, pictures and profile into a folder; returns the profile's path, folder/shapes.yaml."""
    images(folder / "images", test, calibration, seed)
    shapes_onnx(folder / "shapes.onnx")
    return _write(folder / "shapes.yaml", SHAPES_PROFILE)


def keras96(folder: Path, test: int = 60, calibration: int = 20, seed: int = 0) -> Path:
    """Model, pictures and profile into a folder; returns the profile's path, folder/keras96.yaml."""
    keras_images(folder / "images", test, calibration, seed)
    keras96_file(folder / "keras96.keras")
    return _write(folder / "keras96.yaml", KERAS96_PROFILE)


def shapes_onnx(path: Path, batch: int | None = None, weights: Mapping[str, np.ndarray] | None = None) -> Path:
    """Write the ONNX, opset 17: `input` float32 (batch, 3, 48, 64) -> `logits` float32 (batch, 5); batch None: any."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = weights or dict(np.load(HERE / "shapes.npz"))
    nodes: list[onnx.NodeProto] = []

    def conv(source: str, name: str, stride: int = 1, clip: bool = True) -> str:
        kernel = weights[f"{name}.weight"]
        side = kernel.shape[-1]
        nodes.append(
            helper.make_node(
                "Conv",
                [source, f"{name}.weight", f"{name}.bias"],
                [name],
                name=name,
                dilations=[1, 1],
                group=len(kernel) if name.endswith("depthwise") else 1,
                kernel_shape=[side, side],
                pads=[side // 2] * 4,
                strides=[stride, stride],
            )
        )
        if not clip:
            return name
        nodes.append(helper.make_node("Clip", [name, "zero", "six"], [f"{name}_relu6"], name=f"{name}_relu6"))
        return f"{name}_relu6"

    last = conv("input", "stem", 2)
    for k, (stride, _, _, shortcut) in enumerate(BLOCKS):
        made = conv(conv(conv(last, f"block{k}.expand"), f"block{k}.depthwise", stride), f"block{k}.project", clip=False)
        if shortcut:
            nodes.append(helper.make_node("Add", [last, made], [f"block{k}.add"], name=f"block{k}.add"))
            made = f"block{k}.add"
        last = made
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], name="flatten", axis=1),
        helper.make_node("Gemm", ["features", "classifier.weight", "classifier.bias"], ["logits"], name="classifier", transB=1),
    ]
    first = "batch" if batch is None else batch
    constants = {**weights, "zero": np.float32(0), "six": np.float32(6)}
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, (first, 3, *SIZE))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (first, len(SHAPES)))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def keras96_file(path: Path) -> Path:
    """Write the .keras: float32 (n, 96, 96, 3) of 0 to 255 -> probabilities float32 (n, 4)."""
    model = keras96_network()
    with np.load(HERE / "keras96.npz") as saved:
        model.set_weights([saved[name] for name in sorted(saved)])
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return path


def keras96_network() -> Any:
    """The untrained Keras model: rescaling and normalization inside, separable convolutions, softmax."""
    from keras import Model, layers

    source = layers.Input((SIDE, SIDE, 3), name="photo")
    x = layers.Rescaling(1 / 255, name="rescaling")(source)
    x = layers.Normalization(mean=MEAN.tolist(), variance=(STD**2).tolist(), name="normalization")(x)
    x = layers.Conv2D(16, 3, 2, "same", use_bias=False, name="stem")(x)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(momentum=0.9, name="stem_norm")(x))
    for k, width in enumerate((24, 32, 48)):
        x = layers.SeparableConv2D(width, 3, 2, "same", use_bias=False, name=f"separable{k}")(x)
        x = layers.ReLU(name=f"relu{k}")(layers.BatchNormalization(momentum=0.9, name=f"norm{k}")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return Model(source, layers.Dense(len(SIGNS), "softmax", name="classes")(x), name="keras96")


def prepared(pictures: Sequence[Image.Image], size: tuple[int, int], crop_pct: float | None) -> np.ndarray:
    """uint8 (n, h, w, 3), RGB: squashed to the size (None), or the least of it that covers size / crop_pct, cropped in the middle.

    Written apart from the project's own preprocessing, to train with and to compare it to.
    """
    height, width = size
    made = []
    for picture in pictures:
        picture = picture.convert("RGB")
        if crop_pct is None:
            made.append(np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)))
            continue
        times = max(height / picture.height, width / picture.width) / crop_pct
        picture = picture.resize((round(picture.width * times), round(picture.height * times)), Image.Resampling.BILINEAR)
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        made.append(np.asarray(picture.crop((left, top, left + width, top + height))))
    return np.stack(made)


def normalized(pixels: np.ndarray) -> np.ndarray:
    """float32 (n, 3, h, w) as shapes takes them, of uint8 (n, h, w, 3)."""
    return np.ascontiguousarray(((pixels / 255 - MEAN) / STD).transpose(0, 3, 1, 2), np.float32)


def read(folder: Path, kinds: Sequence[Kind]) -> tuple[list[Image.Image], np.ndarray]:
    """Pictures of folder/CLASS, decoded, and their labels, int64 (n,)."""
    files = [(file, label) for label, kind in enumerate(kinds) for file in sorted((folder / kind.name).iterdir())]
    return [Image.open(file).convert("RGB") for file, _ in files], np.array([label for _, label in files])


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write models, pictures and profiles")
    making.add_argument("folder", type=Path)
    making.add_argument("--test", type=int, default=60, help="pictures a class to test with")
    making.add_argument("--calibration", type=int, default=20, help="pictures a class to calibrate INT8 with")
    making.add_argument("--seed", type=int, default=0)
    commands.add_parser("train", help="train both (minutes) and write the weights beside this file")
    given = parser.parse_args()
    if given.command == "train":
        from own import train

        train.train()
        return
    both: tuple[tuple[str, Callable[..., Path]], ...] = (("shapes", shapes), ("keras96", keras96))
    for name, write in both:
        print(write(given.folder / name, given.test, given.calibration, given.seed))


if __name__ == "__main__":
    main()
