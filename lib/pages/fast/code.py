"""The few lines of code that do what was measured: of each choice, its values filled in; of each way, in NVIDIA's bindings alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml
from markupsafe import Markup

from lib.experiment.precision import PRECISIONS
from lib.pages.fast.arms import CPP, CPU, Arm, Fast, W
from lib.pages.fast.choose import Choice, choices
from lib.show import table as show
from lib.store.run import Run
from lib.text import Text

FILE = Path(__file__).with_name("code.yaml")
BARE = ("plain", "graph", "in_turn")  # ways in NVIDIA's bindings


class Code(NamedTuple):
    """Lines of code, and what they do."""

    said: Text
    lines: str


def chosen(run: Run) -> list[Code]:
    """What runs each choice; goals that one arm reaches share its lines. What cannot be told from it is counted."""
    found = Fast(run)
    by: dict[Arm, list[Choice]] = {}
    for choice in choices(found):
        by.setdefault(choice.arm, []).append(choice)
    return [Code(_said(found, arm, own), lines(arm)) for arm, own in by.items()]


def _said(found: Fast, arm: Arm, own: list[Choice]) -> Text:
    goals = [W(f"goals.{choice.goal}", limit=found.run.profile.fast.limit_ms) for choice in own]
    said = W("code.chosen", goals=goals, arm=found.label(arm), batch=arm.batch)
    if not (ties := own[-1].ties):
        return said
    return W("code.ties", said=said, count=len(ties), arm=found.label(ties[0]), batch=ties[0].batch)


def bare(run: Run) -> list[Code]:
    """The ways of calling an engine, where one was called."""
    return [Code(W(f"code.{key}"), _every()[key].rstrip()) for key in BARE] if Fast(run).versions else []


def lines(arm: Arm) -> str:
    """What runs an arm of this project."""
    way, values = arm.way, {"batch": arm.batch, "lanes": arm.way.lanes, "precision": arm.candidate.precision}
    if arm.candidate.runner == CPU:
        return _filled("onnxrt_lanes" if way.lanes > 1 else "onnxrt", **values)
    before = ""
    if not arm.whole:
        what = " and ".join(name for name, there in (("bytes in", way.byte_input), ("classes out", way.classes)) if there)
        before = (
            _filled(
                "compact", what=what, variant=PRECISIONS[arm.candidate.precision].trt_onnx, byte_input=way.byte_input, classes=way.classes
            )
            + "\n\n"
        )
    if arm.candidate.runner == CPP:
        return before + _filled("cpp", version=arm.version, graph=" --graph" if way.graph else "", **values)
    given = "uint8 (n, height, width, channels)" if way.byte_input else "the model's inputs (n, ...)"
    made = "int32 classes (n,)" if way.classes else "its outputs (n, ...)"
    return before + _filled("lanes", graph=way.graph, given=given, made=made, **values)


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


def _filled(key: str, **values: object) -> str:
    return _every()[key].format(**values).rstrip()
