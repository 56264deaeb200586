"""What notebook 08 shows beside numbers: which calls each TensorRT has, and which layers its engines consist of."""

from __future__ import annotations

from lib.pages.cross_version.calls import State
from lib.store.records import Exhibit


class Member(Exhibit):
    """A member of TensorRT's API. path: as in calls.yaml; here: version -> as lib/trt/members.py found it there, if it was asked."""

    path: str
    here: dict[str, State]


class Members(Exhibit):
    """What the bindings of each version have. versions: those that answered, the lowest first."""

    versions: list[str]
    members: list[Member]

    def state(self, path: str, version: str) -> State | None:
        """How a version has a member, None where it was not asked for it."""
        return next((member.here.get(version) for member in self.members if member.path == path), None)


class Layer(Exhibit):
    """A layer of a finished engine, as the inspector names it; type: what it runs in, "" not told; tactic: its kernel, "" not told."""

    name: str
    kind: str
    type: str
    tactic: str


class EngineLayers(Exhibit):
    """The layers of one engine, in its order. precision: key of PRECISIONS; variant: "" the usual; build: from 1 on."""

    tensorrt: str
    precision: str
    variant: str
    build: int
    layers: list[Layer]


class Layers(Exhibit):
    """Build 1 of every kind of engine, and each build whose kernels are others."""

    engines: list[EngineLayers]
