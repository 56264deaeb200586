"""The code that does what was measured: of each choice a program, its values filled in; of each way, in NVIDIA's bindings alone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml
from markupsafe import Markup

from lib.experiment.precision import PRECISIONS
from lib.pages.fast.arms import CPP, CPU, Arm, Fast, W
from lib.pages.fast.choose import Choice, choices, tied
from lib.show import table as show
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON

FILE = Path(__file__).with_name("code.yaml")
BARE = ("bindings", "plain", "graph", "in_turn")  # in NVIDIA's bindings: what all need, and the ways


class Code(NamedTuple):
    """Lines of code, and what they do."""

    said: Text
    lines: str


def chosen(run: Run) -> list[Code]:
    """What runs each choice; goals that one arm reaches share its lines. Its ties are counted."""
    found = Fast(run)
    by: dict[Arm, list[Choice]] = {}
    for choice in choices(found):
        by.setdefault(choice.arm, []).append(choice)
    return [Code(_said(found, arm, own), lines(arm, run.profile.name)) for arm, own in by.items()]


def _said(found: Fast, arm: Arm, own: list[Choice]) -> Text:
    each = [W(f"asks.{choice.goal}", limit=found.run.profile.fast.limit_ms) for choice in own]
    goals = COMMON("who.both", a=each[0], b=each[1]) if len(each) == 2 else each
    return W("code.chosen", goals=goals, arm=found.label(arm), batch=arm.batch, ties=tied(found, own[-1]))


def bare(run: Run) -> list[Code]:
    """The ways of calling an engine, where one was called."""
    return [Code(W(f"code.{key}"), _every()[key].rstrip()) for key in BARE] if Fast(run).versions else []


def lines(arm: Arm, profile: str) -> str:
    """What runs an arm of this project on the model and the test images of a profile: a program."""
    way, precision = arm.way, arm.candidate.precision
    values = {"batch": arm.batch, "lanes": way.lanes, "precision": precision, "profile": profile}
    if arm.candidate.runner == CPU:
        several = way.lanes > 1
        calls = ["network", "called_lanes" if several else "called"]
        parts = ["here", "onnxrt", *["thread_calls"] * several, "", "session", "floats", *calls]
        return _program(parts, where="", variant=PRECISIONS[precision].onnxrt, **values)
    calibrated = bool(PRECISIONS[precision].calibrator)
    model = ["calibrated"] * calibrated or ["usual"] * arm.whole
    needs = ["stored_calls"] * bool(model) + ["compact_calls"] * (not arm.whole)
    model += ["compact"] * (not arm.whole)
    calls, runs = ("runner_calls", "runner") if arm.candidate.runner == CPP else ("lane_calls", "lanes")
    parts = ["here", *needs, calls, "", "session", "bytes" if way.byte_input else "floats", *model, "build", runs]
    values |= {"where": f", with TensorRT {arm.version}", "version": arm.version, "byte_input": way.byte_input, "classes": way.classes}
    values |= {"outputs": '"classes"' if way.classes else '"logits" if session.spec.logits else "probabilities"'}
    apart = arm.version.startswith("8.") and way.lanes > 1  # lanes cannot share a profile
    values |= {"times": f" * {way.lanes}", "each": ", once a lane"} if apart else {"times": "", "each": ""}
    values |= {"calibrator": ", calibrator=calibrator" if calibrated else "", "made": "int32 classes (n,)" if way.classes else "(n, ...)"}
    return _program(parts, graph=(" --graph" if way.graph else "") if arm.candidate.runner == CPP else way.graph, **values)


def show_code(codes: list[Code], folded: bool = True) -> None:
    """Show them; folded: each closed until what it does is clicked on."""
    outer = '<details><summary>{}</summary><pre class="output"><code>{}</code></pre></details>'
    plain = '<p class="code">{}</p><pre class="output"><code>{}</code></pre>'
    form = Markup(outer if folded else plain)
    for code in codes:
        show.html(lambda language, code=code: form.format(code.said.in_(language), code.lines))  # type: ignore[misc]


@cache
def _every() -> dict[str, str]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def _program(parts: Iterable[str], **values: object) -> str:
    """Parts below each other; "" leaves a line free."""
    return "\n".join(_every()[part].format(**values).rstrip() if part else "" for part in parts)
