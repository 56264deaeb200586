"""What all tests share: outputs in a temporary folder, and a classifier that is trained in seconds."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import coverage
import hypothesis
import pytest
import yaml

from lib import session
from lib.experiment import profile as config
from lib.session import Session

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
for _of_make in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PROFILE", "OUTPUTS", "FROM", "TO", "MINUTES", "STRICT", "SYSTEM", "TESTS"):
    os.environ.pop(_of_make, None)  # under `make test`
PYTHONS = os.environ.pop("TENSORRT_PYTHONS", "")  # for tests/test_gpu_versions.py alone: any other report would build for minutes
COVERAGE = "COVERAGE_PROCESS_CONFIG"  # what tells coverage in another process that it is wanted
hypothesis.settings.register_profile("report", deadline=None, max_examples=50)  # no deadline: machines differ
hypothesis.settings.load_profile("report")

# The quickstart with a far smaller network: over 90 % of the digits after three epochs.
TINY = {
    "train": {
        "conv_filters": [[8], [16]],
        "dense_units": 32,
        "epochs": 3,
        "batch_size": 32,
        "peak_learning_rate": 0.1,
        "crop_padding": 1,
        "validation_images": 97,
        "minimum_accuracy": 0.8,
    },
    "export": {"calibration_images": 64, "samples": 10},
    "int8": {"image_counts": [32, 64]},
    "consistency": {"worst_samples": 4},
    "measuring": {"warmup_s": 0.01, "slice_s": 0.01, "rounds": 3, "tolerance": 0.5},
    "batching": {"batch_sizes": [1, 8, 32]},
    "fast": {"batch_sizes": [8], "precisions": ["fp16"], "rounds": 3, "slice_s": 0.005, "warmup_s": 0.005, "server_s": 0.2},
}

# Coverage looks into the kernels and programs that tests start, which costs them a third more time. Of these files it does not: what
# they start is the project's code run once more, which tests/test_own_report.py, tests/test_cli.py or a test in this process covers.
UNCOVERED = {
    "test_added",
    "test_added_page",
    "test_cpp_runner",
    "test_notebooks",
    "test_own_recorded",
    "test_pages_browser",
    "test_report_render",
    "test_report_run",
    "test_seal",
    "test_share",
    "test_training",
}
DRAWING = "test_figures"  # coverage looks away from it: every figure that it draws, a test of its page draws too


@pytest.fixture(scope="module", autouse=True)
def covered(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whether coverage looks into what a test file starts, and does."""
    measuring = coverage.Coverage.current() if request.path.stem == DRAWING else None
    with pytest.MonkeyPatch.context() as patch:
        if request.path.stem in UNCOVERED:
            patch.delenv(COVERAGE, raising=False)
        if measuring:
            measuring.stop()
        yield
        if measuring:
            measuring.start()


@pytest.fixture(scope="session", autouse=True)
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Everything that a test run writes lies here, never in the project's outputs/."""
    folder = tmp_path_factory.mktemp("outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(session.OUTPUTS, str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile `tiny.yaml` whose whole report takes seconds."""
    path = tmp_path_factory.mktemp("profile") / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny(), sort_keys=False))
    return path


@pytest.fixture(scope="session")
def quick(tiny_profile: Path, outputs: Path) -> Session:
    """A session on the tiny profile with its classifier trained. Stage "test"; do not change what it stores."""

    opened = Session(config.load(str(tiny_profile)), "test")
    _ = opened.model
    return opened


@pytest.fixture
def write_profile(tmp_path: Path) -> Callable[..., Path]:
    """`write_profile(**{"train.epochs": 1})` writes a changed tiny profile, `p.yaml`, into `tmp_path`; None removes a key."""

    def write(stem: str = "p", **changes: Any) -> Path:
        values = changed(tiny(), changes)
        path = tmp_path / f"{stem}.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    return write


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The values of a profile with `{"train.epochs": 1}` put in; None removes a key."""
    for dotted, value in changes.items():
        section, _, key = dotted.partition(".")
        holder, key = (values[section], key) if key else (values, section)
        if value is None:
            del holder[key]
        else:
            holder[key] = value
    return values


def tiny() -> dict[str, Any]:
    """The values of the tiny profile, to be changed freely."""
    values = yaml.safe_load((config.PARAMS / "quickstart.yaml").read_text())
    for section, changes in copy.deepcopy(TINY).items():
        values[section] |= changes
    return values


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`disk(kib)` mounts a disk of that many KiB and returns its folder. Skips where this user may not mount one."""
    mounted: list[Path] = []

    def mount(kib: int) -> Path:
        folder = tmp_path / f"disk{kib}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)
