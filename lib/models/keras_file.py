"""A user's .keras file: what it takes and gives. Only Keras' own layers are loaded, so that reading a file never runs code in it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import models
from lib.errors import ConfigError
from lib.experiment.spec import ModelSpec
from lib.models import tensors

if TYPE_CHECKING:
    import keras

FILE = "model.keras"
OWN = ("keras", "tf_keras", "builtins")  # packages whose objects a file may name
ACTIVATIONS = {"softmax": "Softmax", "log_softmax": "LogSoftmax", "sigmoid": "Sigmoid"}  # function -> what tensors.is_logits calls it
THROUGH = frozenset(
    {"Identity", "Reshape", "Flatten", "Dropout", "Cast", "Squeeze", "InputLayer"}
)  # layers and operations that keep values
# Layers that change the range of the pixels, and what `preprocess_input` leaves when it is called on a Keras tensor.
PREPROCESSING = frozenset({"Rescaling", "Normalization", "TrueDivide", "Divide", "Subtract", "Multiply", "Add"})
WEIGHTS = ("Conv", "Dense", "Attention", "BatchNormalization")  # in the class names of layers behind which nothing is preprocessing


def spec(path: Path, output: str | None, kind: str | None, layout: str | None, size: tuple[int, int] | None) -> ModelSpec:
    """What the model in the file takes and gives; the names of its input and output are those of their layers.

    output, kind, layout, size: model.output, model.kind, model.layout and preprocess.size of the profile, None where it is silent.
    An output is probabilities if a softmax (layer, activation or operation) makes it, else logits. Raises ConfigError for what is no
    .keras file (an .h5 is to be saved as one), layers or functions that are not Keras' own, and see lib.models.tensors.
    """
    _check_objects(path, _config(path))
    network = load(path)
    names = [_layer(tensor).name for tensor in network.inputs]
    name, tensor = tensors.only_input(path, names), network.inputs[0]
    given = tensors.image_input(path, name, tuple(tensor.shape), tensor.dtype, layout, size)
    if given.layout != "NHWC":
        raise ConfigError(f"{path}: input '{name}' has its channels first; TensorFlow needs them last, build the model with channels_last")
    made = {_layer(tensor).name: tensor for tensor in network.outputs}
    output = tensors.one_output(path, made, output)
    _check_size(path, network, given)
    classes = tensors.classes_of(path, output, tuple(made[output].shape), made[output].dtype, given.batch)
    logits = tensors.is_logits(path, output, _made_by(made[output]), kind)
    tensors.check_finite(path, ((weight.path, weight.numpy()) for weight in network.weights))
    return ModelSpec(name, given.dtype, given.layout, given.size, given.channels, output, classes, logits, given.batch)


def load(path: Path) -> keras.Model:
    """The model, not compiled, with Keras' own objects only. Raises ConfigError with the first line of what Keras says against it."""
    keras = models.keras()
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        if network.inputs and network.outputs:  # a property that raises, or None, where the model was never built
            return network
    except Exception as error:  # Keras raises whatever a layer's own code does
        said = tensors.first_line(error)
        raise ConfigError(f"{path}: Keras {keras.__version__} cannot load it: {said}; save it again with this version") from None
    raise ConfigError(f"{path}: the model has no fixed input and output; call it once on a batch of images before saving it")


def copy(path: Path, target: Path, spec: ModelSpec) -> dict[str, Any]:
    """Put the file into the folder `target` as `model.keras`, byte by byte. Returns layers {class: count} and bytes."""
    shutil.copyfile(path, target / FILE)
    counts: dict[str, int] = {}
    for layer in _layers(_config(path)):
        counts[layer["class_name"]] = counts.get(layer["class_name"], 0) + 1
    return {"layers": dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))), "bytes": path.stat().st_size}


def inside(path: Path) -> list[str]:
    """Names of the layers that preprocess images inside the model, before its first weights (EfficientNet, MobileNetV3 and ConvNeXt have
    such): what the profile must not do once more. Read from the file's description; nothing is loaded. Raises ConfigError."""
    found = []
    for layer in _layers(_config(path)):
        if layer["class_name"] in PREPROCESSING:
            found.append(layer["config"].get("name", layer["class_name"]))
        elif any(part in layer["class_name"] for part in WEIGHTS):
            break
    return found


def _config(path: Path) -> dict[str, Any]:
    """The description of the model that a .keras file, a zip archive, holds."""
    if path.suffix in (".h5", ".hdf5"):
        raise ConfigError(f"{path}: HDF5 files are not read; load it in Keras and save it as .keras: model.save('{path.stem}.keras')")
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); set model.file to a .keras file") from None
    except (zipfile.BadZipFile, KeyError, ValueError):
        raise ConfigError(f"{path}: is no .keras file, or half of one; save it again with model.save('{path.stem}.keras')") from None
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ConfigError(f"{path}: its config.json describes no model; save it again with model.save('{path.stem}.keras')")
    return config


def _check_objects(path: Path, config: dict[str, Any]) -> None:
    """Raises ConfigError that names the Lambda layers and custom objects of the model."""
    lambdas, custom = [], []
    for each in _objects(config):
        if each["class_name"] in ("Lambda", "__lambda__"):
            lambdas.append(each["config"].get("name", "") if isinstance(each["config"], dict) else "")
        elif (each.get("module") or "keras").split(".")[0] not in OWN or ">" in (each.get("registered_name") or ""):
            custom.append(each["registered_name"] or each["class_name"])
    if lambdas:
        named = ", ".join(f"'{name}'" for name in dict.fromkeys(filter(None, lambdas)))
        raise ConfigError(f"{path}: Lambda layers {named} hold code, which is not run from a file; build them of Keras' own layers")
    if custom:
        named = ", ".join(dict.fromkeys(custom))
        raise ConfigError(f"{path}: custom objects are not supported: {named}; build the model of Keras' own, or export it to ONNX")


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """All serialized objects below a configuration: layers, initializers, activations."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str) and "config" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for each in config:
            yield from _objects(each)


def _layers(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The layers of a serialized model in their order, those of models inside it in their places."""
    for layer in config["config"].get("layers", []):
        if isinstance(layer.get("config"), dict) and "layers" in layer["config"]:
            yield from _layers(layer)
        elif isinstance(layer.get("config"), dict):
            yield layer


def _layer(tensor: keras.KerasTensor) -> keras.Operation:
    """The layer or operation that made a tensor. Keras has no public name for it."""
    return tensor._keras_history.operation


def _made_by(tensor: keras.KerasTensor) -> str | None:
    """What makes an output, as lib.models.tensors.is_logits takes it, seen through models inside models and what keeps values."""
    while True:
        operation, node, index = tensor._keras_history
        if hasattr(operation, "outputs") and hasattr(operation, "layers"):
            tensor = operation.outputs[index]
            continue
        function = getattr(getattr(operation, "activation", None), "__name__", "linear")
        kind = operation.__class__.__name__
        if kind in ACTIVATIONS.values() or function in ACTIVATIONS:
            if getattr(operation, "axis", -1) not in (-1, 1):
                return tensors.OTHER_AXIS
            return kind if kind in ACTIVATIONS.values() else ACTIVATIONS[function]
        before = operation._inbound_nodes[node].input_tensors
        if (kind not in THROUGH and not (kind == "Activation" and function == "linear")) or not before:
            return None
        tensor = before[0]


def _check_size(path: Path, network: keras.Model, given: tensors.Input) -> None:
    """Raises ConfigError where a free height or width does not take the size that the profile says."""
    if None not in tuple(network.inputs[0].shape)[1:]:
        return
    try:
        network.compute_output_spec(models.keras().KerasTensor(given.shape, dtype=given.dtype))
    except Exception as error:  # whatever a layer's own code raises
        said = tensors.first_line(error)
        raise ConfigError(f"{path}: cannot take preprocess.size {tensors.shown(given.size)}: {said}; set another size") from None
