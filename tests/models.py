"""Small image classifiers as users bring them: ONNX as PyTorch writes it, .keras, SavedModel. Random weights, the same for each seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

INPUT, OUTPUT = "pixels", "scores"
FILTERS = 8


def onnx_classifier(
    folder: Path,
    *,
    name: str = "model.onnx",
    layout: str = "NCHW",
    dtype: str = "float32",
    size: tuple[int, int] | None = (8, 8),
    channels: int = 3,
    classes: int = 5,
    end: str | None = None,
    batch: int | str | None = "N",
    opset: int = 17,
    external: bool = False,
    outputs: int = 1,
    four_dimensions: bool = False,
    listed: bool = False,
    scale: float = 1.0,
    seed: int = 0,
) -> Path:
    """Write an ONNX classifier: depthwise and 1 × 1 convolution with ReLU6, global pooling, Gemm. Returns its path.

    size: None for free height and width; end: an operator behind the Gemm (Softmax, LogSoftmax, Sigmoid); batch: a number, a name or None;
    external: weights in a file beside it; outputs: 2 for `features` before the scores too; four_dimensions: scores of
    (batch, classes, 1, 1); listed: initializers among the inputs; scale: what the pixels are multiplied with inside.
    uint8 input is cast to float32 at once.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random, inner = np.random.default_rng(seed), np.dtype("float16" if dtype == "float16" else "float32")
    values = {
        "scale": np.asarray(scale),
        "depthwise": random.normal(0, 0.5, (channels, 1, 3, 3)),
        "pointwise": random.normal(0, 1, (FILTERS, channels, 1, 1)),
        "head": random.normal(0, 1, (classes, FILTERS, 1, 1) if four_dimensions else (classes, FILTERS)),
        "bias": random.normal(0, 1, classes),
    }
    limits = {"low": np.asarray(0), "high": np.asarray(6)} if opset >= 11 else {}
    values = {key: value.astype(inner) for key, value in (values | limits).items()}
    nodes, source = [], INPUT

    def add(operator: str, *more: str, to: str, **attributes: object) -> None:
        nonlocal source
        nodes.append(helper.make_node(operator, [source, *more], [to], name=f"{to}_node", **attributes))
        source = to

    def relu6(to: str) -> None:
        add("Clip", *limits, to=to, **({} if limits else {"min": 0.0, "max": 6.0}))

    if dtype == "uint8":
        add("Cast", to="floats")
        nodes[-1].attribute.append(helper.make_attribute("to", TensorProto.FLOAT))
    if layout == "NHWC":
        add("Transpose", to="channels_first", perm=[0, 3, 1, 2])
    add("Mul", "scale", to="scaled")
    add("Conv", "depthwise", to="conv1", group=channels, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    relu6("relu1")
    add("Conv", "pointwise", to="conv2", kernel_shape=[1, 1])
    relu6("relu2")
    add("GlobalAveragePool", to="pooled")
    last = OUTPUT if end is None else "logits"
    if four_dimensions:
        add("Conv", "head", "bias", to=last, kernel_shape=[1, 1])
    else:
        add("Flatten", to="features", axis=1)
        add("Gemm", "head", "bias", to=last, transB=1)
    if end is not None:
        add(end, to=OUTPUT, **({} if end == "Sigmoid" else {"axis": 1}))
    height, width = size or ("height", "width")
    shape = (batch, channels, height, width) if layout == "NCHW" else (batch, height, width, channels)
    kinds = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
    made = [helper.make_tensor_value_info(OUTPUT, kinds[inner.name], (batch, classes, 1, 1) if four_dimensions else (batch, classes))]
    if outputs == 2:
        made.insert(0, helper.make_tensor_value_info("features", kinds[inner.name], (batch, FILTERS)))
    initializers = [numpy_helper.from_array(value, key) for key, value in values.items()]
    given = [helper.make_tensor_value_info(INPUT, kinds[dtype], shape)]
    if listed:
        given += [helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in initializers]
    graph = helper.make_graph(nodes, "classifier", given, made, initializers)
    path = folder / name
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3 if listed else 8)
    onnx.save(network, path, save_as_external_data=external, location=f"{name}.data" if external else None, size_threshold=0)
    return path


def keras_classifier(
    folder: Path,
    *,
    name: str = "model.keras",
    size: tuple[int, int] | None = (16, 16),
    channels: int = 3,
    classes: int = 5,
    end: str | None = None,
    preprocessing: bool = False,
    outputs: int = 1,
    batch: int | None = None,
    seed: int = 0,
) -> Path:
    """Write a Keras classifier of depthwise and 1 × 1 convolutions, ReLU6 and global pooling. Returns its path.

    size: None for free height and width; end: `activation`, `layer` or `operation`, how a softmax ends it, or another activation's name;
    preprocessing: Rescaling and Normalization inside; outputs: 2 for `auxiliary` with a softmax too.
    """
    from lib import models

    keras = models.keras()
    layers = keras.layers
    keras.utils.set_random_seed(seed)
    given = x = keras.Input((*(size or (None, None)), channels), batch_size=batch, name=INPUT)
    if preprocessing:
        x = layers.Rescaling(1 / 255, name="to_one")(x)
        x = layers.Normalization(mean=[0.5] * channels, variance=[0.04] * channels, name="around_zero")(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2D(FILTERS, 1)(x)
    x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(x)
    activation = {None: None, "activation": "softmax", "layer": None, "operation": None}.get(end, end)
    made = layers.Dense(classes, activation=activation, name="head" if end in ("layer", "operation") else OUTPUT)(x)
    if end == "layer":
        made = layers.Softmax(name=OUTPUT)(made)
    elif end == "operation":
        made = keras.ops.softmax(made)
    if outputs == 2:
        made = [made, layers.Dense(classes, activation="softmax", name="auxiliary")(x)]
    path = folder / name
    keras.Model(given, made).save(path)
    return path


def saved_model_classifier(
    folder: Path,
    *,
    name: str = "saved",
    size: tuple[int, int] | None = (8, 8),
    channels: int = 3,
    classes: int = 5,
    end: str | None = None,
    batch: int | None = None,
    signatures: tuple[str, ...] = ("serving_default",),
    inputs: int = 1,
    outputs: int = 1,
    infinite: bool = False,
    seed: int = 0,
) -> Path:
    """Write a SavedModel, a convolution with ReLU6 and a matrix, with these signatures. Returns its folder.

    size: None for free height and width; end: softmax, sigmoid or log_softmax, in a function that the signature calls; inputs, outputs: 2
    for one more of each; infinite: an infinity in its weights.
    """
    from lib import models

    tf = models.tensorflow()
    random = np.random.default_rng(seed)
    module = tf.Module()
    module.kernel = tf.Variable(random.normal(0, 1, (3, 3, channels, FILTERS)).astype(np.float32))
    matrix = random.normal(0, 1, (FILTERS, classes)).astype(np.float32)
    matrix[0, 0] = np.inf if infinite else matrix[0, 0]
    module.matrix = tf.Variable(matrix)
    ends = {None: tf.identity, "softmax": tf.nn.softmax, "log_softmax": tf.nn.log_softmax, "sigmoid": tf.nn.sigmoid}

    @tf.function
    def scores(images):
        features = tf.reduce_mean(tf.nn.relu6(tf.nn.conv2d(images, module.kernel, 1, "SAME")), [1, 2])
        return ends[end](features @ module.matrix)

    def serve(images, more=None):
        made = tf.identity(scores(images if more is None else images + more))
        return {OUTPUT: made} | ({"sum": tf.reduce_sum(made, 1)} if outputs == 2 else {})

    shape = (batch, *(size or (None, None)), channels)
    specs = [tf.TensorSpec(shape, tf.float32, name=key) for key in (INPUT, "more")[:inputs]]
    function = tf.function(serve, input_signature=specs, autograph=False)
    tf.saved_model.save(module, str(folder / name), signatures=dict.fromkeys(signatures, function.get_concrete_function()))
    return folder / name
