"""Content-keyed store of what is expensive to make: build once, check on every use, never half-written.

`<root>/<kind>/<key>/payload/…` and `manifest.json`, where key = sha256 over the kind, the builder's version,
its parameters and the hashes of its inputs. A payload that does not match its manifest is refused.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lib.errors import ArtifactError
from lib.store import files

MANIFEST = "manifest.json"
ALTERED = "altered or truncated"


@dataclass(frozen=True)
class Artifact:
    """One built thing. path: of its payload; sha256: over names and contents of all payload files; info: what its builder said of it."""

    kind: str
    key: str
    path: Path
    sha256: str
    inputs: dict[str, Any]
    info: dict[str, Any]

    def file(self, name: str) -> Path:
        """Path of a payload file or folder."""
        return self.path / name

    def size(self, name: str = "") -> int:
        """Bytes of one payload file, of all files below a payload folder, or of the whole payload."""
        path = self.path / name if name else self.path
        return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


@dataclass(frozen=True)
class Store:
    """The artifacts below one folder, `outputs/PROFILE/artifacts`."""

    root: Path

    def get_or_build(self, kind: str, inputs: dict[str, Any], build: Callable[[Path], dict[str, Any] | None]) -> Artifact:
        """The artifact of these inputs, built by `build(folder)` if it is not there yet.

        `inputs` is JSON: builder version, parameters, hashes of the inputs. `build` writes files into `folder`
        and returns what the manifest should say beside them. Raises ArtifactError if a stored payload was altered.
        """
        if found := self.find(kind, inputs):
            return found
        from filelock import FileLock

        final = self.folder(kind, inputs)
        with files.writable(self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            lock = self.root.parent / "work" / "locks" / f"{kind}-{final.name}"
            lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock), files.writable(self.root):
            if found := self.find(kind, inputs):
                return found  # another process, JupyterLab beside a run, has built it meanwhile
            for stale in final.parent.glob(f".{final.name}.*"):  # of a build that was killed
                shutil.rmtree(stale, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}.", ignore_cleanup_errors=True) as temporary:
                made = Path(temporary) / final.name
                payload = made / "payload"
                payload.mkdir(parents=True)
                info = build(payload) or {}
                manifest = {"kind": kind, "key": final.name, "inputs": inputs, "info": info, "files": _listing(payload)}
                manifest["built_at"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
                files.write_text(made / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))
                made.rename(final)
        shutil.rmtree(self.work(kind, inputs), ignore_errors=True)
        return load(final)

    def find(self, kind: str, inputs: dict[str, Any]) -> Artifact | None:
        """The stored artifact of these inputs, checked against its manifest, or None."""
        folder = self.folder(kind, inputs)
        if not (folder / MANIFEST).is_file():
            return None
        found = load(folder)
        if key_of(found.kind, found.inputs) != folder.name:  # files that were copied here from another artifact
            raise _refused(folder, MANIFEST, f"describes another {found.kind}")
        return found

    def folder(self, kind: str, inputs: dict[str, Any]) -> Path:
        """Where the artifact of these inputs lies or would lie."""
        return self.root / kind / key_of(kind, inputs)

    def work(self, kind: str, inputs: dict[str, Any]) -> Path:
        """A folder for what a long build keeps between two tries (checkpoints). Removed once the artifact is there."""
        return self.root.parent / "work" / f"{kind}-{key_of(kind, inputs)}"


def key_of(kind: str, inputs: dict[str, Any]) -> str:
    """The first 16 hex digits of sha256 over kind and inputs, independent of the order of keys."""
    return hashlib.sha256(json.dumps([kind, inputs], sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def load(folder: Path) -> Artifact:
    """Read an artifact and check every payload file against the manifest.

    Raises ArtifactError that names the file which is missing, added or altered, and how to rebuild.
    """
    manifest = read_manifest(folder)
    listed, there = manifest["files"], _listing(folder / "payload")
    for name in sorted(listed.keys() | there.keys()):
        if listed.get(name) != there.get(name):
            what = "missing" if name not in there else ALTERED if name in listed else "not in its manifest"
            raise _refused(folder, f"payload/{name}", what)
    digest = hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    return Artifact(manifest["kind"], manifest["key"], folder / "payload", digest, manifest["inputs"], manifest["info"])


def read(folder: Path, name: str) -> bytes:
    """The bytes of one payload file of an artifact, read once and compared with its manifest.

    For what must be exactly what was checked: another process may change a file after `load`. Raises ArtifactError.
    """
    try:
        data = (folder / "payload" / name).read_bytes()
    except OSError as error:
        raise _refused(folder, f"payload/{name}", f"cannot be read ({error.strerror})") from None
    if hashlib.sha256(data).hexdigest() != read_manifest(folder)["files"].get(name):
        raise _refused(folder, f"payload/{name}", ALTERED)
    return data


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the manifest in `folder` says; the payload is not looked at. Raises ArtifactError for one that is unreadable."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not manifest.keys() >= {"kind", "key", "inputs", "info", "files"} or not isinstance(manifest["inputs"], dict):
            raise ValueError("fields are missing")
        return manifest
    except (OSError, ValueError, AttributeError) as error:
        raise _refused(folder, MANIFEST, f"unreadable ({error})") from None


def _refused(folder: Path, file: str, what: str) -> ArtifactError:
    return ArtifactError(f"{folder / file}: {what}; remove {folder} to have it built again")


def _listing(payload: Path) -> dict[str, str]:
    return {p.relative_to(payload).as_posix(): files.sha256(p) for p in sorted(payload.rglob("*")) if p.is_file()}
