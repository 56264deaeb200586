"""Plots of notebook 01 of a user's own model: images on their way into it, the usual mistakes tried, the confusion matrix."""

from __future__ import annotations

import numpy as np

from lib.pages import classes
from lib.pages.classes import confusion
from lib.pages.model import rules
from lib.pages.model.exhibits import Samples
from lib.pages.model.rules import W
from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.store import picture
from lib.store.run import Run
from lib.text import Language

__all__ = ["confusion", "probe", "samples"]
COLOUR, BETTER_COLOUR = base.COLOURS[0], base.COLOURS[3]
LONGEST = 15  # columns of text that a class's name has above a picture
LEFT = -0.12  # of a picture's width, where the name of its row stands


def samples(run: Run) -> Figure:
    """Test images, one a column: as they lie on disk, resized and cropped, and as the model gets them, channel 0 as red."""
    found = run.exhibit("samples", Samples)
    if found is None or not found.samples:
        return base.sentence(NOT_RECORDED)
    steps = [step for step in ("disk", "fitted", "given") if any(getattr(one, step) for one in found.samples)]

    def paint(axes: np.ndarray, language: Language) -> None:
        grid = classes.bare(axes, len(steps))
        for column, one in zip(grid.T, found.samples, strict=True):
            for ax, step in zip(column, steps, strict=True):
                if png := getattr(one, step):
                    ax.imshow(picture.decode(png), interpolation="nearest")
            if one.truth or one.taken:
                colour = BETTER_COLOUR if one.truth and one.taken and one.truth != one.taken else "black"
                column[0].set_title(classes.short(one.truth or one.taken, LONGEST), fontsize=7, color=colour)
        for row, step in zip(grid, steps, strict=True):
            said = W(f"steps.{step}").in_(language)
            row[0].text(LEFT, 0.5, said, transform=row[0].transAxes, fontsize=7, rotation=90, ha="right", va="center")

    caption = W("captions.samples" if any(one.truth for one in found.samples) else "captions.samples_unnamed")
    shape = {"rows": len(steps), "columns": len(found.samples), "height_in": 1.05 * len(steps) + 0.3}
    return base.plot(paint, W("alts.samples", count=len(found.samples)), caption, **shape)


def probe(run: Run) -> Figure:
    """What each usual mistake changes, percentage points with intervals, the best first; the line is the profile's own choice."""
    every = rules.tried(run)
    if not every:
        return base.sentence(W("captions.nothing_tried"))
    rows = [base.Row(rules.choice(each.record), BETTER_COLOUR if each.better else COLOUR, each.apart) for each in every]

    def paint(axes: base.Axes, language: Language) -> None:
        base.dots(axes, rows, "+.1f", W("axes.points"), language, reference=0)

    best = every[0]
    alt = W("alts.probe", count=len(every), choice=rules.choice(best.record), points=best.apart)
    return base.plot(paint, alt, W("captions.probe_figure"), height_in=base.height_in(rows))
