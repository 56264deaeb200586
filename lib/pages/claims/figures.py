"""The plot of notebook 09: the ratios that were claimed, and ours beside them."""

from __future__ import annotations

from lib.pages.claims import claims
from lib.pages.claims.answers import Answered, answered
from lib.pages.claims.claims import W
from lib.show import figure as base
from lib.show.table import Figure
from lib.store.run import Run
from lib.text import Language

THEIRS, OURS = "#D55E00", "#0072B2"
ROW_IN, REST_IN = 0.3, 1.1  # height of a row, and of all that is not a row


def ratios(run: Run) -> Figure:
    """Every ratio that was claimed (an open diamond) and, where we have it, ours with its interval (a dot), on one logarithmic axis."""
    rows = [(one, claimed) for one in answered(run) if (claimed := _claimed(one)) is not None]
    ours = [one.answer.times for one, _ in rows]
    if not any(ours):
        return base.sentence(W("captions.no_ratios"))

    def paint(axes: base.Axes, language: Language) -> None:
        for y, ((one, claimed), value) in enumerate(zip(rows, ours, strict=True)):
            axes.plot(claimed, y, "D", color=THEIRS, markersize=6, markerfacecolor="white")
            if value is None:
                said = W(f"verdicts.{one.answer.verdict}").in_(language)
                axes.annotate(said, (claimed, y), (8, 0), textcoords="offset points", va="center", fontsize=7, color="grey")
                continue
            axes.plot([claimed, value.value], [y, y], color="grey", linewidth=0.8, zorder=0)
            axes.errorbar(value.value, y, xerr=[[value.value - value.low], [value.high - value.value]], fmt="o", color=OURS, capsize=3)
        axes.axvline(1, color="grey", linewidth=1, linestyle=":")
        axes.set_yticks(range(len(rows)), [one.claim.label.text.in_(language) for one, _ in rows], fontsize=8)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(False, axis="y")
        base.logarithmic(axes, axes.xaxis)
        axes.margins(x=0.15)
        axes.set_xlabel(W("axes.ratio").in_(language))
        looks = [("D", THEIRS, "white", "theirs"), ("o", OURS, OURS, "ours")]
        for marker, colour, face, name in looks:
            axes.plot([], [], marker, color=colour, markerfacecolor=face, label=W(f"axes.{name}").in_(language))
        axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, frameon=False, fontsize=8)

    met = sum(one.answer.verdict == "holds" for one, _ in rows)
    alt = W("alts.ratios", count=len(rows), told=sum(value is not None for value in ours), met=met)
    return base.plot(paint, alt, W("captions.ratios"), height_in=REST_IN + ROW_IN * len(rows))


def _claimed(one: Answered) -> float | None:
    rule = one.claim.rule
    return rule.claimed if isinstance(rule, (claims.Times, claims.Version)) else None
