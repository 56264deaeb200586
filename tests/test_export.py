"""Exports: what is in them, that they answer as the SavedModel does, and what happens when an export goes wrong."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import export
from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.export import half, lite, sample_files, structure, tf_onnx
from lib.models import train as training
from lib.models import vgg as model
from lib.pages.export import figures
from lib.pages.export import tables as conversion
from lib.store import session
from lib.text import LANGUAGES


@pytest.fixture(scope="session")
def images(quick):
    return datasets.to_input(quick.images.x_test)


@pytest.fixture(scope="session")
def reference(quick, images):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(training.trained(quick).file("saved_model")))
    return loaded.signatures["serving_default"](**{model.INPUT: tf.constant(images)})[model.OUTPUT].numpy()


def onnx_answers(artifact, images):
    import onnxruntime

    run = onnxruntime.InferenceSession(str(artifact.file(export.ONNX_FILE)), providers=["CPUExecutionProvider"])
    return run.run([model.OUTPUT], {model.INPUT: images})[0]


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


def test_stored_exports_are_used_again(quick):
    first, second = export.onnx(quick, "int8_qdq"), export.onnx(quick, "int8_qdq")
    assert not second.fresh
    assert first.sha256 == second.sha256
    assert {"onnx", "onnxruntime", "seconds", "nodes", "method"} <= second.info.keys()


def test_unknown_variant_names_the_known_ones(quick):
    with pytest.raises(ReportError, match="fp32, fp16, int8_qdq"):
        export.onnx(quick, "int4")
    with pytest.raises(ReportError, match="fp32, fp16, int8"):
        export.tflite(quick, "int8_qdq")


def test_two_conversions_give_the_same_bytes(quick):
    saved = training.trained(quick).file("saved_model")
    first, second = (tf_onnx.convert(saved, 17).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert b"StatefulPartitionedCall" not in first


@given(st.lists(st.text("ab_/:0123456789", min_size=1), unique=True))
def test_stable_names_never_merge_two_tensors(names):
    made = tf_onnx._Names({model.INPUT, model.OUTPUT})
    assert len({made[name] for name in names} | {model.INPUT, model.OUTPUT}) == len({*names, model.INPUT, model.OUTPUT})


def test_an_error_that_tf2onnx_only_logs_fails_the_export(quick, tmp_path, monkeypatch):
    import tf2onnx

    real = tf2onnx.convert.from_function

    def logging_one(*args, **kwargs):
        logging.getLogger("tf2onnx.tfonnx").error("rewriter failed: %s", "boom")
        return real(*args, **kwargs)

    monkeypatch.setattr(tf2onnx.convert, "from_function", logging_one)
    with pytest.raises(ReportError, match="rewriter failed: boom"):
        tf_onnx.build(training.trained(quick).file("saved_model"), 17, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_warnings_do_not_fail_and_the_handler_goes_away():
    log = logging.getLogger("some.library")
    with tf_onnx.errors_raised("some"):
        log.warning("only a warning")
    assert not logging.getLogger("some").handlers
    with pytest.raises(ReportError, match="some: the export failed: went wrong"), tf_onnx.errors_raised("some"):
        raise ValueError("went wrong\nwith details")


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
        (lambda n: setattr(n.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 1), "first dimension must be free"),
        (lambda n: setattr(next(x for x in n.graph.node if x.op_type == "Relu"), "op_type", "Elu"), "Elu is not expected"),
        (lambda n: n.graph.node.pop(0), "not valid ONNX"),
        (lambda n: setattr(n.graph.input[0].type.tensor_type, "elem_type", 10), "float32|not valid"),
    ],
)
def test_structure_refuses_what_is_not_this_network(quick, tmp_path, change, message):
    with pytest.raises(ReportError, match=message):
        structure.check(_tampered(quick, tmp_path, change))


def test_tflite_check_refuses_float_where_int8_was_asked(quick):
    with pytest.raises(ReportError, match="not in int8"):
        lite.check(export.tflite(quick, "fp32").file(export.TFLITE_FILE), "int8")


def test_fp16_stores_weights_in_half(quick, tmp_path):
    import onnx

    half.build(export.onnx(quick, "fp32").file(export.ONNX_FILE), tmp_path / "m.onnx")
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
    assert (images == datasets.to_input(quick.images.x_test[: len(images)])).all()
    assert (np.loadtxt(stored.file("test_labels.csv"), delimiter=",", skiprows=1)[:, 1] == labels).all()
    assert (labels == quick.images.y_test[: len(labels)]).all()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_shortest_text_round_trips(value):
    text = sample_files.shortest(np.float32(value))
    assert np.float32(float(text)) == np.float32(value)


KILLED = """
import sys
from lib import export, session
from lib.export import quantize
real = quantize.apply
def apply(*args):
    real(*args)
    print("half way", flush=True)
    import time; time.sleep(600)
quantize.apply = apply
export.onnx(session.start(sys.argv[1], "test"), "int8_qdq")
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
    built = export.onnx(session.start(profile, "test"), "int8_qdq")
    assert built.fresh
    assert built.info["calibration_images"] == 40
    assert {path.name for path in kind.iterdir()} - before == {built.key}


def test_conversion_measures_every_export_and_judges_it(quick):
    exports = conversion.everything(quick)
    assert [(one.runner, one.precision) for one in exports] == [(r, p) for r in ("onnxrt", "tflite") for p in ("fp32", "fp16", "int8_qdq")]
    records = conversion.measure(quick, exports)
    assert all(record.value is not None for record in records)
    assert {record.metric for record in records} >= {"file_size", "max_abs_difference", "agreement", "accuracy", "batch_difference"}
    found = conversion.findings(exports, records)
    assert not [finding for finding in found if finding.level == "bad"]
    for rows, columns in (
        (conversion.file_rows(exports), conversion.file_columns()),
        (conversion.operator_rows(exports, "onnxrt"), conversion.operator_columns("onnxrt")),
        (conversion.number_rows(exports, records), conversion.number_columns()),
        (conversion.sample_rows(export.samples(quick)), conversion.sample_columns()),
    ):
        assert rows
        assert all({column.key for column in columns} <= row.keys() for row in rows)
    for language in LANGUAGES:
        assert figures.sizes(exports, language).axes
        assert figures.differences(exports, records, language).axes
    assert "MB" in figures.sizes_alt(exports).en
    assert "ONNX FP32" in figures.differences_alt(exports, records).ja


@pytest.mark.parametrize(
    ("metric", "precision", "value"),
    [("max_abs_difference", "fp32", 2e-5), ("agreement", "fp32", 0.99), ("accuracy", "int8_qdq", 0.5)],
)
def test_a_number_outside_its_tolerance_is_a_red_finding(quick, metric, precision, value):
    exports = conversion.everything(quick)
    records = [
        replace(record, value=value) if (record.metric, record.runner, record.precision) == (metric, "onnxrt", precision) else record
        for record in conversion.measure(quick, exports)
    ]
    bad = [finding for finding in conversion.findings(exports, records) if finding.level == "bad"]
    assert len(bad) == 1
    assert bad[0].text.en.startswith("ONNX")
