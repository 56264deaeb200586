"""The verdict: every candidate with its checks, and the one sentence above them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

from lib import stats
from lib.experiment.candidate import Candidate, ordered
from lib.experiment.profile import Profile
from lib.pages import against, common
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text
from lib.verdict import about, checks, sentence, versions
from lib.verdict.check import EXIT, WORDS, Check, Decision, Judged
from lib.words import Finding

BACKEND = "tensorrt"
MADE_OF = ("dataset", "model", "train", "preprocess", "export", "engines")  # sections of a profile that decide what a candidate is
NAMES = {"tensorrt": "TensorRT", "tensorrt-rtx-cu13-libs": "TensorRT for RTX"}  # library -> what it is called
FIRST = "03"  # page that runs TensorRT; those behind it take its engines
MEASURED = ("accuracy", "agreement", "latency")  # what a TensorRT that ran has some of


@dataclass(frozen=True)
class Verdict:
    """What may go to production.

    profile: whose limits count; run: what was looked at; judged: every candidate that was asked for; beside: those of other TensorRTs that
    ran beside this one; left_out: those that were not asked for and cannot be here, with the reason; fastest: of the accepted of `judged`
    the one, or those that cannot be told apart, or all where nothing ranks them; tensorrt: its name and version, "" where there is none;
    told: the verdict, in a sentence a TensorRT.
    """

    profile: Profile
    run: Run
    judged: tuple[Judged, ...]
    beside: tuple[Judged, ...]
    left_out: dict[Candidate, Text]
    fastest: tuple[Candidate, ...]
    tensorrt: str
    told: Text

    @property
    def every(self) -> tuple[Judged, ...]:
        """Every candidate of every TensorRT."""
        return self.judged + self.beside

    @property
    def decision(self) -> Decision:
        """Of the candidates together (`overall`): those of the TensorRT that runs here, where it ran, else of those beside it."""
        return overall(self.judged or self.beside)

    @property
    def exit_code(self) -> int:
        """Of a strict run."""
        return EXIT[self.decision]


def overall(judged: Sequence[Judged]) -> Decision:
    """accepted: some candidate is; rejected: every one is; else undecided, as where there is none."""
    found = {one.decision for one in judged}
    return "accepted" if "accepted" in found else "rejected" if found == {"rejected"} else "undecided"


def judge(run: Run, profile: Profile, findings: Mapping[str, Sequence[Finding]], failed: Sequence[str] = ()) -> Verdict:
    """The verdict on what was recorded. profile: whose limits count; findings: stage -> what its page found; failed: stages whose last try
    failed or cannot be shown: what they would have found nobody knows, so nothing is accepted.

    Pages that were measured with another model, other images or other engines than `profile` asks for are not looked at.
    """
    run = _current(run, profile)
    tensorrt = _tensorrt(run)
    asked, left_out = _candidates(run, profile)
    red = {stage: [one for one in found if one.level == "bad"] for stage, found in findings.items() if stage in run.files}
    absent = _absent(run, asked)
    others = versions.beside(run, "" if absent else tensorrt)
    beside = {label: _of(run, profile, version, label, red, failed) for version, label in others.items()}
    judged = () if absent and beside else tuple(_judged(run, profile, one, red, failed, tensorrt) for one in asked)
    fastest = _fastest(run, profile, _accepted(judged))
    told = [] if absent and beside else [sentence.told(judged, overall(judged), fastest, tensorrt, absent)]
    others_told = [(overall(beside[label]), _told(run, profile, version, label, beside[label])) for version, label in others.items()]
    sentences = told + [text for _, text in sorted(others_told, key=lambda one: EXIT[one[0]])]
    return Verdict(
        profile,
        run,
        judged,
        tuple(chain(*beside.values())),
        left_out,
        fastest or tuple(_accepted(judged)),
        tensorrt,
        against.said(*sentences),
    )


def _told(run: Run, profile: Profile, version: str, label: str, judged: Sequence[Judged]) -> Text:
    """The sentence of a TensorRT beside this one."""
    fastest = versions.fastest(run, version, _accepted(judged), profile.precision.batch_size)
    return sentence.told(judged, overall(judged), fastest, label, None)


def _judged(
    run: Run, profile: Profile, candidate: Candidate, red: Mapping[str, list[Finding]], failed: Sequence[str], tensorrt: str
) -> Judged:
    return Judged(candidate, (*_limits(run, profile, candidate), *_doubts(run, profile, candidate, red, failed, tensorrt)))


def _of(
    run: Run, profile: Profile, version: str, label: str, red: Mapping[str, list[Finding]], failed: Sequence[str]
) -> tuple[Judged, ...]:
    """The candidates of a TensorRT beside this one, each by all its builds."""
    made, alone = [], cache(lambda build: versions.alone(run, version, build))
    for one in ordered(profile.accept.asked or versions.candidates(run, version)):
        about_it = versions.about_others(red, one)
        numbers = versions.builds(run, version, one.precision)
        each = {n: _judged(alone(n), profile, one, about_it, failed, label) for n in numbers}
        made.append(replace(versions.worst(each), tensorrt=label))
    return tuple(made)


def _accepted(judged: Sequence[Judged]) -> list[Candidate]:
    return [one.candidate for one in judged if one.decision == "accepted"]


def _current(run: Run, profile: Profile) -> Run:
    """What was measured with the same model, images and engines."""
    same = {stage: file for stage, file in run.files.items() if _same(run.of(stage).profile, profile)}
    kept = Run(run.folder, run.stage, same)
    return kept if kept.measured else kept.newest()


def _same(recorded: Profile, asked: Profile) -> bool:
    return all(getattr(recorded, section) == getattr(asked, section) for section in MADE_OF)


def _tensorrt(run: Run) -> str:
    libraries = run.info.system["libraries"] if run.measured else {}
    return next((f"{name} {libraries[key]}" for key, name in NAMES.items() if key in libraries), "")  # type: ignore[index, operator]


def _candidates(run: Run, profile: Profile) -> tuple[list[Candidate], dict[Candidate, Text]]:
    """Those that are judged; and where the profile names none, those of the records that cannot be here though others can, with why."""
    if profile.accept.asked is not None:
        return ordered(profile.accept.asked), {}
    own: dict[Candidate, list[Record]] = {}
    for record in run.everywhere(case={}):
        if record.candidate and record.candidate == record.candidate.plain and record.candidate.runner == BACKEND:
            own.setdefault(record.candidate, []).append(record)
    there = {one for one, records in own.items() if any(r.value is not None or (r.reason and r.reason.failed) for r in records)}
    if not there:
        return ordered(own), {}
    left = {one: records[0].reason for one, records in own.items() if one not in there}
    return ordered(there), {one: left[one].text for one in ordered(left)}  # type: ignore[union-attr]  # no value, so a reason


def _limits(run: Run, profile: Profile, candidate: Candidate) -> list[Check]:
    accept = profile.accept
    return [
        *checks.answers(run, accept, candidate),
        checks.latency(run, accept.latency_p99_ms, candidate),
        checks.throughput(run, accept.throughput, candidate, profile.precision.batch_size),
        checks.size(run, accept.plan_mb, candidate),
        checks.in_cpp(run, accept.same_in_cpp, candidate),
    ]


def _doubts(
    run: Run, profile: Profile, candidate: Candidate, red: Mapping[str, list[Finding]], failed: Sequence[str], tensorrt: str
) -> list[Check]:
    """Whether what it is compared with holds, and whether a page found something wrong with it."""
    reference = _reference(run, profile, candidate, red)
    version = tensorrt.rpartition(" ")[2]
    engines = [candidate, *([Candidate("cpp", candidate.precision)] if profile.accept.same_in_cpp else [])]
    wrong = [(s, one) for s, found in red.items() for one in found if any(about.concerns(one, each, version) for each in engines)]
    if wrong:
        says = WORDS("checks.problems_failed", count=len(wrong), stage=wrong[0][0], text=wrong[0][1].text)
        return [reference, Check("problems", "failed", says, n=len(wrong), stages=tuple(dict.fromkeys(stage for stage, _ in wrong)))]
    if failed:
        return [reference, Check("problems", "undecided", WORDS("checks.problems_undecided", stages=list(failed)), stages=tuple(failed))]
    return [reference, Check("problems", "passed", WORDS("checks.problems_passed"))]


def _reference(run: Run, profile: Profile, candidate: Candidate, red: Mapping[str, list[Finding]]) -> Check:
    """Whether the model itself is one that something could be lost of."""
    name, reference = "reference", profile.reference
    if checks.random_input(run):
        return Check(name, "undecided", WORDS("checks.reference_random"))
    doubts = [(stage, one) for stage, found in red.items() for one in found if about.about_model(one, stage, reference)]
    if doubts:
        stage, one = doubts[0]
        return Check(name, "undecided", WORDS("checks.reference_red", stage=stage, text=one.text), stages=(stage,))
    if _guesses(run, reference, candidate):
        return Check(name, "undecided", WORDS("checks.reference_chance", reference=reference))
    return Check(name, "passed", WORDS("checks.reference_passed"))


def _guesses(run: Run, reference: Candidate, candidate: Candidate) -> bool:
    """Whether the reference's accuracy, its own record or what the candidate's says of it, cannot be told from guessing."""
    found = [(record, 0) for record in [run.find("accuracy", reference)] if record is not None and record.value is not None]
    paired = run.find("accuracy", candidate)
    if paired is not None and (counts := common.only(paired)):
        found.append((paired, counts[0] - counts[1]))
    return any(stats.at_chance(r.stats["correct"] + more, r.stats["total"], common.chance(run, r)) for r, more in found)


def _fastest(run: Run, profile: Profile, accepted: list[Candidate]) -> tuple[Candidate, ...]:
    """Of the accepted the fastest and all that cannot be told from it; none where they were not all timed in the same rounds or the machine
    was disturbed."""
    if len(accepted) < 2:
        return tuple(accepted)
    batch = profile.precision.batch_size
    found = {one: common.latency(run, one, scope="end_to_end", batch_size=batch) for one in accepted}
    timed = {one: record for one, record in found.items() if record is not None and record.value is not None}
    if len(timed) < len(accepted) or not all(common.paired(timed[accepted[0]], one) for one in timed.values()):
        return ()
    best = common.contenders(run.of(common.COMPARED), timed)
    return tuple(one for one in accepted if one in best)


def _absent(run: Run, asked: Sequence[Candidate]) -> Text | None:
    """Why TensorRT did not run at all, None where it did."""
    pages = (file.records for stage, file in run.files.items() if stage != versions.PAGE)
    own = [record for record in chain(*pages) if record.candidate in asked and record.metric in MEASURED]
    if any(record.value is not None for record in own):
        return None
    if any(record.reason and record.reason.failed for record in own):
        return None
    reasons = Counter(record.reason for record in own if record.reason)
    if not reasons and not any(stage >= FIRST and stage != versions.PAGE for stage in run.files):
        return WORDS("reasons.not_run", first=FIRST)
    (why, _), *_ = reasons.most_common(1) or [(Reason("not_recorded"), 0)]
    return why.text
