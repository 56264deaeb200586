"""The figure of how far candidates answer from the reference, which several pages show."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lib.experiment.candidate import Candidate
from lib.pages import against
from lib.pages.tolerance import NONE, explained, limits
from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.stats import Interval
from lib.store.run import Run
from lib.text import Language, Text
from lib.words import Words

W = Words(__file__)
SMALLEST = 1e-9  # below it the logarithmic axis is linear, so that no difference at all has a place on it


def differences(run: Run, values: Mapping[Candidate, float], label: Callable[[Candidate], Text]) -> Figure:
    """Largest differences of an output on a logarithmic axis, each with the limit of its precision as a vertical line."""
    if not values:
        return base.sentence(NOT_RECORDED)
    rows = [base.Row(label(candidate), candidate.colour, Interval(value, value, value)) for candidate, value in values.items()]
    reference = against.reference(run)

    def paint(axes: base.Axes, language: Language) -> None:
        base.dots(axes, rows, ".1e", W("axes.difference", reference=reference), language)
        for y, candidate in enumerate(values):
            if (expected := limits(run, candidate)) is not NONE:
                axes.vlines(expected.max_abs, y - 0.35, y + 0.35, color="black", linewidth=2)
        axes.set_xscale("symlog", linthresh=SMALLEST)

    alt, caption = W("alts.differences", reference=reference), against.said(W("captions.differences"), explained(run))
    return base.plot(paint, alt, caption, height_in=base.height_in(rows))
