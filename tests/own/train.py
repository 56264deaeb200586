"""How the weights beside this file came to be: both networks trained in Keras, those of shapes.onnx written as PyTorch's exporter would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from own.make import BLOCKS, CROP_PCT, HERE, SIDE, SIZE, keras96_network, normalized, prepared, shapes_onnx
from own.pictures import SHAPES, SIGNS, Kind, drawn

STEM = 16  # filters of the first convolution


def train(per_class: int = 900, epochs: int = 10) -> None:
    """Train both from scratch on the processor and write the weights beside this file, once they are good enough."""
    _train_shapes(per_class, epochs)
    _train_keras96(per_class, 2 * epochs)


def network() -> Any:
    """Untrained: float32 (n, 48, 64, 3), normalized -> logits (n, 5). Pads both sides, as PyTorch does."""
    from keras import Model, layers

    def block(x: Any, made: Any, name: str, clip: bool = True) -> Any:
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.norm")(made(x))
        return layers.ReLU(6, name=f"{name}.relu6")(x) if clip else x

    source = layers.Input((*SIZE, 3), name="input")
    x = block(layers.ZeroPadding2D(1)(source), layers.Conv2D(STEM, 3, 2, use_bias=False, name="stem"), "stem")
    for k, (stride, expanded, out, shortcut) in enumerate(BLOCKS):
        name = f"block{k}"
        made = block(x, layers.Conv2D(expanded, 1, use_bias=False, name=f"{name}.expand"), f"{name}.expand")
        made = layers.ZeroPadding2D(1)(made)
        made = block(made, layers.DepthwiseConv2D(3, stride, use_bias=False, name=f"{name}.depthwise"), f"{name}.depthwise")
        made = block(made, layers.Conv2D(out, 1, use_bias=False, name=f"{name}.project"), f"{name}.project", clip=False)
        x = layers.Add()([x, made]) if shortcut else made
    return Model(source, layers.Dense(len(SHAPES), name="classifier")(layers.GlobalAveragePooling2D()(x)), name="shapes")


def folded(model: Any) -> dict[str, np.ndarray]:
    """Weights float32 by name: convolutions (out, in / group, h, w) with the batch normalization in them, the classifier (out, in)."""
    names = ["stem", *(f"block{k}.{part}" for k in range(len(BLOCKS)) for part in ("expand", "depthwise", "project"))]
    weights = {}
    for name in names:
        kernel = np.asarray(model.get_layer(name).get_weights()[0], np.float64)
        gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in model.get_layer(f"{name}.norm").get_weights())
        kernel = kernel.transpose(2, 3, 0, 1) if name.endswith("depthwise") else kernel.transpose(3, 2, 0, 1)
        factor = gamma / np.sqrt(variance + 1e-5)
        weights[f"{name}.weight"] = (kernel * factor[:, None, None, None]).astype(np.float32)
        weights[f"{name}.bias"] = (beta - mean * factor).astype(np.float32)
    kernel, bias = model.get_layer("classifier").get_weights()
    return weights | {"classifier.weight": np.ascontiguousarray(kernel.T), "classifier.bias": bias}


def _views(kinds: Sequence[Kind], per_class: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (n, h, w, 3), a third of them squashed and the others cropped less and more, so that no crop is far better; labels."""
    pictures, labels = drawn(kinds, per_class, seed=1)
    ways = (None, 0.95, 0.8)
    views = [prepared(pictures[k :: len(ways)], size, crop_pct) for k, crop_pct in enumerate(ways)]
    return np.concatenate(views), np.concatenate([labels[k :: len(ways)] for k in range(len(ways))])


def _train_shapes(per_class: int, epochs: int) -> None:
    import onnxruntime

    pixels, labels = _views(SHAPES, per_class, SIZE)
    model = network()
    _fit(model, normalized(pixels).transpose(0, 2, 3, 1), labels, epochs, logits=True)
    weights = folded(model)
    path = shapes_onnx(HERE / "shapes.onnx.tmp", weights=weights)
    session = onnxruntime.InferenceSession(str(path))
    pictures, labels = drawn(SHAPES, 100, seed=2)
    given = normalized(prepared(pictures, SIZE, CROP_PCT))
    outputs = session.run(None, {"input": given})[0]
    path.unlink()
    apart = float(np.abs(outputs - model.predict(given.transpose(0, 2, 3, 1), verbose=0)).max())
    _accept("shapes", float(np.mean(outputs.argmax(1) == labels)), apart)
    np.savez_compressed(HERE / "shapes.npz", **weights)


def _train_keras96(per_class: int, epochs: int) -> None:
    pixels, labels = _views(SIGNS, per_class, (SIDE, SIDE))
    model = keras96_network()
    _fit(model, pixels, labels, epochs, logits=False)
    pictures, labels = drawn(SIGNS, 100, seed=2)
    outputs = model.predict(prepared(pictures, (SIDE, SIDE), CROP_PCT), verbose=0)
    _accept("keras96", float(np.mean(outputs.argmax(1) == labels)))
    np.savez_compressed(HERE / "keras96.npz", **{f"{k:02d}": value for k, value in enumerate(model.get_weights())})


def _fit(model: Any, x: np.ndarray, y: np.ndarray, epochs: int, logits: bool) -> None:
    import keras

    keras.utils.set_random_seed(0)
    steps = epochs * -(-len(x) // 64)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.004, steps))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    model.fit(np.concatenate([x, x[:, :, ::-1]]), np.concatenate([y, y]), batch_size=128, epochs=epochs, verbose=2)  # mirrored ones, too


def _accept(name: str, accuracy: float, apart: float = 0.0) -> None:
    """Stop where a network is not good enough. apart: greatest difference between the outputs of its ONNX and of Keras."""
    print(f"{name}: accuracy {accuracy:.3f} on pictures drawn apart" + (f"; ONNX and Keras differ by at most {apart:.1e}" if apart else ""))
    if accuracy < 0.93 or apart > 1e-3:
        raise SystemExit(f"{name}: not good enough, nothing written")
