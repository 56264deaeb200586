"""`work/unfinished.json`: a run with a limit in minutes, as long as it is not finished, so that the same command can go on with it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from pydantic import JsonValue
from pydantic.dataclasses import dataclass as checked

from lib.data import dataset
from lib.errors import shown
from lib.experiment import system
from lib.experiment.profile import ONNX, Profile
from lib.experiment.strict import STRICT, said
from lib.measure import kept
from lib.models import onnx_graph
from lib.progress import say
from lib.store import files


@checked(config=STRICT)
class Unfinished:
    """What a run is asked, and what of it is done.

    profile: its values; own: hash over the user's own model and images, "" for none; notebooks: stages, in order; chosen: whether --from
    or --to was given; done: stages that were executed to their end, the first ones of `notebooks`.
    """

    system_id: str
    profile: dict[str, JsonValue]
    own: str
    notebooks: list[str]
    chosen: bool
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))
    started_at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    done: list[str] = field(default_factory=list)


@dataclass
class Job:
    """A run on its way. outputs: outputs/PROFILE; lasting: whether it is kept how far it has come."""

    outputs: Path
    state: Unfinished
    lasting: bool

    def done(self, stage: str) -> None:
        """One more notebook was executed to its end."""
        self.state = replace(self.state, done=[*self.state.done, stage])
        self.keep()
        kept.forget(self.outputs, stage)

    def keep(self) -> None:
        """Keep how far it has come."""
        if self.lasting:
            files.write_text(path(self.outputs), json.dumps(asdict(self.state), indent=1, ensure_ascii=False) + "\n")

    def forget(self) -> None:
        """It is finished, or another one begins in its place: nobody goes on with it."""
        with files.writable(self.outputs):
            path(self.outputs).unlink(missing_ok=True)
        kept.forget(self.outputs)


def begin(outputs: Path, profile: Profile, notebooks: Sequence[str], chosen: bool, recorded: Mapping[str, str], lasting: bool) -> Job:
    """What an unfinished run that was asked the same has left to do, else a run of its own, of these notebooks, on this system.

    recorded: stage -> id of the run that its records on this system are from; what another run has replaced is not done. lasting: whether
    a run of its own can be gone on with.
    """
    values = json.loads(json.dumps(profile.model_dump()))  # as they are read again
    own = _own(profile) if lasting or path(outputs).exists() else ""
    new = Unfinished(system.system_id(), values, own, list(notebooks), chosen)
    going_on = _found(path(outputs), new, recorded)
    job = Job(outputs, going_on or new, lasting or going_on is not None)
    if going_on is None:
        job.forget()
    job.keep()
    return job


def path(outputs: Path) -> Path:
    """Where it lies. outputs: outputs/PROFILE."""
    return outputs / "work" / "unfinished.json"


def _found(file: Path, new: Unfinished, recorded: Mapping[str, str]) -> Unfinished | None:
    """The unfinished run, where it was asked the same as `new`; says that it goes on, or why it does not."""
    try:
        run = Unfinished(**json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        say(f"{shown(file)}: does not say how far a run came ({said(error)}); this run begins anew")
        return None
    began = run.started_at.replace("T", " ")[:16]
    if why := _differs(run, new):
        say(f"the run of {began} UTC that was not finished is given up: {why}; this run begins anew")
        return None
    done = []
    for stage in run.notebooks:
        if stage not in run.done or recorded.get(stage) != run.run_id:
            break
        done.append(stage)
    anew = f"remove {shown(file)}" if run.chosen else f"--from {run.notebooks[0][:2]} (make: FROM={run.notebooks[0][:2]})"
    say(f"going on with the run of {began} UTC; done: {', '.join(done) or 'no notebook'}; to begin anew: {anew}")
    return replace(run, done=done)


def _differs(run: Unfinished, new: Unfinished) -> str:
    """What of what was asked then is not asked now, "" for nothing."""
    if run.system_id != new.system_id:
        return f"it was on another system, {run.system_id}"
    if run.profile != new.profile:
        sections = [key for key in run.profile.keys() | new.profile.keys() if run.profile.get(key) != new.profile.get(key)]
        return f"the profile has changed ({', '.join(sorted(sections))})"
    if run.own != new.own:
        return "the files of the model or of the images have changed"
    if run.notebooks != new.notebooks:
        return "it was of other notebooks"
    return "--from or --to is given" if new.chosen and not run.chosen else ""


def _own(profile: Profile) -> str:
    """Hash over the user's own files: all bytes of the model and of an .npz, names and sizes in a folder of images. "" for none."""
    digest = hashlib.sha256()
    for line in _lines(profile):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()[:16] if profile.model else ""


def _lines(profile: Profile) -> Iterator[str]:
    settings = profile.dataset
    if profile.model is None:
        return
    model = profile.path(profile.model.file)
    outside = onnx_graph.weights_beside(model) if model.name.lower().endswith(ONNX) else []
    own = [profile.path(named) for named in (settings.npz, settings.classes) if named]
    for file in [*(_below(model) if model.is_dir() else [model]), *outside, *own]:
        yield f"{file.name} {files.sha256(file)}"
    if dataset.own_images(settings) and settings.folder:
        images = profile.path(settings.folder)
        yield from (f"{file.relative_to(images)} {file.stat().st_size}" for file in _below(images))


def _below(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())
