"""What notebook 07's numbers say, by rule: nothing is called harmless that was not shown to be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lib import stats
from lib.experiment import candidate as pairs
from lib.experiment.precision import listed
from lib.measure import repeated, sweep
from lib.store.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.experiment.candidate import Pair
    from lib.pages.precision.measure import Study

LIMIT = 0.01  # accuracy lost against the SavedModel that is a problem: one percentage point
ALPHA = 0.05  # significance of the McNemar test


def findings(done: Study, minimum_accuracy: float, earlier: Iterable[Record]) -> list[Finding]:
    """All findings of notebook 07. earlier: the records that other notebooks left for this system."""
    chance = at_chance(done)
    made = chance or losses(done)  # of a classifier at chance level nothing is said that could sound like a result
    made += below_minimum(done, minimum_accuracy) + repeated.findings(done.records, earlier) + speed(done) + unsound(done)
    return made + pairs.missing_findings(done.pairs)


def at_chance(done: Study) -> list[Finding]:
    """Red for every pair whose accuracy cannot be told from guessing (stats.at_chance)."""
    made = []
    for pair in done.measured:
        one = done.get(pair, "accuracy")
        if stats.at_chance(one.stats["correct"], one.stats["images"], done.classes):
            made.append(Finding("bad", _chance(pair, one, done.classes)))
    return made


def _chance(pair: Pair, one: Record, classes: int) -> Text:
    en = f"{one.value:.2%} (95 % interval {one.stats['ci_low']:.2%} to {one.stats['ci_high']:.2%})"
    ja = f"{one.value:.2%}（95%信頼区間 {one.stats['ci_low']:.2%}～{one.stats['ci_high']:.2%}）"
    return Text(
        f"{pair.name.en} is at chance level: accuracy {en}, guessing among {classes} classes gives {1 / classes:.2%}. "
        "Such a model has no accuracy to lose, so no comparison of precisions holds.",
        f"{pair.name.ja}は当て推量の水準である。正解率は{ja}、{classes}クラスの当て推量は{1 / classes:.2%}である。"
        "失う正解率がないため、数値精度の比較はどれも成り立たない。",
    )


def below_minimum(done: Study, minimum: float) -> list[Finding]:
    """Red for the reference where its accuracy is below the profile's minimum."""
    for pair in done.measured[:1]:
        value = done.value(pair, "accuracy")
        if value < minimum:
            en = f"{pair.name.en}: accuracy {value:.2%} is below the profile's minimum of {minimum:.2%}."
            return [Finding("bad", Text(en, f"{pair.name.ja}の正解率{value:.2%}はプロファイルの下限{minimum:.2%}を下回る。"))]
    return []


def losses(done: Study) -> list[Finding]:
    """What changed in accuracy against the SavedModel, by size and interval of the paired difference.

    Red where more than LIMIT is lost. Good only where the whole interval lies above -LIMIT; where the interval
    reaches below, a note says so: images too few to rule a loss out are no proof that there is none.
    """
    made: list[Finding] = []
    held: list[tuple[Pair, Record]] = []
    tested = [(pair, test) for pair in done.measured if (test := done.get(pair, "mcnemar_p")) is not None]
    for (pair, test), p in zip(tested, stats.holm([test.value for _, test in tested]), strict=True):
        if -test.stats["difference"] > LIMIT:
            made.append(Finding("bad", _changed(pair, test, p)))
        elif p < ALPHA or test.stats["difference_low"] <= -LIMIT:
            made.append(Finding("note", _changed(pair, test, p)))
        else:
            held.append((pair, test))
    return made + ([_held(held)] if held else [])


def _changed(pair: Pair, test: Record, adjusted: float) -> Text:
    """adjusted: the p-value for all models of the page together (Holm), which decides what is called chance."""
    s = test.stats
    points, low, high = (100 * s[key] for key in ("difference", "difference_low", "difference_high"))
    shown = adjusted < ALPHA
    over = -s["difference"] > LIMIT
    interval, p = (
        Text(f"95 % interval {low:+.2f} to {high:+.2f}", f"95%信頼区間 {low:+.2f}～{high:+.2f}"),
        Text(f"p = {test.value:.2g}, {adjusted:.2g} adjusted (Holm)", f"p = {test.value:.2g}、Holm補正後 {adjusted:.2g}"),
    )
    en = f"{pair.name.en}: accuracy {points:+.2f} points against the SavedModel ({interval.en}), McNemar {p.en}"
    ja = f"{pair.name.ja}: SavedModelに対する正解率の差は{points:+.2f}ポイント（{interval.ja}）、McNemar検定 {p.ja}"
    if over:
        return Text(f"{en}: a loss of more than {100 * LIMIT:.0f} point.", f"{ja}。{100 * LIMIT:.0f}ポイントを超える低下である。")
    if shown:
        return Text(f"{en}: small, but not chance.", f"{ja}。小さいが、偶然とはいえない。")
    return Text(
        f"{en}: no difference is shown, and a loss of {100 * LIMIT:.0f} point is not ruled out by these images.",
        f"{ja}。差は示されていないが、この枚数では{100 * LIMIT:.0f}ポイントの低下も否定できない。",
    )


def _held(group: list[tuple[Pair, Record]]) -> Finding:
    low = 100 * min(test.stats["difference_low"] for _, test in group)
    high = 100 * max(test.stats["difference_high"] for _, test in group)
    p, names = min(test.value for _, test in group), listed((pair.label, pair.precision) for pair, _ in group)
    return Finding(
        "good",
        Text(
            f"No difference in accuracy from the SavedModel is shown for {len(group)} exported models (smallest McNemar p = {p:.2g}): "
            f"the 95 % intervals of the differences lie between {low:+.2f} and {high:+.2f} points, so a loss of {100 * LIMIT:.0f} point is "
            f"ruled out at that level, smaller ones are not ({names.en}).",
            f"{len(group)}個の変換後モデルで、SavedModelとの正解率の差は示されなかった（McNemar検定のpの最小値は{p:.2g}）。"
            f"差の95%信頼区間は{low:+.2f}～{high:+.2f}ポイントにおさまる。{100 * LIMIT:.0f}ポイントの低下は否定できるが、"
            f"それより小さい差は否定できない（{names.ja}）。",
        ),
    )


def speed(done: Study) -> list[Finding]:
    """The fastest pair, and a note on every precision that is slower than FP32 of its own runner."""
    made = []
    fast = [(done.get(pair, "throughput"), pair) for pair in done.measured if done.value(pair, "throughput") is not None]
    if fast:
        best, pair = max(fast, key=lambda item: item[0].value)
        size = best.batch_size
        en = f"Fastest at batch size {size}, end to end: {pair.name.en} with {best.value:,.0f} images/s."
        ja = f"バッチサイズ{size}のエンドツーエンドで最も速いのは{pair.name.ja}で、{best.value:,.0f}枚/秒である。"
        made.append(Finding("note", Text(en, ja)))
    for pair in done.measured:
        ratio = done.get(pair, "throughput_ratio")
        if ratio is not None and ratio.stats.get("ci_high", 1) < 1:  # without an interval nothing is claimed
            low, high = ratio.stats["ci_low"], ratio.stats["ci_high"]
            en = f"{pair.name.en} is slower than FP32 of the same runner: {ratio.value:.2f} times its throughput"
            ja = f"{pair.name.ja}は同じ実行系のFP32より遅い。スループットは{ratio.value:.2f}倍"
            text = Text(f"{en} (95 % interval {low:.2f} to {high:.2f}).", f"{ja}（95%信頼区間 {low:.2f}～{high:.2f}）である。")
            made.append(Finding("note", text))
    return made


def unsound(done: Study) -> list[Finding]:
    """Red where a timed call failed or gave wrong output, a note where latencies did not become stable."""
    made = []
    for pair in done.measured:
        record = done.get(pair, "throughput")
        if record is not None and sweep.invalid(record):
            made.append(Finding("bad", Text(f"{pair.name.en}: {record.reason.en}.", f"{pair.name.ja}: {record.reason.ja}。")))
    shaky = [pair.name for pair in done.measured if (r := done.get(pair, "throughput")) and r.stats.get("stable") is False]
    if shaky:
        en, ja = ", ".join(name.en for name in shaky), "、".join(name.ja for name in shaky)
        made.append(Finding("note", Text(f"Latency did not become stable: {en}.", f"レイテンシが安定しなかった：{ja}。")))
    return made
