"""Artifacts are whole or not there, and a payload that was touched is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import ArtifactError
from lib.experiment import profile as config
from lib.store import artifacts
from lib.store.artifacts import Store, key_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
INPUTS = {"version": 1, "images": 32}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "artifacts")


def build(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "model.bin").write_bytes(b"weights" * 100)
    (folder / "notes.txt").write_text("日本語")
    return {"seconds": 1.5}


def everything(store):
    return sorted(p.relative_to(store.root).as_posix() for p in store.root.rglob("*"))


def test_built_once_and_found_again(store):
    calls = []
    first = store.get_or_build("model", INPUTS, lambda folder: calls.append(1) or build(folder))
    again = store.get_or_build("model", dict(reversed(INPUTS.items())), lambda folder: calls.append(2))
    assert calls == [1]
    assert first == again
    assert again.info == {"seconds": 1.5}
    assert again.inputs == INPUTS
    assert again.file("deep/model.bin").read_bytes() == b"weights" * 100
    assert again.size("deep/model.bin") == again.size("deep") == 700
    assert again.size() == 700 + len("日本語".encode())


def test_other_inputs_or_kind_are_another_artifact(store):
    made = [store.get_or_build(kind, inputs, build) for kind, inputs in (("a", INPUTS), ("b", INPUTS), ("a", INPUTS | {"images": 33}))]
    assert len({artifact.path for artifact in made}) == 3
    assert len({artifact.sha256 for artifact in made}) == 1  # the same payload


def test_sha256_covers_contents_and_names(store):
    one = store.get_or_build("a", {"n": 1}, lambda folder: (folder / "x").write_bytes(b"1") and None)
    other = store.get_or_build("a", {"n": 2}, lambda folder: (folder / "x").write_bytes(b"2") and None)
    renamed = store.get_or_build("a", {"n": 3}, lambda folder: (folder / "y").write_bytes(b"1") and None)
    assert len({one.sha256, other.sha256, renamed.sha256}) == 3


def altered(payload):
    data = bytearray((payload / "deep/model.bin").read_bytes())
    data[350] ^= 1
    (payload / "deep/model.bin").write_bytes(data)


@pytest.mark.parametrize(
    ("touch", "named", "says"),
    [
        (altered, "deep/model.bin", "altered or truncated"),
        (lambda payload: os.truncate(payload / "deep/model.bin", 699), "deep/model.bin", "altered or truncated"),
        (lambda payload: os.truncate(payload / "notes.txt", 0), "notes.txt", "altered or truncated"),
        (lambda payload: (payload / "notes.txt").unlink(), "notes.txt", "missing"),
        (lambda payload: (payload / "deep/extra").touch(), "deep/extra", "not in its manifest"),
    ],
    ids=["altered", "truncated", "emptied", "removed", "added"],
)
def test_touched_payload_is_refused(store, touch, named, says):
    made = store.get_or_build("model", INPUTS, build)
    touch(made.path)
    for use in (
        lambda: store.get_or_build("model", INPUTS, build),
        lambda: store.find("model", INPUTS),
        lambda: artifacts.load(made.path.parent),
    ):
        with pytest.raises(ArtifactError) as caught:
            use()
        assert f"{made.path / named}: {says}; remove {made.path.parent}" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind": "model"}', "\x00"])
def test_damaged_manifest_is_refused(store, text):
    made = store.get_or_build("model", INPUTS, build)
    (made.path.parent / artifacts.MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json: unreadable .* to have it built again"):
        store.find("model", INPUTS)


def test_failed_build_leaves_nothing(store):
    def fails(folder):
        build(folder)
        raise RuntimeError("converter crashed")

    with pytest.raises(RuntimeError, match="converter crashed"):
        store.get_or_build("model", INPUTS, fails)
    assert everything(store) == ["model"]
    assert store.find("model", INPUTS) is None
    assert store.get_or_build("model", INPUTS, build).info == {"seconds": 1.5}


def test_interrupted_build_leaves_nothing(store):
    def stopped(folder):
        build(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get_or_build("model", INPUTS, stopped)
    assert everything(store) == ["model"]


def test_killed_build_is_not_an_artifact_and_the_next_one_goes_on(store):
    script = f"""
        import os, signal
        from pathlib import Path
        from lib.store.artifacts import Store
        def build(folder):
            (folder / "model.bin").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        Store(Path({str(store.root)!r})).get_or_build("model", {INPUTS!r}, build)
    """
    environment = os.environ | {"PYTHONPATH": str(config.ROOT)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert any("model.bin" in name for name in everything(store))  # what the killed build left
    assert store.find("model", INPUTS) is None
    made = store.get_or_build("model", INPUTS, build)
    assert everything(store) == sorted(
        f"model{'/' if rest else ''}{rest}"
        for rest in [
            "",
            made.key,
            *(f"{made.key}/{name}" for name in ("manifest.json", "payload", "payload/deep", "payload/deep/model.bin", "payload/notes.txt")),
        ]
    )


def test_nothing_is_seen_before_the_manifest_is_written(store):
    seen = []
    store.get_or_build("model", INPUTS, lambda folder: seen.append(store.find("model", INPUTS)) or build(folder))
    assert seen == [None]


def test_work_folder_outlives_a_failure_and_goes_with_success(store):
    work = store.work("model", INPUTS)

    def checkpoint_then_fail(folder):
        work.mkdir(parents=True)
        (work / "checkpoint").write_text("epoch 1")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.get_or_build("model", INPUTS, checkpoint_then_fail)
    assert (work / "checkpoint").exists()
    store.get_or_build("model", INPUTS, build)
    assert not work.exists()


def test_manifest_says_what_it_is(store):
    made = store.get_or_build("model", INPUTS, build)
    manifest = json.loads((made.path.parent / artifacts.MANIFEST).read_text())
    assert manifest["inputs"] == INPUTS
    assert set(manifest["files"]) == {"deep/model.bin", "notes.txt"}
    assert manifest["built_at"].endswith("+00:00")


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=4))
def test_key_does_not_depend_on_the_order_of_keys(inputs):
    assert key_of("k", inputs) == key_of("k", dict(reversed(inputs.items())))


@given(st.dictionaries(st.text(), JSON, max_size=4), st.dictionaries(st.text(), JSON, max_size=4), st.text(), st.text())
def test_key_tells_inputs_and_kinds_apart(a, b, kind, other):
    def same(x, y):
        return json.dumps(x, sort_keys=True) == json.dumps(y, sort_keys=True)

    assert (key_of(kind, a) == key_of(kind, b)) == same(a, b)
    assert (key_of(kind, a) == key_of(other, a)) == (kind == other)


@given(st.text(), st.dictionaries(st.text(), JSON, max_size=4))
def test_key_is_a_file_name(kind, inputs):
    key = key_of(kind, inputs)
    assert len(key) == 16
    assert set(key) <= set("0123456789abcdef")


def test_two_builders_of_one_artifact_build_it_once(tmp_path):
    """JupyterLab beside a run: the second waits for the first and takes what that has built."""
    built, store = [], Store(tmp_path / "artifacts")

    def build(folder: Path) -> None:
        built.append(folder)
        time.sleep(0.3)
        (folder / "x").write_text("x")

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: store.get_or_build("slow", {"a": 1}, build), range(2)))
    assert len(built) == 1
    assert made[0].sha256 == made[1].sha256


def test_another_artifact_under_this_ones_name_is_refused(store):
    """Whole and unaltered, but not what was asked for: its files were copied into the folder of another."""
    wanted, other = {"precision": "fp32"}, {"precision": "int8"}
    copied = store.get_or_build("engine", other, build).path.parent
    copied.rename(store.folder("engine", wanted))
    with pytest.raises(ArtifactError, match=r"manifest\.json: describes another engine; remove"):
        store.get_or_build("engine", wanted, build)


def test_bytes_are_those_of_the_manifest(store):
    stored = store.get_or_build("model", INPUTS, build)
    folder = stored.path.parent
    assert artifacts.read(folder, "deep/model.bin") == b"weights" * 100
    stored.file("deep/model.bin").write_bytes(b"swapped")  # after it was checked
    with pytest.raises(ArtifactError, match=r"model\.bin: altered or truncated"):
        artifacts.read(folder, "deep/model.bin")
    with pytest.raises(ArtifactError, match="nothing: cannot be read"):
        artifacts.read(folder, "nothing")
