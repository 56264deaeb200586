"""Which calls of TensorRT are there, deprecated or gone: read off stand-in and real bindings, and the list that page 08 shows."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tensorrt_api import ALL, MODULE, NOBODY, VERSIONS, anywhere, fake, having
from tensorrt_uses import problems

from lib.experiment import profile as config
from lib.pages.cross_version import calls
from lib.pages.cross_version.calls import Call, paths
from lib.pages.cross_version.exhibits import EngineLayers, Layer, Layers, Member, Members
from lib.text import Text
from lib.trt import members, versions
from tests.data.record_tensorrt_api import label, surface

LIB = config.ROOT / "lib"
TENSORRT = [version for version in VERSIONS if "RTX" not in version]
LISTED = {call.path: call for call in calls.calls()}
MOVED = [call for call in LISTED.values() if having(call.path) != ALL]

# Stand-ins: docstrings as the bindings of some version have them


class Flag:
    """Valid modes.

    Members:

      FP16 : Enable FP16 layer selection.
                    [DEPRECATED] Deprecated in TensorRT 10.12. Superseded by strong typing.

      TF32 : Allow (but not require) computations on tensors of type DataType.FLOAT to use TF32.

      STRICT_TYPES : [DEPRECATED] Enables strict type constraints.

      EXPLICIT_BATCH : Specify an explicit batch dimension. Creating a network without this flag has been deprecated.

      CUBLAS :
            Enables cuBLAS tactics. Disabled by default.
            [DEPRECATED] Deprecated in TensorRT 10.0.


      WORKSPACE :
        This is equivalent to the deprecated IBuilderConfig.max_workspace_size and overrides that value.
        For more use the IAlgorithmSelector interface ([DEPRECATED] Deprecated in TensorRT 10.8. Please use another).
    """


Flag.__doc__ = inspect.cleandoc(Flag.__doc__ or "")  # as pybind11 indents it
for _name in ("FP16", "TF32", "STRICT_TYPES", "EXPLICIT_BATCH", "CUBLAS", "WORKSPACE"):
    setattr(Flag, _name, Flag())


class Engine:
    """An engine.

    :ivar num_bindings: :class:`int` [DEPRECATED] The number of bindings.
    :ivar num_io_tensors: :class:`int` The number of tensors.
    :ivar causal: :class:`bool` (Deprecated) Specifies something. Superseded by causal_kind.
    :ivar budget: [DEPRECATED] Deprecated in TensorRT 10.1, superceded by another.
    :ivar last: :class:`int` The last one.

    [DEPRECATED] stands in prose of no member.
    """

    num_bindings = num_io_tensors = causal = budget = last = property()

    def plain(self):
        """Does it. :func:`other` is not deprecated.

        :arg x: [DEPRECATED] An argument.
        """

    def marked(self):
        """Marked(self: Engine) -> bool

        [DEPRECATED] Please use another.
        """

    def headed(self):
        r"""Does it.

        \deprecated Deprecated in TensorRT 8.5. Superseded by another.
        """

    def sphinx(self):
        """Does it.

        .. deprecated:: 10.1
        """

    def sentence(self):
        """Add an attention to the network. Deprecated, use add_attention_v2 instead."""

    def foretold(self):
        """[DEPRECATED - will be removed in TensorRT 9.0] Does it."""

    undocumented = len.__call__


class Special(Engine):
    """Inherits what the other one's class says."""


class Calibrator:
    """
    [DEPRECATED] Deprecated in TensorRT 10.1. Superseded by explicit quantization.
    """

    def get_batch(self):
        """Says nothing of itself."""


STAND_IN = SimpleNamespace(Flag=Flag, Engine=Engine, Special=Special, Calibrator=Calibrator, __version__="10.1.0", nothing=None)
FOUND = {
    "Flag": "there",  # some of its members are not the flag itself
    "Flag.FP16": "deprecated",
    "Flag.TF32": "there",
    "Flag.STRICT_TYPES": "deprecated",
    "Flag.EXPLICIT_BATCH": "there",
    "Flag.CUBLAS": "deprecated",
    "Flag.WORKSPACE": "there",
    "Flag.FP4": "gone",
    "Engine": "there",
    "Engine.num_bindings": "deprecated",
    "Engine.num_io_tensors": "there",
    "Engine.causal": "deprecated",
    "Engine.budget": "deprecated",
    "Engine.last": "there",
    "Engine.plain": "there",
    "Engine.marked": "deprecated",
    "Engine.headed": "deprecated",
    "Engine.sphinx": "deprecated",
    "Engine.sentence": "deprecated",
    "Engine.foretold": "deprecated",
    "Engine.undocumented": "there",
    "Special.num_bindings": "deprecated",
    "Special.marked": "deprecated",
    "Special.last": "there",
    "Calibrator": "deprecated",
    "Calibrator.get_batch": "deprecated",  # a member of what is
    "Calibrator.read": "gone",
    "__version__": "there",
    "nothing": "there",
    "nothing.at_all": "gone",
    "Engine.": "gone",
    "": "gone",
}


@pytest.mark.parametrize("path", FOUND)
def test_a_member_is_as_its_own_version_describes_it(path):
    assert members.here(STAND_IN, [path]) == {path: FOUND[path]}


def test_paths_are_asked_for_in_their_order_and_once():
    assert list(members.here(STAND_IN, iter(["Flag", "x", "Flag"])).items()) == [("Flag", "there"), ("x", "gone")]


def test_a_module_without_docstrings_has_nothing_deprecated():
    for version in VERSIONS:
        found = members.here(fake(version), paths())
        assert found == {path: "there" if version in having(path) else "gone" for path in paths()}


def test_reading_members_needs_the_standard_library_alone():
    """The worker runs where this project's requirements are not installed."""
    tree = ast.parse((LIB / "trt" / "members.py").read_text("utf-8"))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names <= {"__future__", "collections.abc", "inspect", "re", "types", "typing"}


# Real bindings

TENSORS_BY_PLACE = [call.path for call in LISTED.values() if (call.deprecated, call.gone) == ("8.5", "10.0")]
CALIBRATION = [call.path for call in LISTED.values() if call.deprecated == "10.1"]
WITH_8 = ["Builder.build_engine", "IBuilderConfig.max_workspace_size", "IExecutionContext.execute", *TENSORS_BY_PLACE]
TYPED, BATCH = "NetworkDefinitionCreationFlag.STRONGLY_TYPED", "NetworkDefinitionCreationFlag.EXPLICIT_BATCH"
WEAK = [BATCH, "BuilderFlag.FP16", "BuilderFlag.INT8", *CALIBRATION]
READ = {  # what the real bindings said when they were asked: (deprecated, gone), all others there
    "8.5": (["IBuilderConfig.max_workspace_size", "IExecutionContext.execute"], [TYPED]),
    "10.0": ([BATCH], WITH_8),
    "10.6": ([BATCH, *CALIBRATION], WITH_8),
    "10.11": ([BATCH, *CALIBRATION], WITH_8),
    "10.16": (WEAK, WITH_8),
    "11.4": ([TYPED], [*WITH_8, *WEAK]),
    "RTX 1.7": ([TYPED], [*WITH_8, *WEAK]),
}


@pytest.fixture(params=[name for names in versions.MODULES.values() for name in names] + ["tensorrt_bindings"])
def real(request) -> ModuleType:
    return pytest.importorskip(request.param, exc_type=ImportError)


def test_what_real_bindings_say_of_the_list(real):
    known = label(real.__version__, real.__name__)
    if known not in READ:
        pytest.skip(f"TensorRT {known} was not read before")
    deprecated, gone = READ[known]
    found = members.here(real, paths())
    assert {path for path in found if found[path] == "deprecated"} == set(deprecated)
    assert {path for path in found if found[path] == "gone"} == set(gone)


def test_real_bindings_have_what_dir_lists_and_call_some_of_it_deprecated(real):
    listed = [f"{owner}.{member}" for owner, own in surface(real).items() if owner != MODULE for member in own]
    found = members.here(real, listed)
    count = {state: sum(each == state for each in found.values()) for state in ("there", "deprecated", "gone")}
    assert count["gone"] == 0 < count["deprecated"] < 0.2 * count["there"]
    assert found["Builder.create_network"] == found["BuilderFlag.TF32"] == found["OnnxParser.parse_from_file"] == "there"


def test_bindings_call_nothing_deprecated_that_the_headers_do_not(real):
    version = "11.0" if "rtx" in real.__name__ else real.__version__  # TensorRT for RTX 1.x has the API of 11
    for path, state in members.here(real, LISTED).items():
        if state == "deprecated":
            said = LISTED[path].deprecated
            assert said, path
            assert number(said) <= number(version), path


# The list


def number(version):
    return tuple(int(part) for part in re.findall(r"\d+", version))


def test_the_list_is_of_the_size_that_a_table_can_show():
    assert 20 <= len(LISTED) == len(calls.calls()) <= 36
    assert {call.who for call in LISTED.values()} == {"ours", "original", "both"}
    assert set(paths()) >= set(LISTED)
    assert len(paths()) == len(set(paths()))


@pytest.mark.parametrize("call", LISTED.values(), ids=LISTED)
def test_what_is_written_down_by_hand_is_what_the_recorded_bindings_have(call):
    since, gone = number(call.since or "8.0"), number(call.gone or "99")
    assert {version for version in TENSORRT if since <= number(version) < gone} == having(call.path) & set(TENSORRT)


@pytest.mark.parametrize("call", LISTED.values(), ids=LISTED)
def test_versions_come_in_their_order(call):
    written = [text for text in (call.since, call.deprecated, call.gone) if text]
    assert all(re.fullmatch(r"\d+\.\d+", text) for text in written)
    assert [number(text) for text in written] == sorted({number(text) for text in written})


@pytest.mark.parametrize("call", LISTED.values(), ids=LISTED)
def test_what_goes_has_a_replacement_in_the_newest_version(call):
    assert all(TENSORRT[-1] in having(path) for path in call.instead)
    assert call.path not in call.instead
    if call.deprecated or call.gone:
        assert call.changes
        assert call.replacement.en
        assert call.replacement.ja


@pytest.mark.parametrize("call", LISTED.values(), ids=LISTED)
def test_what_is_ours_is_in_our_code(call):
    sources = [*(LIB / "trt").glob("*.py"), LIB / "experiment" / "precision.py", *(LIB / "cpp").glob("*.?pp")]
    names = {call.path.split(".")[-1], call.cpp.split("::")[-1]}
    used = {name for path in sources for name in names if re.search(rf"\b{name}\b", path.read_text("utf-8"))}
    assert used or call.who == "original"


def test_what_we_build_and_run_with_and_some_version_lacks_is_in_the_list():
    used = set()
    for name in ("build", "calibrators", "ceiling", "execution", "lane", "timing_cache"):
        nodes = list(ast.walk(ast.parse((LIB / "trt" / f"{name}.py").read_text("utf-8"))))
        used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        used |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    used = {name for name in used if re.search("[A-Z_]", name) and NOBODY != anywhere(name) != ALL}
    assert used >= {"num_bindings", "execute_async_v2", "EXPLICIT_BATCH"}  # the reading finds something
    assert used <= {path.split(".")[-1] for path in LISTED}


@pytest.mark.parametrize("call", [call for call in MOVED if call.who != "original"], ids=lambda call: call.path)
def test_a_call_of_ours_that_some_version_lacks_may_not_be_made_without_asking(call):
    """tests/test_trt_api.py holds lib/ to it; here, that it knows these calls."""
    assert len(problems(f"x = trt.{call.path}", "snippet.py")) == 1


JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def test_words_are_in_both_languages_english_first():
    for row in yaml.safe_load(calls.FILE.read_text("utf-8")):
        for key in {"purpose", "how"} & row.keys():
            assert list(row[key]) == ["en", "ja"]
            assert row[key]["en"]
            assert not JAPANESE.search(row[key]["en"])
            assert JAPANESE.search(row[key]["ja"])
            assert not re.search(r"(です|ます|ました|ません|ください)|(?<!数値)精度|[A-Za-z]+ [A-Za-z]+ [A-Za-z]+", row[key]["ja"])


# What the page asks of a call


def call(**fields):
    return Call("A.b", "IA::b", "ours", Text("do", "行う"), **fields)


def test_a_replacement_is_said_in_each_language():
    assert call(instead=("A.c", "A.d"), how=Text("twice", "2回")).replacement == Text("A.c, A.d: twice", "A.c、A.d：2回")
    assert call(instead=("A.c",)).replacement == Text("A.c", "A.c")
    assert call(how=Text("twice", "2回")).replacement == Text("twice", "2回")
    assert (call().replacement, call().changes) == (Text("", ""), False)


def test_what_is_too_new_for_a_version_is_not_gone_there():
    new = call(since="10.1", gone="11.0")
    assert new.shown("8.5.3.1", "gone") == new.shown("10.0.1", "gone") == "not_yet"
    assert new.shown("10.6.0", "deprecated") == "deprecated"
    assert new.shown("11.4.0.106", "gone") == new.shown("1.7.1.116", "gone") == "gone"  # the last is TensorRT for RTX
    assert new.shown("10.1", "gone") == "gone"  # were it so, the bindings would have to be believed
    assert call(gone="10.0").shown("8.5.3.1", "gone") == "gone"


@given(st.sampled_from(list(LISTED.values())), st.sampled_from(VERSIONS), st.sampled_from(["there", "deprecated", "gone"]))
def test_only_what_is_gone_is_ever_said_otherwise(one, version, here):
    assert one.shown(version, here) in ({"gone", "not_yet"} if here == "gone" else {here})


@pytest.mark.parametrize("version", TENSORRT)
def test_the_list_is_right_about_what_a_version_has_not_yet_and_no_more(version):
    for one in LISTED.values():
        if version not in having(one.path):
            later = any(number(other) > number(version) for other in having(one.path) & set(TENSORRT))
            assert one.shown(version, "gone") == ("not_yet" if later else "gone"), one.path


# Exhibits


def test_members_are_read_back_as_they_were_recorded():
    made = Members(versions=["8.5.3.1", "10.6.0"], members=[Member(path="A.b", here={"8.5.3.1": "there", "10.6.0": "gone"})])
    back = Members.model_validate_json(made.model_dump_json())
    assert back == made
    assert [back.state("A.b", version) for version in back.versions] == ["there", "gone"]
    assert back.state("A.c", "10.6.0") is back.state("A.b", "9.0") is None


@pytest.mark.parametrize("here", [{"8.5.3.1": "not_yet"}, {"8.5.3.1": ""}, {"8.5.3.1": None}, "there"])
def test_another_state_is_refused(here):
    with pytest.raises(ValidationError):
        Member(path="A.b", here=here)


def test_what_a_worker_tells_goes_into_the_exhibit():
    for module in (STAND_IN, importlib.import_module("types")):
        Members(versions=["1"], members=[Member(path=path, here={"1": state}) for path, state in members.here(module, FOUND).items()])


def test_layers_are_read_back_as_they_were_recorded():
    layer = Layer(name="conv1", kind="CaskConvolution", type="fp16", tactic="sm80_xmma")
    made = Layers(engines=[EngineLayers(tensorrt="8.5.3.1", precision="fp16", variant="", build=1, layers=[layer])])
    assert Layers.model_validate_json(made.model_dump_json()) == made
    with pytest.raises(ValidationError):
        Layer(name="conv1", kind="CaskConvolution", type="fp16", tactic="sm80_xmma", ms=1.0)
