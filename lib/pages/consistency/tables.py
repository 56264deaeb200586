"""The study of notebook 05: how far every runner's answers lie from every other's over the whole test set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.errors import NotMeasured, ReportError
from lib.experiment import candidate as pairs
from lib.experiment.candidate import Pair
from lib.experiment.precision import PRECISIONS
from lib.measure import compare, predictions
from lib.show import table as show
from lib.store.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.measure.compare import Difference
    from lib.store.artifacts import Artifact
    from lib.store.session import Session

REFERENCE = "/".join(pairs.REFERENCE)
METRICS = ("max_abs_difference", "mean_abs_difference", "cosine", "agreement")


@dataclass(frozen=True)
class Study:
    """answers: pair key -> float32 (N, classes); matrix: two keys -> Difference; artifacts: pair key -> sha256.

    reference_system: the system that gave the reference's answers.
    """

    pairs: list[Pair]
    answers: dict[str, np.ndarray]
    artifacts: dict[str, str]
    matrix: dict[tuple[str, str], Difference]
    reference_system: str = ""

    @property
    def measured(self) -> list[Pair]:
        """The pairs whose answers are there, the reference first."""
        return [pair for pair in self.pairs if pair.key in self.answers]

    @property
    def compared(self) -> list[tuple[Pair, Difference]]:
        """The pairs whose answers are there beside the reference, with their difference from it."""
        return [(pair, self.matrix[REFERENCE, pair.key]) for pair in self.measured if pair.key != REFERENCE]


@dataclass(frozen=True)
class Disagreement:
    """One image to which a runner gives another class than the reference.

    image: its index in the test set; true, expected, got: classes (true label, reference's, runner's);
    p_expected, p_got: the probability that reference and runner give to their own class;
    difference: the largest absolute difference of a probability.
    """

    image: int
    pair: Pair
    true: int
    expected: int
    p_expected: float
    got: int
    p_got: float
    difference: float


def study(session: Session) -> Study:
    """Predictions of every pair that runs here, and their matrix. Where the reference does not, its stored answers stand in.

    Raises NotMeasured where there are none either, ReportError for answers that are no numbers.
    """
    every = predictions.with_reference(session, pairs.all_pairs())
    if not every[0].answered and every[0].reason is not None:
        why, folder = every[0].reason.en, session.store.root
        raise NotMeasured(
            f"nothing to compare with: {why}, and no answers of the SavedModel are stored; bring {folder} from a system that has it"
        )
    every, stored = _asked(session, every)
    answers = {key: predictions.read(artifact) for key, artifact in stored.items()}
    models = {key: artifact.inputs["model"] for key, artifact in stored.items()}
    return Study(every, answers, models, compare.matrix(answers), stored[REFERENCE].info["system_id"])


def _asked(session: Session, every: list[Pair]) -> tuple[list[Pair], dict[str, Artifact]]:
    """The answers of every pair that gives any. What fails while it is asked gets its reason and the others go on.

    Raises what the reference fails with: there is nothing to compare with then.
    """
    asked, stored = [], {}
    for pair in every:
        if pair.answered:
            try:
                stored[pair.key] = predictions.artifact(session, pair.runner, pair.precision)
            except ReportError as error:
                if pair.key == REFERENCE:
                    raise
                pair = _without(pair, error)
        asked.append(pair)
    return asked, stored


def _without(pair: Pair, error: ReportError) -> Pair:
    """The pair with the reason why it has no answers; it failed unless it says that this system cannot run it."""
    if isinstance(error, NotMeasured):
        return replace(pair, reason=Text(str(error), f"測定できなかった：{error}"))
    return replace(pair, reason=Text(f"failed: {error}", f"失敗した：{error}"), failed=True)


def within(pair: Pair, found: Difference) -> bool:
    """Whether a difference from the reference is inside the tolerance that PRECISIONS states for the precision."""
    row = PRECISIONS[pair.precision]
    return found.max_abs <= row.max_abs_difference and found.agreement >= row.min_agreement


def worst(session: Session, done: Study, count: int) -> list[Disagreement]:
    """The `count` images where a runner's class differs most from the reference's, worst first, each image once."""
    expected, labels = done.answers[REFERENCE], session.images.y_test
    found: dict[int, Disagreement] = {}
    for pair, difference in done.compared:
        answers = done.answers[pair.key]
        for i in difference.disagree.tolist():
            apart = float(np.abs(answers[i] - expected[i]).max())
            if i not in found or apart > found[i].difference:
                e, g = int(expected[i].argmax()), int(answers[i].argmax())
                found[i] = Disagreement(i, pair, int(labels[i]), e, float(expected[i, e]), g, float(answers[i, g]), apart)
    return sorted(found.values(), key=lambda d: (-d.difference, d.image))[:count]


def rows(done: Study) -> list[dict[str, Any]]:
    """One row a pair for the table against the reference, then what could not run here with its reason."""
    table = []
    for pair, found in done.compared:
        row = PRECISIONS[pair.precision]
        table.append(
            {
                "runner": pair.label,
                "precision": row.label,
                "max_abs": found.max_abs,
                "limit": row.max_abs_difference,
                "mean_abs": found.mean_abs,
                "cosine_min": found.cosine_min,
                "agreement": 100 * found.agreement,
                "min_agreement": 100 * row.min_agreement,
                "disagree": len(found.disagree),
                "verdict": Text("within", "許容内") if within(pair, found) else Text("OVER", "超過"),
            }
        )
    return table + pairs.missing_rows(done.pairs, "max_abs")


def columns() -> list[show.Column]:
    """The columns of `rows`."""
    return [
        pairs.RUNNER,
        pairs.PRECISION,
        show.Column("disagree", Text("Images that differ", "不一致の画像"), digits=0),
        show.Column("max_abs", Text("Max. abs. difference", "絶対差の最大値"), digits=1, scientific=True),
        show.Column("limit", Text("Tolerance", "許容値"), digits=0, scientific=True),
        show.Column("mean_abs", Text("Mean abs. difference", "絶対差の平均値"), digits=1, scientific=True),
        show.Column("cosine_min", Text("Cosine, smallest", "コサイン類似度、最小"), digits=6),
        show.Column("agreement", Text("Top-1 agreement", "top-1一致率"), "%", 2),
        show.Column("min_agreement", Text("Tolerance", "許容値"), "%", 1),
        show.Column("verdict", Text("Verdict", "判定")),
    ]


def records(done: Study) -> list[Record]:
    """max_abs_difference, mean_abs_difference, cosine (mean; stats min) and agreement of every pair against the
    reference and, with another `case.reference`, of every other two once; what could not run here with its reason.

    Those against the reference say in stats `reference_system` which system gave its answers.
    """
    made, before = [], []
    for pair in done.pairs:
        if not pair.answered:
            common = {"runner": pair.runner, "precision": pair.precision, "case": {"reference": REFERENCE}, "reason": pair.reason}
            made += [Record(metric, "1", None, **common) for metric in METRICS]
            continue
        for reference in before:
            made += _four(done, pair, reference)
        before.append(pair.key)
    return made


def _four(done: Study, pair: Pair, reference: str) -> list[Record]:
    found, case = done.matrix[reference, pair.key], {"reference": reference}
    common: dict[str, Any] = {"runner": pair.runner, "precision": pair.precision, "case": case, "artifact_sha256": done.artifacts[pair.key]}
    limits = PRECISIONS[pair.precision]
    judged = reference == REFERENCE  # a tolerance is stated against the reference only
    values = (found.max_abs, found.mean_abs, found.cosine_mean, found.agreement)
    stats: tuple[dict[str, Any], ...] = (
        {"tolerance": limits.max_abs_difference} if judged else {},
        {},
        {"min": found.cosine_min},
        {"images": found.images, "disagree": len(found.disagree)} | ({"tolerance": limits.min_agreement} if judged else {}),
    )
    origin = {"reference_system": done.reference_system} if judged else {}
    return [Record(m, "1", v, stats=s | origin, **common) for m, v, s in zip(METRICS, values, stats, strict=True)]


def findings(done: Study) -> list[Finding]:
    """Red for every pair over its tolerance and for those that failed, good for those within, by precision; a note on what
    could not run here."""
    failed = [pair for pair in done.pairs if pair.failed and pair.reason]
    made = [Finding("bad", Text(f"{p.name.en} {p.reason.en}.", f"{p.name.ja}：{p.reason.ja}。")) for p in failed if p.reason]
    fine: dict[str, list[Difference]] = {}
    for pair, found in done.compared:
        if within(pair, found):
            fine.setdefault(pair.precision, []).append(found)
        else:
            made.append(_over(pair, found))
    made += [_fine(precision, group) for precision, group in fine.items()]
    return made + pairs.missing_findings(done.pairs)


def _over(pair: Pair, found: Difference) -> Finding:
    row, share = PRECISIONS[pair.precision], 100 * found.agreement
    return Finding(
        "bad",
        Text(
            f"{pair.name.en} is over its tolerance against the SavedModel: largest difference of a probability {found.max_abs:.2g} "
            f"(tolerance {row.max_abs_difference:.2g}), same class on {share:.2f} % of {found.images:,} images "
            f"(tolerance {100 * row.min_agreement:.2f} %).",
            f"{pair.name.ja}はSavedModelに対する許容値を超えた。確率の最大差は{found.max_abs:.2g}（許容{row.max_abs_difference:.2g}）、"
            f"同じクラスになったのは{found.images:,}枚中{share:.2f}%（許容{100 * row.min_agreement:.2f}%）である。",
        ),
    )


def _fine(precision: str, group: list[Difference]) -> Finding:
    label = PRECISIONS[precision].label
    largest, least = max(g.max_abs for g in group), 100 * min(g.agreement for g in group)
    return Finding(
        "good",
        Text(
            f"{label.en}: within tolerance of the SavedModel on all {group[0].images:,} test images, runners: {len(group)}; "
            f"largest difference of a probability {largest:.2g}, same class on at least {least:.2f} %.",
            f"{label.ja}：{len(group)}種の実行系で、テスト画像{group[0].images:,}枚すべてにわたりSavedModelとの差は許容内である。"
            f"確率の最大差は{largest:.2g}、同じクラスになった割合は最低でも{least:.2f}%である。",
        ),
    )
