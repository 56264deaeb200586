"""What notebook 05 shows beside numbers: images to which a runner gives another class than the reference."""

from __future__ import annotations

from lib.store.records import Exhibit


class Disagreement(Exhibit):
    """One image that a candidate (its key) classifies differently from the reference.

    image: its index in the test set; png: the image, base64; true, expected, got: classes (true label, None where nobody knows
    it, reference's, candidate's); p_expected, p_got: the probability that reference and candidate give to their
    own class; difference: largest absolute difference of an output.
    """

    image: int
    png: str
    candidate: str
    true: int | None
    expected: int
    p_expected: float
    got: int
    p_got: float
    difference: float


class Disagreements(Exhibit):
    """worst: largest difference first, each image once, with the candidate that differs most; differing: images that some
    candidate classifies differently; images: in the test set."""

    worst: list[Disagreement]
    differing: int
    images: int
