"""Exports: what is in them, that they answer as the SavedModel does, and what happens when an export goes wrong."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import export
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.export import calibration, lite, quantize, sample_files, structure, tf_onnx
from lib.models import keras_file
from lib.models import vgg as model
from lib.session import Session


@pytest.fixture(scope="session")
def images(quick):
    return quick.to_input(quick.images.x_test)


@pytest.fixture(scope="session")
def reference(quick, images):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(export.saved_model(quick).file("saved_model")))
    return loaded.signatures["serving_default"](**{model.SPEC.input: tf.constant(images)})[model.SPEC.output].numpy()


def test_the_saved_model_has_one_float32_input_and_output_by_name(quick):
    import tensorflow as tf

    signature = tf.saved_model.load(str(export.saved_model(quick).file(export.SAVED_MODEL))).signatures["serving_default"]
    ((name, spec),) = signature.structured_input_signature[1].items()
    assert (name, spec.dtype, spec.shape.as_list()) == (model.SPEC.input, tf.float32, [None, 32, 32, 3])
    assert list(signature.structured_outputs) == [model.SPEC.output]


def test_the_saved_model_holds_every_variable_once_and_answers_as_keras_own(quick, images, reference, tmp_path):
    """Keras' ExportArchive, which it replaces, writes the variables twice; answers and ONNX are the same to the bit."""
    import tensorflow as tf
    from keras.export import ExportArchive

    network, own = keras_file.load(quick.model.file(model.FILE)), export.saved_model(quick)
    archive, spec = ExportArchive(), tf.TensorSpec((None, 32, 32, 3), tf.float32, name=model.SPEC.input)
    archive.track(network)
    archive.add_endpoint("serving_default", lambda images: {model.SPEC.output: network(images, training=False)}, input_signature=[spec])
    archive.write_out(tmp_path / "twice", verbose=False)

    def stored(folder):
        return sum(path.stat().st_size for path in (folder / "variables").glob("*.data-*"))

    weights = sum(values.nbytes for values in network.get_weights())
    assert weights <= stored(own.file(export.SAVED_MODEL)) < 1.1 * weights
    assert stored(tmp_path / "twice") > 1.9 * weights
    loaded = tf.saved_model.load(str(tmp_path / "twice"))
    assert np.array_equal(loaded.signatures["serving_default"](images=tf.constant(images))[model.SPEC.output].numpy(), reference)
    once, twice = (
        tf_onnx.convert(folder, model.SPEC, 17).SerializeToString(deterministic=True)
        for folder in (own.file("saved_model"), tmp_path / "twice")
    )
    assert once == twice


def onnx_answers(artifact, images):
    import onnxruntime

    run = onnxruntime.InferenceSession(str(artifact.file(export.ONNX_FILE)), providers=["CPUExecutionProvider"])
    return run.run([model.SPEC.output], {model.SPEC.input: images})[0]


def tflite_answers(artifact, images):
    import tensorflow as tf

    run = tf.lite.Interpreter(str(artifact.file(export.TFLITE_FILE)))
    run.resize_tensor_input(run.get_input_details()[0]["index"], images.shape)
    run.allocate_tensors()
    run.set_tensor(run.get_input_details()[0]["index"], images)
    run.invoke()
    return run.get_tensor(run.get_output_details()[0]["index"])


def test_onnx_fp32_answers_as_the_savedmodel(quick, images, reference):
    answers = onnx_answers(export.onnx(quick, "fp32"), images)
    assert np.abs(answers - reference).max() <= 1e-5
    assert (answers.argmax(1) == reference.argmax(1)).all()


@pytest.mark.parametrize(("variant", "limit"), [("fp16", 2e-2), ("int8_qdq", 0.5)])
def test_reduced_onnx_keeps_float32_ends_and_accuracy(quick, images, reference, variant, limit):
    answers = onnx_answers(export.onnx(quick, variant), images)
    labels = quick.images.y_test
    assert answers.dtype == np.float32
    assert 0 < np.abs(answers - reference).max() <= limit  # 0 would mean that nothing was reduced
    assert (answers.argmax(1) == labels).mean() >= (reference.argmax(1) == labels).mean() - 0.01


@pytest.mark.parametrize(("variant", "limit"), [("fp32", 1e-5), ("fp16", 2e-2), ("int8", 0.5)])
def test_tflite_answers_as_the_savedmodel(quick, images, reference, variant, limit):
    answers = tflite_answers(export.tflite(quick, variant), images)
    labels = quick.images.y_test
    assert answers.dtype == np.float32
    assert np.abs(answers - reference).max() <= limit
    assert (answers.argmax(1) == labels).mean() >= (reference.argmax(1) == labels).mean() - 0.01


@pytest.mark.parametrize("variant", export.ONNX_VARIANTS)
def test_batch_is_free(quick, images, variant):
    artifact = export.onnx(quick, variant)
    together = onnx_answers(artifact, images[:7])
    alone = np.concatenate([onnx_answers(artifact, image[None]) for image in images[:7]])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_sizes_shrink_with_the_precision(quick):
    onnx = {variant: export.onnx(quick, variant).size(export.ONNX_FILE) for variant in export.ONNX_VARIANTS}
    tflite = {variant: export.tflite(quick, variant).size(export.TFLITE_FILE) for variant in export.TFLITE_VARIANTS}
    assert onnx["fp32"] > onnx["fp16"] > onnx["int8_qdq"]
    assert tflite["fp32"] > tflite["fp16"] > tflite["int8"]


def test_int8_is_explicit_symmetric_and_per_channel(quick):
    import onnx
    from onnx import numpy_helper

    network = onnx.load(export.onnx(quick, "int8_qdq").file(export.ONNX_FILE))
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in network.graph.initializer}
    made_by = {output: node for node in network.graph.node for output in node.output}
    compute = [node for node in network.graph.node if node.op_type in ("Conv", "MatMul", "Gemm")]
    assert len(compute) == 4
    for node in compute:
        activation, weight = (made_by[name] for name in node.input[:2])
        assert activation.op_type == weight.op_type == "DequantizeLinear"
        assert constants[weight.input[0]].dtype == np.int8
        assert constants[weight.input[1]].size > 1
        assert constants[activation.input[1]].dtype == np.float32
        for quantized in (activation, weight):
            assert not constants[quantized.input[2]].any()
    assert next(o.version for o in network.opset_import if o.domain == "") <= 17
    assert not any(made_by[n.input[0]].op_type in ("Conv", "MatMul", "Gemm") for n in network.graph.node if n.op_type == "QuantizeLinear")


def test_only_training_images_calibrate(quick):
    chosen = {image.tobytes() for image in (export.calibration_images(quick) * 255).round().astype(np.uint8)}
    assert len(export.calibration_images(quick)) == quick.profile.export.calibration_images
    assert chosen <= {image.tobytes() for image in quick.images.x_train}


def test_stored_exports_are_used_again(quick, monkeypatch):
    first = export.onnx(quick, "int8_qdq")
    monkeypatch.setattr(export.quantize, "build", lambda *_: pytest.fail("built again"))
    second = export.onnx(quick, "int8_qdq")
    assert first.sha256 == second.sha256
    assert {"seconds", "nodes", "method"} <= second.info.keys()
    assert {"onnx", "numpy"} <= second.info["libraries"].keys()


def test_unknown_variant_names_the_known_ones(quick):
    with pytest.raises(ReportError, match="fp32, fp16, int8_qdq"):
        export.onnx(quick, "int4")
    with pytest.raises(ReportError, match="fp32, fp16, int8"):
        export.tflite(quick, "int8_qdq")


def test_two_conversions_give_the_same_bytes(quick):
    saved = export.saved_model(quick).file("saved_model")
    first, second = (tf_onnx.convert(saved, model.SPEC, 17).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert b"StatefulPartitionedCall" not in first


@given(st.lists(st.text("ab_/:0123456789", min_size=1), unique=True))
def test_stable_names_never_merge_two_tensors(names):
    made = tf_onnx._Names({model.SPEC.input, model.SPEC.output})
    assert len({made[name] for name in names} | {model.SPEC.input, model.SPEC.output}) == len({*names, model.SPEC.input, model.SPEC.output})


def test_an_error_that_tf2onnx_only_logs_fails_the_export(quick, tmp_path, monkeypatch):
    import tf2onnx

    real = tf2onnx.convert.from_function

    def logging_one(*args, **kwargs):
        logging.getLogger("tf2onnx.tfonnx").error("rewriter failed: %s", "boom")
        return real(*args, **kwargs)

    monkeypatch.setattr(tf2onnx.convert, "from_function", logging_one)
    with pytest.raises(ReportError, match="rewriter failed: boom"):
        tf_onnx.build(export.saved_model(quick).file("saved_model"), model.SPEC, 17, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_warnings_do_not_fail_and_the_handler_goes_away():
    log = logging.getLogger("some.library")
    with tf_onnx.errors_raised("some"):
        log.warning("only a warning")
    assert not logging.getLogger("some").handlers
    error = ValueError("went wrong\nwith details")
    with pytest.raises(ReportError, match="some: the export failed: went wrong") as caught, tf_onnx.errors_raised("some"):
        raise error
    assert caught.value.__cause__ is error


def _tampered(quick, tmp_path, change):
    import onnx

    network = onnx.load(export.onnx(quick, "fp32").file(export.ONNX_FILE))
    change(network)
    onnx.save(network, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def _rename_output(network):
    network.graph.output[0].name = network.graph.node[-1].output[0] = "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_rename_output, "probabilities"),
        (lambda n: setattr(n.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 1), "has shape .1, 32, 32, 3., expected .None, 32"),
        (lambda n: n.graph.node.pop(0), "not valid ONNX"),
        (lambda n: setattr(n.graph.input[0].type.tensor_type, "elem_type", 10), "float32|not valid"),
    ],
)
def test_structure_refuses_what_is_not_this_network(quick, tmp_path, change, message):
    with pytest.raises(ReportError, match=message):
        structure.check(_tampered(quick, tmp_path, change), model.SPEC)


def test_tflite_check_refuses_float_where_int8_was_asked(quick):
    with pytest.raises(ReportError, match="not in int8"):
        lite.check(export.tflite(quick, "fp32").file(export.TFLITE_FILE), model.SPEC, "int8")


def test_fp16_stores_weights_in_half(quick, tmp_path):
    import onnx

    quantize.half(export.onnx(quick, "fp32").file(export.ONNX_FILE), model.SPEC, tmp_path / "m.onnx")
    network = onnx.load(tmp_path / "m.onnx")
    floats = {t.data_type for t in network.graph.initializer} & {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
    assert floats == {onnx.TensorProto.FLOAT16}


def test_samples_parse_back_to_the_same_float32(quick):
    stored = export.samples(quick)
    images, labels = np.load(stored.file("test_samples.npy")), np.load(stored.file("test_labels.npy"))
    lines = stored.file("test_samples.csv").read_text().splitlines()
    assert lines[0].split(",")[:2] == ["sample_id", "pixel_0"]
    assert lines[0].split(",")[-1] == "pixel_3071"
    parsed = np.array([[np.float32(float(value)) for value in line.split(",")[1:]] for line in lines[1:]], np.float32)
    assert (parsed.reshape(images.shape) == images).all()
    assert (images == quick.to_input(quick.images.x_test[: len(images)])).all()
    assert (np.loadtxt(stored.file("test_labels.csv"), delimiter=",", skiprows=1)[:, 1] == labels).all()
    assert (labels == quick.images.y_test[: len(labels)]).all()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_samples_are_written_as_text_that_round_trips(tmp_path_factory, values):
    folder, images = tmp_path_factory.mktemp("samples"), np.resize(np.array(values, np.float32), (1, 32, 32, 3))
    sample_files.write(images, np.array([3]), folder)
    texts = (folder / "test_samples.csv").read_text().splitlines()[1].split(",")[1:]
    assert np.array_equal(np.array([np.float32(float(text)) for text in texts]), images.ravel())


KILLED = """
import sys
from lib import export
from lib.experiment import profile
from lib.export import quantize
from lib.session import Session
real = quantize.apply
def apply(*args):
    real(*args)
    print("half way", flush=True)
    import time; time.sleep(600)
quantize.apply = apply
export.onnx(Session(profile.load(sys.argv[1]), "test"), "int8_qdq")
"""


def test_killed_in_an_export_leaves_nothing_half_written(quick, write_profile):
    """SIGKILL while the quantized file lies in the temporary folder, then again: built whole, nothing else left."""
    export.onnx(quick, "fp32")
    profile = str(write_profile(stem="tiny", **{"export.calibration_images": 40}))  # another key, the same folder
    kind = quick.folder / "artifacts" / "onnx"
    before = {path.name for path in kind.iterdir()}
    process = subprocess.Popen([sys.executable, "-c", KILLED, profile], stdout=subprocess.PIPE, text=True, cwd=config.ROOT)
    assert process.stdout.readline() == "half way\n"
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    left = {path.name for path in kind.iterdir()} - before
    assert left
    assert all(name.startswith(".") for name in left)  # a temporary folder; no artifact
    built = export.onnx(Session(config.load(profile), "test"), "int8_qdq")
    assert built.info["calibration_images"] == 40
    assert {path.name for path in kind.iterdir()} - before == {built.key}


# Histograms of activations whose range grows


def relu(path):
    """images -> Conv: the only tensor whose range counts is the input itself."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", 1, 4, 4)) for name in ("images", "y")]
    nodes = [helper.make_node("Identity", ["images"], ["x"]), helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])]
    weights = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "w")
    graph = helper.make_graph(nodes, "one", ends[:1], ends[1:], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def histograms(tmp_path):
    return calibration.Histograms(relu(tmp_path / "one.onnx"))


def chunks(*scales):
    """A chunk of images for each scale: values spread over +-scale."""
    spread = np.linspace(-1, 1, calibration.CHUNK * 16, dtype=np.float32).reshape(-1, 1, 4, 4)
    return np.concatenate([spread * np.float32(scale) for scale in scales])


@pytest.mark.parametrize(
    "scales",
    [(1e-3, 1), (0, 1), (0, 0), (1e-30, 1, 1e6), (1, 1e6, 1), (1e6, 1, 1), (1e-38, 1e38), [2.0**k for k in range(-20, 20)]],
    ids=["nearly constant first", "zero first", "all zero", "growing", "an outlier", "an outlier first", "extremes", "doubling"],
)
def test_bins_stay_bounded_and_every_method_ends(histograms, scales):
    images = chunks(*scales)
    histograms.add(images)
    counts, _, low, high, _ = histograms._collector.histogram_dict["x"]
    assert len(counts) <= calibration.MOST_BINS + 2
    assert counts.sum() == images.size  # nothing is lost when bins are made wider
    assert (low, high) == (images.min(), images.max())
    for method in calibration.METHODS:
        ((lowest, highest),) = histograms.ranges(method, 99.99).values()
        assert images.min() <= lowest <= 0 <= highest <= images.max()


def test_a_constant_tensor_has_its_range(histograms):
    histograms.add(np.full((calibration.CHUNK * 2, 1, 4, 4), 3.0, np.float32))
    for method in calibration.METHODS:
        assert histograms.ranges(method, 99.99)["x"][1] == pytest.approx(3, rel=0.01)  # a bin


def test_an_ordinary_range_is_counted_as_onnx_runtime_counts_it(histograms):
    from onnxruntime.quantization.calibrate import HistogramCollector

    images = np.random.default_rng(0).normal(size=(256, 1, 4, 4)).astype(np.float32)
    histograms.add(images)
    plain = HistogramCollector("entropy", False, calibration.BINS, calibration.LEVELS, None, "same")
    for first in range(0, len(images), calibration.CHUNK):
        plain.collect({"x": images[first : first + calibration.CHUNK]})
    assert np.array_equal(plain.histogram_dict["x"][0], histograms._collector.histogram_dict["x"][0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_activation_that_is_no_number_names_its_tensor(histograms, value):
    images = chunks(1)
    images[5, 0, 1, 1] = value
    with pytest.raises(ReportError, match="tensor 'x' holds NaN or infinity"):
        histograms.add(images)
