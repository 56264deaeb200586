"""What production asks of a model: the `accept` section of a profile. Each key names its percentile and its unit."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.experiment.sections import Distinct
from lib.experiment.strict import Misfit, Strict

RUNNERS = ("tensorrt", "cpp")  # that may be accepted: TensorRT called from Python and from C++
AGREEMENT = 0.99  # asked where nobody labelled the images and the profile says nothing

Positive = Annotated[float, Field(gt=0)]


def _candidates(given: list[str]) -> list[str]:
    known = [Candidate(runner, precision).key for runner in RUNNERS for precision in PRECISIONS]
    if unknown := [key for key in given if key not in known]:
        raise ValueError(f"'{unknown[0]}' cannot be accepted; there are: {', '.join(known)}")
    return given


class Accept(Strict):
    """Limits that a candidate must surely keep (lib/verdict); null, or not written where the default is null: not asked.

    candidates: keys such as tensorrt/int8, null for every TensorRT candidate that runs here; accuracy_loss_points: largest loss of accuracy
    against the reference, percentage points; agreement: smallest share of images with the reference's class, null for AGREEMENT where
    nobody labelled the images; latency_p99_ms: at batch size 1, end to end; throughput: images/s end to end at precision.batch_size;
    plan_mb: 10^6 bytes; same_in_cpp: whether C++ must give every image the class that Python gives it.
    """

    candidates: Annotated[list[str], Field(min_length=1), Distinct, AfterValidator(_candidates)] | None = None
    accuracy_loss_points: Annotated[float, Field(ge=0, lt=100)] | None = 1.0
    agreement: Annotated[float, Field(gt=0, lt=1)] | None = None
    latency_p99_ms: Positive | None = None
    throughput: Positive | None = None
    plan_mb: Positive | None = None
    same_in_cpp: bool = False

    @property
    def asked(self) -> list[Candidate] | None:
        """The candidates that are named, None where none is."""
        return None if self.candidates is None else [Candidate.parse(key) for key in self.candidates]

    @model_validator(mode="after")
    def asks_of_the_answers(self) -> Accept:
        if self.accuracy_loss_points is None and self.agreement is None:
            raise Misfit("accept.agreement", "without accuracy_loss_points nothing is asked of the answers; write an agreement, e.g. 0.99")
        return self
