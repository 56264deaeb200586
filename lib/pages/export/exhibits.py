"""What notebook 02 shows beside numbers: what is inside the exported files, and which samples there are."""

from __future__ import annotations

from lib.store.records import Exhibit


class File(Exhibit):
    """One exported model. candidate: key of the one that checks it; nodes: how many of each operator; opset: of ONNX."""

    candidate: str
    nodes: dict[str, int]
    opset: int | None = None


class Files(Exhibit):
    """Every exported model, in the order of the report."""

    files: list[File]


class Sample(Exhibit):
    """A file of samples for other programs, and its size."""

    name: str
    bytes: int


class Samples(Exhibit):
    """The files of samples."""

    files: list[Sample]
