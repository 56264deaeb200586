"""The claims of the project before this one, as params/claims.yaml has them: where each stood, and by which rule it is answered."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from lib.errors import ConfigError
from lib.experiment import profile, strict
from lib.experiment.candidate import Candidate
from lib.experiment.strict import Strict
from lib.text import Text
from lib.words import Words

W = Words(__file__)
FILE = profile.PARAMS / "claims.yaml"
TOLERANCE = 0.2  # a ratio of another machine need not be met closer
ROUNDED = 0.05  # nor two numbers of one document that were rounded
TOPICS = ("accuracy", "speed", "size", "same", "version")


def _candidate(key: str) -> str:
    return Candidate.parse(key).key


Key = Annotated[str, AfterValidator(_candidate)]  # of a candidate
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Batch = Annotated[int, Field(ge=1)]


class Both(Strict):
    """A sentence in both languages."""

    en: Annotated[str, Field(min_length=1)]
    ja: Annotated[str, Field(min_length=1)]

    @property
    def text(self) -> Text:
        """As sentences of a page are."""
        return Text(self.en, self.ja)


class Place(Both):
    """Where a claim stood: a section, in words, of a document (a key of `documents`)."""

    document: str


# How a claim is answered ---------------------------------------------------------------------------------------------------------


class Times(Strict):
    """`of` is so many times as fast, as quickly loaded or as small as `over`; claimed: None for any number above 1.

    batch, over_batch: images a call of either, where that matters; tensorrt: how the version begins, "" any. unlike: what keeps any ratio
    of ours from telling: "device", what ran on a GPU there runs on a processor here; "pair", one side ran on a GPU, one on a processor.
    """

    kind: Literal["times"]
    metric: Literal["latency", "load_time", "file_size"]
    of: Key
    over: Key
    batch: Batch | None = None
    over_batch: Batch | None = None
    claimed: Positive | None = None
    tolerance: Positive = TOLERANCE
    tensorrt: str = ""
    unlike: Literal["", "device", "pair"] = ""


class Loss(Strict):
    """None of the candidates loses accuracy; than: what they are compared with, "" the reference."""

    kind: Literal["loss"]
    of: list[Key]
    than: str = ""


class Accuracy(Strict):
    """A candidate has this accuracy (a share). of_any_model: whether a model that was trained anew would have to have it, too."""

    kind: Literal["accuracy"]
    of: Key
    claimed: Annotated[float, Field(ge=0, le=1)]
    of_any_model: bool = True


class Same(Strict):
    """The candidates answer as `to` does ("": the reference). allowed: share of images that may change class; limit: of an output."""

    kind: Literal["same"]
    of: list[Key]
    to: str = ""
    allowed: Annotated[float, Field(ge=0, le=1)] = 0.0
    limit: Positive | None = None


class Batches(Strict):
    """The answers of an engine do not depend on the batch size."""

    kind: Literal["batches"]
    of: Key


class Best(Strict):
    """No batch size has a higher throughput."""

    kind: Literal["best"]
    of: Key
    batch: Batch


class Version(Strict):
    """TensorRT 10 is so many times as fast, or its engines as small, as those of 8."""

    kind: Literal["version"]
    number: Literal["speed", "size"]
    precision: str
    batch: Batch = 32
    claimed: Positive
    tolerance: Positive = TOLERANCE


class Ran(Strict):
    """Something does not exist on a TensorRT whose version begins so; refuted by any record of it there."""

    kind: Literal["ran"]
    of: Key
    metric: str
    tensorrt: str


class Absolute(Strict):
    """A time or an amount of another machine."""

    kind: Literal["absolute"]
    claimed: str


class Own(Strict):
    """A ratio of two of its own numbers: a / b."""

    kind: Literal["own"]
    a: Positive
    b: Positive
    claimed: Positive


class Baseline(Strict):
    """One configuration with two throughputs (images/s). claimed: the speed-up that counts from the one that was `used`."""

    kind: Literal["baseline"]
    used: Positive
    other: Positive
    claimed: Positive | None = None


class Transfers(Strict):
    """So many images in batches of a size take so many transfers."""

    kind: Literal["transfers"]
    images: Batch
    batch: Batch
    claimed: Batch


class Guessing(Strict):
    """What is said to work had so many images of so many classes right; of: what has an accuracy here."""

    kind: Literal["guessing"]
    correct: Count
    total: Batch
    classes: Batch
    of: Key


Rule = Annotated[
    Times | Loss | Accuracy | Same | Batches | Best | Version | Ran | Absolute | Own | Baseline | Transfers | Guessing,
    Field(discriminator="kind"),
]


# What its own numbers show -------------------------------------------------------------------------------------------------------


class Counts(Strict):
    """An accuracy that rests on so few images; classes: of them, where guessing is a question."""

    kind: Literal["counts"]
    correct: Count
    total: Batch
    classes: Batch | None = None


class Runs(Strict):
    """A time (s) as mean and standard deviation of a few runs."""

    kind: Literal["runs"]
    mean: Positive
    deviation: Positive
    runs: Annotated[int, Field(ge=2)]


class Unlike(Strict):
    """Sizes (MB) of two versions that are of two precisions; alike: what another table has of the new one in the old one's precision."""

    kind: Literal["unlike"]
    old: Positive
    new: Positive
    alike: Positive


class Note(Both):
    """Something to be read in the documents, in words."""

    kind: Literal["note"]


Evidence = Annotated[Counts | Baseline | Runs | Unlike | Own | Note, Field(discriminator="kind")]


# The ledger ----------------------------------------------------------------------------------------------------------------------


class Claim(Strict):
    """One claim. label: a few words, for figures; said: what is claimed; places: where; rule: what answers it."""

    topic: Literal["accuracy", "speed", "size", "same", "version"]
    label: Both
    said: Both
    places: Annotated[list[Place], Field(min_length=1)]
    rule: Rule
    evidence: tuple[Evidence, ...] = Field(default=(), strict=False)


class Ledger(Strict):
    """All claims by key. hardware: the GPU that they were measured on; documents: what the places name."""

    hardware: str
    documents: dict[str, Both]
    claims: Annotated[dict[str, Claim], Field(min_length=1)]

    @model_validator(mode="after")
    def places_are_known(self) -> Ledger:
        """Every place names a document."""
        for key, claim in self.claims.items():
            for place in claim.places:
                if place.document not in self.documents:
                    raise ValueError(f"claims.{key}: no document '{place.document}'; there are: {', '.join(self.documents)}")
        return self


@cache
def read(path: Path = FILE) -> Ledger:
    """The ledger of a file. Raises ConfigError, one line that names file and key, for what is wrong with it."""
    shown = str(path.relative_to(profile.ROOT)) if path.is_relative_to(profile.ROOT) else str(path)
    values = strict.read(path, shown)
    try:
        return Ledger.model_validate(values)
    except ValidationError as error:
        raise ConfigError(strict.line(f"{shown}: {strict.said(error)}")) from None
