"""No call that a version of TensorRT lacks: lib/ against what the bindings of 8.5, 10.x, 11.x and TensorRT for RTX have.

How a use is found and what counts as a check is in tensorrt_uses.py; how the API was recorded in data/record_tensorrt_api.py.
"""

import re
from textwrap import dedent

import pytest
from tensorrt_api import ALL, DATA, SURFACE, VERSIONS, fake, having
from tensorrt_names import PREDICATES
from tensorrt_uses import problems

from lib.experiment import profile as config
from lib.trt import versions
from lib.words import Words
from tests.data.record_tensorrt_api import TARGET, label, surface

TENSORRT = [version for version in VERSIONS if "RTX" not in version]
FILES = sorted([*(config.ROOT / "lib" / "trt").rglob("*.py"), *(config.ROOT / "lib" / "runners").rglob("*.py")])
WORDS = Words(config.ROOT / "lib" / "pages" / "engines" / "rules.py")
CALLS_FOR = 'ask for it (hasattr, a feature of lib.trt.versions), or say in a docstring: needs feature "…"'


def number(version):
    return tuple(map(int, version.split(".")))


def found(source):
    return problems(dedent(source), "snippet.py")


def test_lib_uses_nothing_that_a_version_lacks_without_asking():
    used = [problem for path in FILES for problem in problems(path.read_text("utf-8"), str(path.relative_to(config.ROOT)))]
    assert not used, f"{len(used)} uses of what some TensorRT lacks; {CALLS_FOR}\n" + "\n".join(used)


# The recorded API


def test_the_recorded_api_is_small_and_holds_every_generation():
    assert TARGET.stat().st_size < 60_000
    assert {number(version)[0] for version in TENSORRT} == {8, 10, 11}
    assert [number(version) for version in TENSORRT] == sorted(number(version) for version in TENSORRT)
    for version in VERSIONS:  # a wheel that was read only half has none of the parser, which comes last
        assert version in having("OnnxParser.parse_from_file") & having("Builder.create_network") & having("volume")


@pytest.mark.parametrize("name", [name for names in versions.MODULES.values() for name in names])
def test_the_recorded_api_is_what_the_installed_bindings_have(name):
    module = pytest.importorskip(name, exc_type=ImportError)
    version = label(module.__version__, name).replace(" ", "_")
    if version not in VERSIONS or module.__version__ not in DATA["made"]:
        pytest.skip(f"{name} {module.__version__} is not one of the recorded versions")
    recorded = {key: {member for member, those in members.items() if version in those} for key, members in SURFACE.items()}
    installed = surface(module)
    for key in recorded.keys() | installed.keys():  # a class with no public member is not recorded
        assert recorded.get(key, set()) == installed.get(key, set()), key


# What lib.trt.versions says


def claimed(since):
    """The versions that a text such as "8.5 to 10.16" speaks of."""
    if since == "TensorRT for RTX":
        return set(VERSIONS) - set(TENSORRT)
    first, last = re.fullmatch(r"([\d.]+)(?:\.x only| to ([\d.]+)| and later)", since).groups()
    last = number(first if since.endswith("only") else last or "99")
    return {version for version in TENSORRT if number(version) >= number(first) and number(version)[: len(last)] <= last}


@pytest.mark.parametrize("feature", versions.FEATURES, ids=lambda feature: feature.key)
def test_a_feature_is_where_page_03_says_it_is(feature):
    has, since = having(feature.path), WORDS(f"since.{feature.key}")
    own = has if "RTX" in since.en else has & set(TENSORRT)  # the others speak of TensorRT alone
    assert own == claimed(since.en), f"{feature.path} is in {sorted(has)}"
    assert re.findall(r"\d+(?:\.\d+)?", since.en) == re.findall(r"\d+(?:\.\d+)?", since.ja)
    assert WORDS(f"features.{feature.key}").en
    assert {version for version in VERSIONS if feature.here(fake(version))} == has


def test_a_claim_that_is_wrong_is_noticed():
    assert claimed("8.x only") == {"8.5"} == having("ICudaEngine.num_bindings") & set(TENSORRT)
    assert claimed("8.5 to 11") == set(TENSORRT) != having("IInt8EntropyCalibrator2") & set(TENSORRT)
    assert claimed("10 and later") == set(TENSORRT) - {"8.5"}
    assert "11.0" not in claimed("8.5 to 10.16")
    assert "10.16" in claimed("8.5 to 10.16")


def test_typed_tells_the_versions_apart_that_have_no_flags():
    assert {version for version in VERSIONS if versions.typed(fake(version))} == PREDICATES["typed"] == ALL - having("BuilderFlag.INT8")


def test_implicit_int8_is_refused_where_there_is_no_calibrator():
    buildable = {version for version in VERSIONS if versions.lacking("int8", fake(version)) is None}
    assert buildable == having("IInt8EntropyCalibrator2") == claimed("8.5 to 10.16")


# What is found

LATER = "10.0, 10.11, 10.13, 10.16, 11.0, 11.4, RTX_1.7"
UNCHECKED = {
    "config.max_workspace_size = 1": ("IBuilderConfig.max_workspace_size", LATER),
    "n = engine.num_bindings": ("ICudaEngine.num_bindings", LATER),
    "n = run._engine.num_bindings": ("ICudaEngine.num_bindings", LATER),
    "n = thing.num_bindings": (".num_bindings", LATER),
    "n = getattr(engine, 'num_bindings')": ("ICudaEngine.num_bindings", LATER),
    "trt.Volume((1, 2))": ("Volume", f"8.5, {LATER}"),
    "builder.build_engine(network, config)": ("Builder.build_engine", LATER),
    "config.set_flag(trt.BuilderFlag.FP16)": ("BuilderFlag.FP16", "11.0, 11.4, RTX_1.7"),
    "config.set_flag(trt.BuilderFlag.FP17)": ("BuilderFlag.FP17", f"8.5, {LATER}"),
    "flags = trt.BuilderFlag\nconfig.set_flag(flags.INT8)": ("BuilderFlag.INT8", "11.0, 11.4, RTX_1.7"),
    "one = trt.Builder(log)\nn = one.platform_has_fast_int8": ("Builder.platform_has_fast_int8", "11.0, 11.4, RTX_1.7"),
    "from lib.trt import versions\nversions.module().IInt8Calibrator": ("IInt8Calibrator", "11.0, 11.4, RTX_1.7"),
    "class C(trt.IInt8EntropyCalibrator2): pass": ("IInt8EntropyCalibrator2", "11.0, 11.4, RTX_1.7"),
    "error.node_name()": ("ParserError.node_name", "8.5"),
    "layer.precision = kind": ("ILayer.precision", "11.0, 11.4, RTX_1.7"),
    "run = lambda: context.execute_async_v2(b, s)": ("IExecutionContext.execute_async_v2", LATER),
}


@pytest.mark.parametrize("source", UNCHECKED)
def test_what_a_version_lacks_is_found_with_its_line_and_its_versions(source):
    member, lacking = UNCHECKED[source]
    line = 1 + source.count("\n")
    assert found(source) == [f"snippet.py:{line}: {member} is not in TensorRT {lacking}"]


@pytest.mark.parametrize(
    "source",
    [
        "if hasattr(engine, 'num_bindings'):\n    n = engine.num_bindings",
        "n = engine.num_bindings if hasattr(engine, 'num_bindings') else 0",
        "n = hasattr(engine, 'num_bindings') and engine.num_bindings",
        "n = not hasattr(engine, 'num_bindings') or engine.num_bindings",
        "old = hasattr(engine, 'num_bindings')\nif old and ready:\n    n = engine.num_bindings",
        "def f(engine):\n    if not hasattr(engine, 'num_bindings'):\n        return 0\n    return engine.num_bindings",
        "def f(engine):\n    assert hasattr(engine, 'num_bindings')\n    return engine.num_bindings",
        "n = [e.num_bindings for e in engines if hasattr(e, 'num_bindings')]",
        "try:\n    n = engine.num_bindings\nexcept AttributeError:\n    n = 0",
        "n = getattr(engine, 'num_bindings', 0)",
        "count = getattr(engine, 'num_bindings', None)\nif count is not None:\n    engine.get_binding_name(0)",
        "if has(trt, 'bindings'):\n    n = engine.num_bindings",  # a key of FEATURES
        "if not typed(trt):\n    config.set_flag(trt.BuilderFlag.FP16)",
        "if hasattr(trt, 'IInt8EntropyCalibrator2'):\n    config.int8_calibrator = made",  # where one is, the other is
        "def f(engine):\n    '''The old way (needs feature \"bindings\").'''\n    return engine.num_bindings",
        "class Old:\n    '''Needs feature\n    \"bindings\".'''\n    def f(self):\n        return self._engine.num_bindings",
        "'''All of it needs feature \"calibrator\".'''\ndef f(trt, name):\n    return getattr(trt, name)",
        "def apis():\n    return [a for a in NAMES if hasattr(trt.IExecutionContext, a)]\n"
        "if api == 'execute_async_v2':\n    context.execute_async_v2(b, s)",
        "def f(trt, name):\n    return getattr(trt, name) if hasattr(trt, name) else None",
        "config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1)",
        "from lib import trt\ntrt.engine(session, precision)\ntrt.Volume",  # lib.trt, not TensorRT
        "text.format(1), file.read(), sizes.max, thing.update(a)",  # plain words on anything
        "def f(config: Profile):\n    return config.int8_calibrator",  # not TensorRT's
        "class Mine:\n    def __init__(self):\n        self.num_bindings = 1\n    def f(self):\n        return self.num_bindings",
        "trt.__version__",
    ],
)
def test_what_every_version_has_or_was_asked_for_is_not_found(source):
    assert found(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "if hasattr(engine, 'num_io_tensors'):\n    n = engine.num_bindings",  # another check
        "if not hasattr(engine, 'num_bindings'):\n    n = engine.num_bindings",  # the wrong way round
        "if hasattr(engine, 'num_bindings'):\n    pass\nelse:\n    n = engine.num_bindings",
        "if hasattr(engine, 'num_bindings'):\n    pass\nn = engine.num_bindings",  # after it
        "if hasattr(engine, 'num_bindings') or ready:\n    n = engine.num_bindings",
        "def f(engine):\n    return hasattr(engine, 'num_bindings')\ndef g(engine):\n    return engine.num_bindings",  # elsewhere
        "try:\n    n = engine.num_bindings\nexcept ValueError:\n    n = 0",
        "if hasattr(trt, 'IInt8EntropyCalibrator2'):\n    n = engine.num_bindings",  # is in 10, the use is not
        "def f(engine):\n    '''Needs feature \"calibrator\".'''\n    return engine.num_bindings",
        "def f(engine):\n    '''Needs feature \"bindingz\".'''\n    return engine.num_io_tensors",  # no such feature
        "if typed(trt):\n    config.set_flag(trt.BuilderFlag.FP16)",
        "if api == 'execute_async_v2':\n    context.execute_async_v2(b, s)",  # nobody asked whether it is there
        "def f(trt, name):\n    return getattr(trt, name)",  # whatever that is
        "def f(trt, a, b):\n    return getattr(trt, a) if hasattr(trt, b) else None",
    ],
)
def test_a_check_that_does_not_cover_the_use_is_none(source):
    assert len(found(source)) == 1
