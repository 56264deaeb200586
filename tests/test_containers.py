"""docker/ and environment.yml: what they say, and, where asked for, images that are really built and used.

CONTAINERS='tf trt10=/folder' builds these with docker/build.sh (root, buildah and debootstrap needed; minutes each); the folder holds what
NVIDIA's image would bring, laid over Debian's. CONTAINERS=environment resolves the packages of environment.yml.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement

from lib.experiment import profile as config
from lib.plans import remote

ROOT = config.ROOT
DOCKER = ROOT / "docker"
SERVICES = ("tf", "trt8", "trt10")
ASKED = dict(one.partition("=")[::2] for one in os.environ.get("CONTAINERS", "").split())
LOCKED = re.compile(r"^([a-z0-9._-]+)==(\S+)(?: ; (.*))? \\$", re.MULTILINE)


def dockerfile(service: str) -> str:
    return (DOCKER / f"{service}.Dockerfile").read_text()


def compose() -> dict:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]


def names(path: str) -> set[str]:
    return {Requirement(line).name for line in (ROOT / path).read_text().splitlines() if line and line[0] not in "#-"}


def listed() -> list[str]:
    """What environment.yml asks pip for."""
    parts = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return next(part["pip"] for part in parts if isinstance(part, dict))


def test_there_is_a_service_for_each_dockerfile() -> None:
    assert set(compose()) == set(SERVICES) == {path.name.split(".")[0] for path in DOCKER.glob("*.Dockerfile")}
    for name, service in compose().items():
        assert service["build"] == {"context": "..", "dockerfile": f"docker/{name}.Dockerfile"}


@pytest.mark.parametrize("service", SERVICES)
def test_services_mount_project_and_caches_reserve_the_gpu_and_open_nothing_to_others(service: str) -> None:
    told = compose()[service]
    assert dict(volume.split(":") for volume in told["volumes"]) == {"..": "/workspace", "./home": "/home/report"}
    assert (DOCKER / "home" / ".gitignore").is_file()  # the folder is there before Docker makes one that belongs to root
    assert told["user"] == "${REPORT_UID:-1000}:${REPORT_GID:-1000}"
    assert told["deploy"]["resources"]["reservations"]["devices"] == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    assert told["network_mode"] == "host"  # with JupyterLab on its default, loopback
    assert "ports" not in told
    assert not re.search(r"\bip\b|0\.0\.0\.0|token *=", dockerfile(service))


@pytest.mark.parametrize("service", SERVICES)
def test_images_take_another_base_end_as_nobody_special_and_copy_only_what_is_let_in(service: str) -> None:
    lines = dockerfile(service).splitlines()
    assert any(re.match(r"ARG BASE=\S+$", line) for line in lines)
    assert [line for line in lines if line.startswith("FROM")][-1] == "FROM ${BASE}"
    assert [line for line in lines if line.startswith("USER")] == ["USER report"]
    assert not any(line.startswith(("RUN", "COPY")) for line in lines[lines.index("USER report") :])
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]}
    assert copied <= let_in
    assert all((ROOT / name).is_file() for name in let_in)
    assert "REPORT_PYTHON=/opt/venv/bin/python" in dockerfile(service)


def test_make_in_an_image_leaves_the_environment_of_the_machine_alone() -> None:
    environment = os.environ | {"REPORT_PYTHON": "/opt/venv/bin/python", "REPORT_BUILD": "build/trt8"}
    told = subprocess.run(["make", "-n", "lab", "cpp", "report", "test"], cwd=ROOT, env=environment, capture_output=True, text=True).stdout
    assert "exec /opt/venv/bin/python -m lib lab" in told
    assert ".venv" not in told.replace("/opt/venv", "").replace("/.venv.lock", "")
    assert "-B build/trt8/cpp " in told
    assert "build/cpp" not in told


def test_both_tensorrts_are_started_by_the_commands_of_one_file() -> None:
    found = remote.commands("docker/pythons.txt")
    assert [command[-2:] for command in found] == [["trt8", "python3"], ["trt10", "python3"]]
    for command in found:
        assert command[:3] == ["docker", "compose", "-f"]
        assert (ROOT / command[3]).is_file()
        assert "-T" in command  # no terminal, which would alter the bytes that a worker says
        assert command[-2] in compose()


def test_images_of_tensorrt_have_all_that_the_report_imports_but_tensorflow() -> None:
    elsewhere = {"tensorflow", "keras", "tf2onnx", "onnxruntime", "uv", "tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu13-libs"}
    assert names("docker/requirements-trt.txt") == names("requirements.in") - elsewhere | {"pycuda"}
    assert all(re.search(r"onnxruntime", dockerfile(service)) for service in ("trt8", "trt10"))


def test_images_of_tensorrt_take_the_versions_of_the_lock() -> None:
    taken = re.compile(r"sed -n '([^']+)' /tmp/requirements.lock > /tmp/versions.txt")
    (expression,) = {taken.search(dockerfile(service))[1] for service in ("trt8", "trt10")}
    command = ["sed", "-n", expression, "requirements.lock"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(found) == len(LOCKED.findall((ROOT / "requirements.lock").read_text()))
    assert "hash" not in "".join(found)
    assert {Requirement(line).name for line in found} >= names("requirements.in")


def test_the_environment_agrees_with_the_lock() -> None:
    # Its Python's versions of what both name; every other package of requirements.in is there too, or stands in for one.
    here = {"python_full_version": "3.12.0", "python_version": "3.12", "sys_platform": "linux", "platform_machine": "x86_64"}
    lock = {
        name: version
        for name, version, marker in LOCKED.findall((ROOT / "requirements.lock").read_text())
        if not marker or Requirement(f"{name} ; {marker}").marker.evaluate(here)
    }
    asked = {one.name: one for one in map(Requirement, listed())}
    both = [one for name, one in asked.items() if name in lock]
    assert len(both) > 20
    assert [str(one) for one in both if not one.specifier.contains(lock[one.name])] == []
    instead = {"onnxruntime", "tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu13-libs", "uv"}
    assert names("requirements.in") - set(asked) == instead
    assert set(asked) - names("requirements.in") == {"onnxruntime-gpu", "tensorrt-cu12"}
    assert "python=3.12" in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


@pytest.mark.slow
@pytest.mark.skipif("environment" not in ASKED, reason="CONTAINERS=environment asks for it; needs a registry")
def test_the_packages_of_the_environment_can_be_had_together(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("\n".join([*listed(), "pycuda==2026.1"]))
    # NVIDIA's own registry has it, and its package ends where that cannot be reached.
    (tmp_path / "without.txt").write_text("tensorrt-cu12-libs ; python_version < '3'")
    command = [sys.executable, "-m", "uv", "pip", "compile", "--python-version", "3.12", "--python-platform", "linux", "--overrides"]
    solved = subprocess.run([*command, tmp_path / "without.txt", tmp_path / "in.txt"], capture_output=True, text=True)
    assert solved.returncode == 0, solved.stderr
    assert re.search(r"^tensorrt-cu12==10\.", solved.stdout, re.MULTILINE)


class Image(NamedTuple):
    """An image that was built, and a copy of the project that belongs to the user in it."""

    service: str
    storage: Path
    project: Path

    def buildah(self, *words: str) -> list[str]:
        return ["buildah", "--storage-driver", "vfs", "--root", str(self.storage), "--runroot", f"{self.storage}-run", *words]

    def inside(self, *command: str, **environment: str) -> list[str]:
        """The command that runs a command in it, as compose.yaml would."""
        volumes = [word for pair in compose()[self.service]["volumes"] for word in ("--volume", self._here(pair))]
        given = [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
        return self.buildah("run", "--isolation", "chroot", "--user", "1000:1000", *volumes, *given, self.service, "--", *command)

    def said(self, *command: str, minutes: float = 10, **environment: str) -> str:
        done = subprocess.run(self.inside(*command, **environment), capture_output=True, text=True, timeout=60 * minutes)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def _here(self, volume: str) -> str:
        outside, inside = volume.split(":")
        return f"{(self.project / 'docker' / outside).resolve()}:{inside}"


@pytest.fixture(scope="module", params=SERVICES)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    service = request.param
    if service not in ASKED:
        pytest.skip(f"CONTAINERS={service} asks for it")
    folder = tmp_path_factory.mktemp(service)
    made = Image(service, folder / "storage", folder / "project")
    environment = os.environ | {"STORAGE": str(made.storage), "BUILD_ARGS": "TENSORFLOW=tensorflow" if service == "tf" else ""}
    try:
        built = subprocess.run(["docker/build.sh", service, ASKED[service]], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert built.returncode == 0, (built.stdout + built.stderr)[-5000:]
        subprocess.run(made.buildah("from", "--pull=never", "--name", service, f"localhost/report-{service}"), check=True)
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        for name in {*filter(None, tracked), "docker/home/.gitignore"}:
            if (ROOT / name).is_file():
                (made.project / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, made.project / name)
        subprocess.run(["chown", "-R", "1000:1000", str(made.project)], check=True)
        yield made
    finally:
        subprocess.run(made.buildah("rm", "--all"), check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_image_serves_somebody_who_is_not_root(image: Image) -> None:
    assert image.said("id", "-u").strip() == "1000"
    assert image.said("make", "-n", "lab").startswith("exec /opt/venv/bin/python")
    image.said("sh", "-c", "touch /workspace/outputs/mine /home/report/cache && ! touch /opt/venv/mine 2>/dev/null")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_image_of_tensorflow_writes_the_quickstart_report(image: Image) -> None:
    if image.service != "tf":
        pytest.skip("it has no TensorFlow")
    image.said("make", "report", minutes=30)
    (page,) = (image.project / "outputs" / "quickstart" / "html").glob("*/en/index.html")
    assert (page.parents[1] / "ja" / "index.html").is_file()
    assert page.stat().st_uid == 1000
    told = json.loads((page.parents[1] / "verdict.json").read_text())
    assert told["verdict"] == "undecided"  # an image has no GPU unless the machine lends it one


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_image_opens_jupyterlab_on_loopback_with_a_token(image: Image) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    token, at = secrets.token_hex(8), f"http://127.0.0.1:{port}/api"
    command = image.inside("make", "lab", JUPYTER_TOKEN=token, JUPYTER_PORT=str(port))
    lab = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert answered(f"{at}", 120) == 200
        assert (answered(f"{at}/status"), answered(f"{at}/status?token=guessed")) == (403, 403)
        assert answered(f"{at}/status?token={token}") == 200
        listens = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"}
        assert f"0100007F:{port:04X}" in listens
        assert f"00000000:{port:04X}" not in listens
        urllib.request.urlopen(urllib.request.Request(f"{at}/shutdown", method="POST", headers={"Authorization": f"token {token}"}))
        lab.wait(30)
    finally:
        if lab.poll() is None:
            os.killpg(lab.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_image_of_tensorrt_holds_a_worker(image: Image) -> None:
    if image.service == "tf":
        pytest.skip("it has no TensorRT for NVIDIA GPUs")
    version = image.said("python3", "-c", "import tensorrt; print(tensorrt.__version__)").strip()
    assert version.startswith({"trt8": "8.5.", "trt10": "10."}[image.service])
    one = remote.Worker(image.inside("python3"))
    try:
        assert (one.tensorrt, one.about["cuda"]) == (version, True)
    finally:
        one.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_image_of_tensorrt_compiles_the_cpp_runner(image: Image) -> None:
    if image.service == "tf":
        pytest.skip("it has no compiler")
    assert "100% tests passed" in image.said("make", "cpp")
    found = sorted((image.project / "build" / image.service).glob("cpp-*/runner"))
    if found:  # the folder that was laid over the base brought the headers
        told = json.loads(image.said("/workspace/" + str(found[0].relative_to(image.project)), "--version"))
        assert found[0].parent.name == f"cpp-{told['tensorrt']}"


def answered(address: str, seconds: float = 5) -> int:
    """The status of an address that may not be there yet, 0 where nobody answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(address, timeout=10).status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            if time.monotonic() > until:
                return 0
            time.sleep(1)
