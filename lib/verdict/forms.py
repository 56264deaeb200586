"""The verdict for machines: verdict.json, verdict.xml (JUnit) and summary.md (params/README.md says what each holds)."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from typing import Any

from lib.text import Text
from lib.verdict.check import WORDS, Check, Judged
from lib.verdict.judge import Verdict

SCHEMA = 1  # of verdict.json: raised where a key is taken away or means something else
NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")  # what XML 1.0 cannot hold
COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}
ANY = "tensorrt/any"
CHILD = {"failed": "failure", "undecided": "error", "not_asked": "skipped"}


def as_json(verdict: Verdict) -> str:
    """verdict.json. Every number is finite; what there is none of is null."""
    info = verdict.run.info if verdict.run.measured else None
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": verdict.decision,
        "exit_code": verdict.exit_code,
        "says": _both(verdict.told),
        "fastest": [one.key for one in verdict.fastest],
        "profile": verdict.profile.name,
        "tensorrt": verdict.tensorrt or None,
        "system": info and info.system_id,
        "run": info and info.run_id,
        "measured_at": info and info.started_at,
        "accept": verdict.profile.accept.model_dump(),
        "candidates": [_candidate(one, verdict.tensorrt) for one in verdict.every],
        "left_out": [{"candidate": one.key, "label": _both(one.label), "reason": _both(why)} for one, why in verdict.left_out.items()],
    }
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _candidate(one: Judged, own: str) -> dict[str, Any]:
    checks, on = [_check(check) for check in one.checks], one.tensorrt or own or None
    return {"candidate": one.candidate.key, "tensorrt": on, "label": _both(one.candidate.label), "verdict": one.decision, "checks": checks}


def _check(check: Check) -> dict[str, Any]:
    interval = [_number(check.low), _number(check.high)]
    return {
        "name": check.name,
        "outcome": check.outcome,
        "value": _number(check.value),
        "interval": None if interval == [None, None] else interval,
        "limit": check.limit,
        "unit": check.unit or None,
        "n": check.n,
        "reason": _both(check.says),
        "stages": list(check.stages),
    }


def as_junit(verdict: Verdict) -> str:
    """verdict.xml: a test suite a candidate, a test case a check; failure: a missed limit, error: what could not be told, skipped: what was
    not asked."""
    root = ET.Element("testsuites", name=_xml(f"verdict: {verdict.decision}"))
    for one in verdict.every:
        _suite(root, verdict, one.key, [_case(one.key, check) for check in one.checks])
    for candidate, why in verdict.left_out.items():
        case = _empty(candidate.key, "candidate")
        ET.SubElement(case, "skipped", message=_xml(why.en))
        _suite(root, verdict, candidate.key, [case])
    if not verdict.every and not verdict.left_out:  # no page has named a candidate yet
        case = _empty(ANY, "candidate")
        ET.SubElement(case, "error", message=_xml(verdict.told.en), type="undecided")
        _suite(root, verdict, ANY, [case])
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, verdict: Verdict, key: str, cases: list[ET.Element]) -> None:
    counts = {name: str(sum(case.find(child) is not None for case in cases)) for name, child in COUNTED.items()}
    at = {"timestamp": verdict.run.info.started_at[:19]} if verdict.run.measured else {}
    suite = ET.SubElement(root, "testsuite", {"name": _xml(key), "tests": str(len(cases)), **counts, "time": "0", **at})
    suite.extend(cases)


def _empty(key: str, name: str) -> ET.Element:
    return ET.Element("testcase", classname=_xml(key.replace("/", ".")), name=name, time="0")


def _case(key: str, check: Check) -> ET.Element:
    case = _empty(key, f"{check.name} {check.limit:g} {check.unit}" if check.limit is not None else check.name)
    if check.outcome in CHILD:
        kind = {} if check.outcome == "not_asked" else {"type": "undecided" if check.outcome == "undecided" else check.name}
        ET.SubElement(case, CHILD[check.outcome], {"message": _xml(check.says.en), **kind})
    if check.value is not None:
        ends = f" [{check.low:g}, {check.high:g}]" if check.low is not None and check.high is not None else ""
        ET.SubElement(case, "system-out").text = f"{check.value:g}{ends} {check.unit}, n = {check.n}"
    return case


def summary(verdict: Verdict) -> str:
    """summary.md: the sentence and a row a candidate, in English, as a CI job's summary shows it, then the sentence in Japanese."""
    lines = [f"**{_cell(verdict.told.en)}**", "", "| Candidate | Verdict | Why |", "|---|---|---|"]
    for one in verdict.every:
        told = WORDS.groups["decisions"][one.decision].en
        why = "; ".join(says.en for says, _ in one.reasons)
        lines.append(f"| {_cell(one.name.en)} | {told} | {_cell(why)} |")
    lines += [f"| {_cell(one.label.en)} | not asked | {_cell(why.en)} |" for one, why in verdict.left_out.items()]
    return "\n".join([*lines, "", _cell(verdict.told.ja), ""])


def _cell(text: str) -> str:
    """Text in a table of Markdown: on one line, nothing of it markup."""
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", " ".join(text.split()))


def _xml(text: str) -> str:
    return NOT_XML.sub("?", text)


def _both(text: Text) -> dict[str, str]:
    return {"en": text.en, "ja": text.ja}


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
