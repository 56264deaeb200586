"""A user's model file: what is read from it, what is refused in one line, and a copy that gives what the original gave."""

from __future__ import annotations

import json
import shutil
import zipfile

import models as made
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from lib import models
from lib.errors import ConfigError
from lib.experiment.spec import ModelSpec
from lib.models import keras_file, onnx_file, onnx_graph, saved_model, tensors


def spec(path, output=None, kind=None, layout=None, size=None):
    module = {".onnx": onnx_file, ".keras": keras_file, ".h5": keras_file}.get(path.suffix, saved_model)
    return module.spec(path, output, kind, layout, size)


def refusal(path, **said):
    with pytest.raises(ConfigError) as caught:
        spec(path, **said)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def edited(path, edit):
    """Apply `edit` to the model in the file."""
    model = onnx.load(path)
    edit(model)
    onnx.save(model, path)
    return path


def outputs(path, name, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run([name], {made.INPUT: images})[0]


def pixels(spec, images=2, seed=1):
    drawn = np.random.default_rng(seed).uniform(0, 255 if spec.dtype == "uint8" else 1, spec.input_shape(spec.batch or images))
    return drawn.astype(spec.dtype)


# --- ONNX


@settings(max_examples=25)
@given(
    layout=st.sampled_from(["NCHW", "NHWC"]),
    dtype=st.sampled_from(["float32", "float16", "uint8"]),
    size=st.tuples(st.integers(5, 12), st.integers(5, 12)),
    channels=st.sampled_from([1, 3]),
    classes=st.integers(2, 30),
    end=st.sampled_from([None, "Softmax"]),
    batch=st.sampled_from([None, "N", "anything", 1, 4]),
    opset=st.sampled_from([8, 9, 11, 13, 17, 21]),
    external=st.booleans(),
    four=st.booleans(),
)
def test_what_is_read_is_what_was_written_and_the_copy_gives_the_same(
    tmp_path_factory, layout, dtype, size, channels, classes, end, batch, opset, external, four
):
    folder = tmp_path_factory.mktemp("model")
    path = made.onnx_classifier(
        folder,
        layout=layout,
        dtype=dtype,
        size=size,
        channels=channels,
        classes=classes,
        end=end,
        batch=batch,
        opset=opset,
        external=external,
        four_dimensions=four,
    )
    fixed = batch if isinstance(batch, int) else None
    read = spec(path)
    assert read == ModelSpec(made.INPUT, dtype, layout, size, channels, made.OUTPUT, classes, end is None, fixed)
    (folder / "copy").mkdir()
    info = onnx_file.copy(path, folder / "copy", read)
    assert [file.name for file in (folder / "copy").iterdir()] == ["model.onnx"]
    # onnx turns the limits of a float16 Clip into float32 ones, which it then refuses itself
    assert info["opset"] >= 13 or (dtype == "float16" and opset < 11 and "Clip" in info["not_converted"])
    copied = folder / "copy" / "model.onnx"
    images = pixels(read)
    expected = outputs(path, made.OUTPUT, images).reshape(len(images), classes)
    found = outputs(copied, made.OUTPUT, images)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
    assert spec(copied) == read
    first = onnx.load(copied).graph.input[0].type.tensor_type.shape.dim[0]
    assert (first.dim_param, first.dim_value) == (("batch", 0) if fixed is None else ("", fixed))


def test_weights_outside_the_file_are_needed_and_stay_outside_where_they_are_too_large(tmp_path, monkeypatch):
    path = made.onnx_classifier(tmp_path, external=True)
    read = spec(path)
    monkeypatch.setattr(onnx_file, "LIMIT", 100)
    (tmp_path / "copy").mkdir()
    info = onnx_file.copy(path, tmp_path / "copy", read)
    assert sorted(file.name for file in (tmp_path / "copy").iterdir()) == ["model.onnx", "model.onnx.data"]
    assert info["bytes"] == sum(file.stat().st_size for file in (tmp_path / "copy").iterdir())
    np.testing.assert_array_equal(
        outputs(tmp_path / "copy" / "model.onnx", made.OUTPUT, pixels(read)), outputs(path, made.OUTPUT, pixels(read))
    )
    data = tmp_path / "model.onnx.data"
    data.write_bytes(data.read_bytes()[:-1])
    assert refusal(path).startswith("the weights 'high' cannot be read: ")
    data.unlink()
    assert refusal(path) == "weights stored outside the file are missing: model.onnx.data; put them beside it"


def test_weights_outside_the_folder_are_refused(tmp_path):
    path = made.onnx_classifier(tmp_path, external=True)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = "../secret"
    onnx.save(model, path)
    assert "outside its folder ('../secret')" in refusal(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no model at all, but text", "is no ONNX model, or half of one; export or download it again"),
        (b"", "there is no graph in it; export or download the model again"),
        (None, "cannot be read (No such file or directory); set model.file to an ONNX file"),
    ],
)
def test_what_is_no_onnx_is_refused(tmp_path, content, said):
    path = tmp_path / "x.onnx"
    if content is not None:
        path.write_bytes(content)
    assert refusal(path) == said


def test_half_a_file_is_refused(tmp_path):
    path = made.onnx_classifier(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    assert refusal(path)


def test_a_graph_that_onnx_cannot_check_is_refused_with_what_it_says(tmp_path):
    def disorder(model):
        model.graph.node[1].input[0] = "nowhere"

    said = refusal(edited(made.onnx_classifier(tmp_path), disorder))
    assert said.startswith("ONNX cannot check it: Nodes in a graph must be topologically sorted, however input 'nowhere'")
    assert said.endswith(f"; export it again, with opset {onnx.defs.onnx_opset_version()} or less")


def test_an_opset_that_this_onnx_does_not_know_is_refused(tmp_path):
    def future(model):
        model.opset_import[0].version = 999

    newest = onnx.defs.onnx_opset_version()
    assert refusal(edited(made.onnx_classifier(tmp_path), future)) == (
        f"opset 999 is newer than this onnx reads; export it again, with opset {newest} or less"
    )


def test_operators_that_are_not_standard_are_named(tmp_path):
    def custom(model):
        model.graph.node[2].domain = "com.microsoft"
        model.graph.node[4].domain = "my.own"
        model.opset_import.extend([helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("my.own", 1)])

    assert refusal(edited(made.onnx_classifier(tmp_path), custom)) == (
        "operators that ONNX does not define: com.microsoft.Clip, my.own.Clip; export the model with standard ones only"
    )


def test_an_unused_domain_and_functions_of_the_model_are_no_custom_operators(tmp_path):
    def with_function(model):
        body = [helper.make_node("Clip", ["x", "low", "high"], ["y"])]
        seventeen = [helper.make_opsetid("", 17)]
        model.functions.append(helper.make_function("pkg.exporter", "relu6", ["x", "low", "high"], ["y"], body, seventeen))
        model.graph.node[2].op_type, model.graph.node[2].domain = "relu6", "pkg.exporter"
        model.opset_import.extend([helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("pkg.exporter", 1)])

    plain = made.onnx_classifier(tmp_path)
    path = edited(made.onnx_classifier(tmp_path, name="function.onnx"), with_function)
    read = spec(path)
    (tmp_path / "copy").mkdir()
    info = onnx_file.copy(path, tmp_path / "copy", read)
    assert info["nodes"]["Clip"] == 2
    found = outputs(tmp_path / "copy" / "model.onnx", made.OUTPUT, pixels(read))
    np.testing.assert_array_equal(found, outputs(plain, made.OUTPUT, pixels(read)))


def test_two_inputs_are_refused_but_initializers_among_the_inputs_are_none(tmp_path):
    def second(model):
        model.graph.input.append(helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, (None, 5)))

    path = made.onnx_classifier(tmp_path, listed=True, opset=9)
    assert spec(path).input == made.INPUT
    assert refusal(edited(path, second)) == ("one input is supported, this model has two: pixels, mask; export it with the images alone")


@pytest.mark.parametrize(
    ("shape", "layout", "said"),
    [
        ([None, 3, 8, 3], None, "input 'x' has shape [?, 3, 8, 3], which could be either layout; set model.layout to NCHW or NHWC"),
        (
            [2, 4, 8, 9],
            None,
            "input 'x' has shape [2, 4, 8, 9], which has its 1 or 3 channels neither in the second place nor in the last; "
            "set model.layout to NCHW or NHWC",
        ),
        (
            [2, 4, 8, 9],
            "NCHW",
            "input 'x' has shape [2, 4, 8, 9], as NCHW with 4 channels, of which 1 and 3 are supported; check model.layout",
        ),
        ([None, None, 8, 9], "NCHW", "input 'x' has shape [?, ?, 8, 9], as NCHW with free channels; export it with 1 or 3"),
        ([1, 3, 8], None, "input 'x' has shape [1, 3, 8]; export it with four: batch, height, width and channels (NHWC or NCHW)"),
        (None, None, "input 'x' has shape of unknown rank; export it with four: batch, height, width and channels (NHWC or NCHW)"),
    ],
)
def test_shapes_that_are_no_images_are_refused(tmp_path, shape, layout, said):
    with pytest.raises(ConfigError) as caught:
        tensors.image_input(tmp_path, "x", shape, "float32", layout, (8, 9))
    assert str(caught.value) == f"{tmp_path}: {said}"


def test_a_layout_that_is_said_decides(tmp_path):
    read = tensors.image_input(tmp_path, "x", [None, 3, 8, 3], "float32", "NHWC", None)
    assert (read.size, read.channels, read.shape) == ((3, 8), 3, (None, 3, 8, 3))


def test_other_types_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"input 'x' is int64; export the model with one of float32, float16, uint8$"):
        tensors.image_input(tmp_path, "x", [1, 3, 8, 8], "int64", None, None)
    with pytest.raises(ConfigError, match=r"output 'y' is int64; export the model with one of float32, float16$"):
        tensors.classes_of(tmp_path, "y", [1, 5], "int64", None)


@pytest.mark.parametrize(
    ("dims", "batch", "said"),
    [
        ([None, 5, 4], None, "has shape [?, 5, 4]; a classifier's has two dimensions: batch and classes"),
        ([None, 5, 1, 1], None, "has shape [?, 5, 1, 1]; a classifier's has two dimensions: batch and classes"),
        (None, None, "has shape of unknown rank; a classifier's has two dimensions: batch and classes"),
        ([None, None], None, "has shape [?, ?], its classes are free; export it with their number fixed"),
        ([3, 5], 4, "has shape [3, 5] for a batch of 4; its first dimension must be the batch"),
        ([None, 1], None, "has one value an image; at least two classes are needed, so give the model an output for each"),
    ],
)
def test_outputs_of_no_classifier_are_refused(tmp_path, dims, batch, said):
    with pytest.raises(ConfigError) as caught:
        tensors.classes_of(tmp_path, "y", dims, "float32", batch)
    assert str(caught.value) == f"{tmp_path}: output 'y' {said}"


def test_a_free_size_needs_one_and_a_fixed_one_takes_no_other(tmp_path):
    free = made.onnx_classifier(tmp_path, size=None)
    assert refusal(free) == "input 'pixels' has a free height or width; set preprocess.size to [height, width]"
    read = spec(free, size=(11, 9))
    assert read.size == (11, 9)
    (tmp_path / "copy").mkdir()
    onnx_file.copy(free, tmp_path / "copy", read)
    assert onnx_graph.dims_of(onnx.load(tmp_path / "copy" / "model.onnx").graph.input[0]) == [None, 3, 11, 9]
    fixed = made.onnx_classifier(tmp_path, name="fixed.onnx", size=(8, 6))
    assert spec(fixed, size=(8, 6)).size == (8, 6)
    assert (
        refusal(fixed, size=(6, 8))
        == "input 'pixels' takes images of [8, 6], preprocess.size says [6, 8]; set it to [8, 6] or leave it out"
    )


def flat_head(model, rows=-1, columns=8 * 8 * 8):
    """In place of the pooling a reshape, as old exporters write one: it fits one size, or one batch, alone."""
    graph = model.graph
    kept = [node for node in graph.node if node.op_type not in ("GlobalAveragePool", "Flatten", "Gemm")]
    del graph.node[:]
    graph.initializer.append(numpy_helper.from_array(np.asarray([rows, columns]), "flat_shape"))
    graph.initializer.append(numpy_helper.from_array(np.ones((8 * 8 * 8, 5), np.float32), "dense"))
    graph.node.extend(kept)
    graph.node.append(helper.make_node("Reshape", ["relu2", "flat_shape"], ["flat"]))
    graph.node.append(helper.make_node("MatMul", ["flat", "dense"], [made.OUTPUT]))


def test_a_size_that_the_graph_cannot_take_is_refused(tmp_path):
    path = edited(made.onnx_classifier(tmp_path, size=None), flat_head)
    assert spec(path, size=(8, 8)).classes == 5
    assert refusal(path, size=(9, 8)).startswith("cannot take preprocess.size [9, 8]: ")
    assert refusal(path, size=(16, 8)) == "with preprocess.size [16, 8] one image gives 2 rows; set another size"


def test_a_reshape_to_one_batch_size_fixes_it_whatever_the_input_says(tmp_path):
    path = edited(made.onnx_classifier(tmp_path, batch="N"), lambda model: flat_head(model, rows=1, columns=-1))
    read = spec(path)
    assert read.batch == 1
    (tmp_path / "copy").mkdir()
    onnx_file.copy(path, tmp_path / "copy", read)
    assert outputs(tmp_path / "copy" / "model.onnx", made.OUTPUT, pixels(read)).shape == (1, 5)


def test_an_output_that_was_written_down_for_one_image_does_not_fix_the_batch(tmp_path):
    path = edited(made.onnx_classifier(tmp_path), lambda model: onnx_graph.set_shape(model.graph.output[0], (1, 5)))
    assert spec(path).batch is None


def test_one_of_several_outputs_by_name(tmp_path):
    path = made.onnx_classifier(tmp_path, outputs=2, end="Softmax")
    assert refusal(path) == "the model has several outputs: features, scores; set model.output to one of them"
    assert refusal(path, output="logits") == "the model has no output 'logits'; set model.output to one of: features, scores"
    features = spec(path, output="features")
    assert (features.classes, features.logits) == (made.FILTERS, True)
    read = spec(path, output="scores")
    assert (read.classes, read.logits) == (5, False)
    (tmp_path / "copy").mkdir()
    onnx_file.copy(path, tmp_path / "copy", read)
    assert [value.name for value in onnx.load(tmp_path / "copy" / "model.onnx").graph.output] == ["scores"]


def through(model):
    """Behind the last node what changes no value."""
    last = model.graph.node[-1]
    last.output[0] = "inner"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray([-1, 5]), "same_shape"))
    model.graph.node.extend(
        [
            helper.make_node("Identity", ["inner"], ["inner2"]),
            helper.make_node("Reshape", ["inner2", "same_shape"], ["inner3"]),
            helper.make_node("Cast", ["inner3"], [made.OUTPUT], to=onnx.TensorProto.FLOAT),
        ]
    )


def test_probabilities_are_seen_through_what_changes_no_value_and_kind_overrules(tmp_path):
    path = edited(made.onnx_classifier(tmp_path, end="Softmax"), through)
    assert not spec(path).logits
    assert spec(path, kind="logits").logits
    plain = edited(made.onnx_classifier(tmp_path, name="plain.onnx"), through)
    assert spec(plain).logits
    assert not spec(plain, kind="probabilities").logits


def test_a_softmax_over_something_else_asks_for_the_kind(tmp_path):
    def over_the_batch(model):
        model.graph.node[-1].attribute[0].i = 0

    path = edited(made.onnx_classifier(tmp_path, end="Softmax"), over_the_batch)
    assert refusal(path) == "the Softmax before output 'scores' does not run over the classes; set model.kind to what the output is"
    assert spec(path, kind="logits").logits


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("Sigmoid", "output 'scores' comes from Sigmoid (several labels an image); export it without, or with Softmax"),
        ("LogSoftmax", "output 'scores' comes from LogSoftmax; set model.kind to logits, of which the softmax is the same"),
    ],
)
def test_other_ends_are_refused_unless_the_profile_says_logits(tmp_path, end, said):
    path = made.onnx_classifier(tmp_path, end=end)
    assert refusal(path) == refusal(path, kind="probabilities") == said
    assert spec(path, kind="logits").logits


@pytest.mark.parametrize(("bad", "fine"), [(np.nan, False), (np.inf, False), (-np.inf, False), (1e30, True)])
def test_weights_that_are_no_numbers_are_named(tmp_path, bad, fine):
    def spoil(model):
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "pointwise")
        values = numpy_helper.to_array(tensor).copy()
        values[3, 1] = bad
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    path = edited(made.onnx_classifier(tmp_path), spoil)
    if fine:
        assert spec(path)
    else:
        assert refusal(path) == "the weights 'pointwise' hold NaN or infinity; export the model again from good weights"


def test_an_infinite_limit_is_no_bad_weight(tmp_path):
    def limitless(model):
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "high")
        tensor.CopyFrom(numpy_helper.from_array(np.float32(np.inf), "high"))

    assert spec(edited(made.onnx_classifier(tmp_path), limitless))


def test_a_graph_that_onnx_cannot_convert_rightly_stays_as_it_is(tmp_path, monkeypatch):
    path = made.onnx_classifier(tmp_path, opset=9)
    read = spec(path)
    convert = onnx.version_converter.convert_version

    def wrong(model, version):
        newer = convert(model, version)
        newer.graph.node[-1].input[2] = ""  # without the bias
        return newer

    def fails(model, version):
        raise RuntimeError("no adapter from 9 to 10")

    for name, replaced, why in (("a", wrong, "the converted outputs differ by "), ("b", fails, "no adapter from 9 to 10")):
        monkeypatch.setattr(onnx.version_converter, "convert_version", replaced)
        (tmp_path / name).mkdir()
        info = onnx_file.copy(path, tmp_path / name, read)
        assert info["opset"] == 9
        assert info["not_converted"].startswith(why)
        found = outputs(tmp_path / name / "model.onnx", made.OUTPUT, pixels(read))
        np.testing.assert_array_equal(found, outputs(path, made.OUTPUT, pixels(read)))


# --- Keras


@pytest.mark.parametrize(
    ("end", "logits"), [(None, True), ("activation", False), ("layer", False), ("operation", False), ("relu", True), ("log_softmax", True)]
)
def test_a_keras_model_says_what_it_is(tmp_path, end, logits):
    path = made.keras_classifier(tmp_path, size=(16, 12), end=end)
    read = spec(path, kind="logits" if end == "log_softmax" else None)
    name = made.OUTPUT if end != "operation" else read.output
    assert read == ModelSpec(made.INPUT, "float32", "NHWC", (16, 12), 3, name, 5, logits, None)


def test_a_keras_model_is_copied_whole(tmp_path):
    path = made.keras_classifier(tmp_path, batch=2)
    (tmp_path / "copy").mkdir()
    info = keras_file.copy(path, tmp_path / "copy", spec(path))
    assert (tmp_path / "copy" / "model.keras").read_bytes() == path.read_bytes()
    assert info["layers"]["ReLU"] == 2
    assert spec(path).batch == 2


def test_the_softmax_of_a_model_inside_a_model_is_found(tmp_path):
    keras = models.keras()
    inner = keras.models.load_model(made.keras_classifier(tmp_path, end="activation", preprocessing=True))
    given = keras.Input((16, 16, 3), name="outer")
    keras.Model(given, keras.layers.Dropout(0.5)(inner(given))).save(tmp_path / "outer.keras")
    keras.Sequential([keras.Input((16, 16, 3)), inner]).save(tmp_path / "sequential.keras")
    assert not spec(tmp_path / "outer.keras").logits
    assert not spec(tmp_path / "sequential.keras").logits
    assert keras_file.inside(tmp_path / "outer.keras") == ["to_one", "around_zero"]


def test_preprocessing_inside_is_found_before_the_first_weights_only(tmp_path):
    keras = models.keras()
    assert keras_file.inside(made.keras_classifier(tmp_path, preprocessing=True)) == ["to_one", "around_zero"]
    assert keras_file.inside(made.keras_classifier(tmp_path)) == []
    given = keras.Input((8, 8, 3))
    x = keras.applications.mobilenet_v2.preprocess_input(given)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.Rescaling(2.0)(x)
    keras.Model(given, keras.layers.Dense(5)(keras.layers.Flatten()(x))).save(tmp_path / "called.keras")
    assert len(keras_file.inside(tmp_path / "called.keras")) == 2  # a division and a subtraction


def test_outputs_and_sizes_of_a_keras_model(tmp_path):
    two = made.keras_classifier(tmp_path, outputs=2)
    assert refusal(two) == "the model has several outputs: scores, auxiliary; set model.output to one of them"
    assert refusal(two, output="x") == "the model has no output 'x'; set model.output to one of: scores, auxiliary"
    assert spec(two, output="scores").logits
    assert not spec(two, output="auxiliary").logits
    free = made.keras_classifier(tmp_path, name="free.keras", size=None)
    assert refusal(free) == "input 'pixels' has a free height or width; set preprocess.size to [height, width]"
    assert spec(free, size=(20, 24)).size == (20, 24)


def test_a_size_that_a_keras_model_cannot_take_is_refused(tmp_path):
    keras = models.keras()
    given = keras.Input((None, None, 3))
    x = keras.layers.MaxPooling2D(8)(given)
    keras.Model(given, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(x)))).save(
        tmp_path / "m.keras"
    )
    assert spec(tmp_path / "m.keras", size=(64, 64))
    assert refusal(tmp_path / "m.keras", size=(8, 8)).startswith("cannot take preprocess.size [8, 8]: ")


def test_sigmoid_and_bad_weights_of_a_keras_model_are_refused(tmp_path):
    path = made.keras_classifier(tmp_path, end="sigmoid")
    assert refusal(path) == "output 'scores' comes from Sigmoid (several labels an image); export it without, or with Softmax"
    network = models.keras().models.load_model(path)
    network.layers[-1].bias.assign(np.asarray([0, 0, np.nan, 0, 0], np.float32))
    network.save(path)
    assert refusal(path, kind="logits") == "the weights 'scores/bias' hold NaN or infinity; export the model again from good weights"


def test_code_in_a_keras_file_is_refused_before_it_is_loaded(tmp_path):
    keras = models.keras()

    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    given = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(given)
    dense = keras.layers.Dense(5)
    keras.Model(given, dense(keras.layers.Lambda(lambda x: x * 2, name="double")(flat))).save(tmp_path / "lambda.keras")
    assert refusal(tmp_path / "lambda.keras") == (
        "Lambda layers 'double' hold code, which is not run from a file; build them of Keras' own layers"
    )
    keras.Model(given, dense(Mine()(flat))).save(tmp_path / "custom.keras")
    assert refusal(tmp_path / "custom.keras") == (
        "custom objects are not supported: Mine; build the model of Keras' own, or export it to ONNX"
    )


def test_what_is_no_keras_file_is_refused(tmp_path):
    old = tmp_path / "old.h5"
    old.write_bytes(b"")
    assert refusal(old) == "HDF5 files are not read; load it in Keras and save it as .keras: model.save('old.keras')"
    text = tmp_path / "text.keras"
    text.write_text("no archive")
    assert refusal(text) == "is no .keras file, or half of one; save it again with model.save('text.keras')"
    assert refusal(tmp_path / "gone.keras") == "cannot be read (No such file or directory); set model.file to a .keras file"
    broken = made.keras_classifier(tmp_path)
    with zipfile.ZipFile(broken) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][1]["class_name"] = "LayerOfTheFuture"
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    assert refusal(broken).startswith(f"Keras {models.keras().__version__} cannot load it: ")


def test_a_keras_model_with_two_inputs_or_none_is_refused(tmp_path):
    keras = models.keras()
    a, b = keras.Input((8, 8, 3), name="a"), keras.Input((8, 8, 3), name="b")
    out = keras.layers.Dense(5)(keras.layers.Flatten()(keras.layers.Add()([a, b])))
    keras.Model([a, b], out).save(tmp_path / "two.keras")
    assert refusal(tmp_path / "two.keras") == "one input is supported, this model has two: a, b; export it with the images alone"
    keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(5)]).save(tmp_path / "unbuilt.keras")
    assert "\n" not in refusal(tmp_path / "unbuilt.keras")
    first = keras.Input((3, 8, 8), name="first")
    keras.Model(first, keras.layers.Dense(5)(keras.layers.Flatten()(first))).save(tmp_path / "first.keras")
    assert refusal(tmp_path / "first.keras").startswith("input 'first' has its channels first; ")


# --- SavedModel


@pytest.mark.parametrize(("end", "logits"), [(None, True), ("softmax", False)])
def test_a_saved_model_says_what_it_is_and_is_copied_whole(tmp_path, end, logits):
    path = made.saved_model_classifier(tmp_path, end=end, size=(8, 6), signatures=("only",))
    read = spec(path)
    assert read == ModelSpec(made.INPUT, "float32", "NHWC", (8, 6), 3, made.OUTPUT, 5, logits, None)
    assert saved_model.signature_of(path) == "only"
    (tmp_path / "copy").mkdir()
    info = saved_model.copy(path, tmp_path / "copy", read)
    assert spec(tmp_path / "copy" / "saved_model") == read
    assert info["signature"] == "only"
    assert info["nodes"]["Conv2D"] == 1
    assert info["parameters"] >= 3 * 3 * 3 * 8 + 8 * 5


def test_the_softmax_is_found_in_what_keras_exports(tmp_path):
    network = models.keras().models.load_model(made.keras_classifier(tmp_path, end="activation", batch=2))
    network.export(tmp_path / "exported", verbose=False)
    read = spec(tmp_path / "exported")
    assert (read.logits, read.classes, read.size) == (False, 5, (16, 16))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"inputs": 2}, "one input is supported, this model has two: more, pixels; export it with the images alone"),
        ({"outputs": 2}, "the model has several outputs: scores, sum; set model.output to one of them"),
        ({"size": None}, "input 'pixels' has a free height or width; set preprocess.size to [height, width]"),
        ({"signatures": ("a", "b")}, "it has the signatures a, b; save it with one of them as 'serving_default'"),
        ({"signatures": ()}, "it has no signatures; save it with tf.saved_model.save(…, signatures={'serving_default': …})"),
        ({"end": "sigmoid"}, "output 'scores' comes from Sigmoid (several labels an image); export it without, or with Softmax"),
        ({"end": "log_softmax"}, "output 'scores' comes from LogSoftmax; set model.kind to logits, of which the softmax is the same"),
        ({"infinite": True}, "the weights 'matrix' hold NaN or infinity; export the model again from good weights"),
    ],
)
def test_saved_models_that_cannot_be_used_are_refused(tmp_path, options, said):
    assert refusal(made.saved_model_classifier(tmp_path, **options)) == said


def test_what_is_no_saved_model_is_refused(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refusal(empty) == "there is no saved_model.pb in it; set model.file to a SavedModel folder, an .onnx or a .keras file"
    path = made.saved_model_classifier(tmp_path)
    shutil.move(path / "variables", tmp_path / "elsewhere")
    assert refusal(path) == "its variables are missing (variables/variables.index); copy the whole folder"
    (path / "saved_model.pb").write_bytes(b"\x08\x01 no model")
    assert refusal(path) == "its saved_model.pb is damaged; save or copy the model again"


def test_python_in_a_saved_model_is_refused(tmp_path):
    tf = models.tensorflow()
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32, name="x")], autograph=False)
    def serve(x):
        flat = tf.numpy_function(lambda each: each.reshape(len(each), -1), [x], tf.float32)
        return {"y": tf.ensure_shape(flat, (None, 192))}

    tf.saved_model.save(module, str(tmp_path / "python"), signatures=serve)
    assert refusal(tmp_path / "python") == "operators that TensorFlow does not have: PyFunc; save the model without them"
