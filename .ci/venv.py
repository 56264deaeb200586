"""Makes .venv from a lock file, once: `python3 .ci/venv.py run` or `… dev` (what the Makefile calls).

Runs on the system's own Python, so it uses nothing but the standard library and says plainly when that Python will not do.
The stamp `.venv/complete.json` is written last and names the lock that is installed: an installation that was killed
has none and is done again from the beginning, a changed lock is installed again, anything else takes no time.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator  # noqa: UP035 (this file also runs on a Python that is too old, to say so)

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "complete.json"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}  # dev holds everything that run holds
OLDEST, NEWEST = (3, 10), (3, 13)
AGAIN = "Is the package registry reachable? Then run the same command again."


def main(wanted: str) -> None:
    """Bring .venv to what `wanted` ("run" or "dev") needs."""
    with one_at_a_time():
        stamp = read_stamp()
        for name in ("dev", "run") if wanted == "run" else ("dev",):
            if stamp.get("lock") == digest(LOCKS[name]):
                return
        # A dev environment whose run lock changed stays a dev environment.
        install("dev" if wanted == "dev" or stamp.get("name") == "dev" else "run", whole=bool(stamp))


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two `make` started together: the second waits until the first has installed."""
    try:
        import fcntl
    except ImportError:
        sys.exit("The report needs Linux or macOS (on Windows: WSL 2).")
    with open(ROOT / ".venv.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another make is installing into .venv; waiting for it.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_stamp() -> dict:
    """What is installed, {} if nothing is, if it was not finished, or if .venv was moved or lost its Python."""
    try:
        stamp = json.loads(STAMP.read_text())
        works = subprocess.run([str(PYTHON), "-c", ""], capture_output=True).returncode == 0
        return stamp if works and stamp["folder"] == str(VENV) else {}
    except (OSError, ValueError, KeyError):
        return {}


def digest(lock: Path) -> str:
    """Hex SHA-256 of a lock file."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def install(name: str, whole: bool) -> None:
    """Make .venv hold exactly what a lock names. `whole`: .venv is a finished environment, of another lock."""
    if whole:
        STAMP.unlink()
    else:
        create()
    print(f"Installing {LOCKS[name].name} into .venv (once; the first time it downloads more than a gigabyte)", flush=True)
    install_uv(LOCKS[name])
    lock = str(LOCKS[name])
    if call([str(VENV / "bin" / "uv"), "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", "--python", str(PYTHON), lock]):
        print("uv could not (see above); trying the same with pip, which takes longer", flush=True)
        advise(pip_install("--require-hashes", "-r", lock), "The packages could not be installed (see above). " + AGAIN)
    STAMP.write_text(json.dumps({"name": name, "lock": digest(LOCKS[name]), "folder": str(VENV)}))


def create() -> None:
    """An empty .venv of a Python that the locks are made for."""
    here = sys.version_info[:2]
    if not OLDEST <= here <= NEWEST:
        sys.exit(
            f"Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]} is needed, {sys.executable} is {here[0]}.{here[1]}. "
            "Name another: make PYTHON=python3.11 …"
        )
    shutil.rmtree(str(VENV), ignore_errors=True)
    hint = "This Python cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"
    advise(call([sys.executable, "-m", "venv", str(VENV)]), hint)


def install_uv(lock: Path) -> None:
    """The installer itself, with the version and the hashes that stand in the lock."""
    pinned = re.search(r"^uv==.*\n(?:    --hash=.*\n?)+", lock.read_text(), re.MULTILINE).group()
    wanted = VENV / "uv.txt"
    wanted.write_text(pinned)
    advise(pip_install("--no-deps", "--require-hashes", "-r", str(wanted)), "uv could not be installed (see above). " + AGAIN)


def pip_install(*arguments: str) -> int:
    """pip's exit status. pip knows mirrors, proxies and certificates from its own settings, which uv does not read."""
    return call([str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


def call(command: list) -> int:
    """The exit status of a command that runs with no variable of an outer environment in its way."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(command, env=environment, cwd=str(ROOT)).returncode


def advise(status: int, hint: str) -> None:
    """End with one line of advice where a command failed."""
    if status:
        sys.exit(hint)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        sys.exit("usage: python3 .ci/venv.py run|dev")
    main(sys.argv[1])
