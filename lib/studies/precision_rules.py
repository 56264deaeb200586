"""What notebook 07's numbers say, by rule: nothing is called harmless that was not shown to be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lib import pairs, stats, sweep
from lib.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.pairs import Pair
    from lib.studies.precision_study import Study

LIMIT = 0.01  # accuracy lost against the SavedModel that is a problem: one percentage point
ALPHA = 0.05  # significance of the McNemar test
REPEATED = 1.5  # throughputs of one configuration in notebooks 06 and 07 may differ by this factor ...
CONTRADICTING = 2.0  # ... and contradict each other from this one on


def findings(done: Study, minimum_accuracy: float, batching: Iterable[Record]) -> list[Finding]:
    """All findings of notebook 07. batching: the records of notebook 06 on this system, empty where it has not run."""
    chance = at_chance(done)
    made = chance or losses(done)  # of a classifier at chance level nothing is said that could sound like a result
    made += below_minimum(done, minimum_accuracy) + repeated(done, batching) + speed(done) + unsound(done)
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
    p = min(test.value for _, test in group)
    return Finding(
        "good",
        Text(
            f"No difference in accuracy from the SavedModel is shown for {len(group)} exported models (smallest McNemar p = {p:.2g}): "
            f"the 95 % intervals of the differences lie between {low:+.2f} and {high:+.2f} points, so a loss of {100 * LIMIT:.0f} point is "
            f"ruled out at that level, smaller ones are not ({', '.join(pair.name.en for pair, _ in group)}).",
            f"{len(group)}個の変換後モデルで、SavedModelとの正解率の差は示されなかった（McNemar検定のpの最小値は{p:.2g}）。"
            f"差の95%信頼区間は{low:+.2f}～{high:+.2f}ポイントにおさまる。{100 * LIMIT:.0f}ポイントの低下は否定できるが、"
            f"それより小さい差は否定できない（{'、'.join(pair.name.ja for pair, _ in group)}）。",
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


def repeated(done: Study, batching: Iterable[Record]) -> list[Finding]:
    """Whether notebook 06 found the same throughput for the same runner, precision, batch size and model file.

    A report that gives one configuration two speeds has at least one wrong: red from CONTRADICTING times on, a note
    from REPEATED times on.
    """
    earlier = {_configuration(r): r for r in batching if r.metric == "throughput" and r.value}
    both = [(pair, done.get(pair, "throughput")) for pair in done.measured]
    both = [(p, now, earlier[_configuration(now)]) for p, now in both if now and now.value and _configuration(now) in earlier]
    if not both:
        text = Text(
            "Not checked against notebook 06: it has no throughput of the same models at this batch size on this system.",
            "ノートブック06との照合はできない。同じモデル、同じバッチサイズのスループットがこのシステムでは記録されていない。",
        )
        return [Finding("note", text)]
    apart = [(max(now.value / then.value, then.value / now.value), p, now, then) for p, now, then in both]
    made = [_twice(factor, *rest) for factor, *rest in apart if factor > REPEATED]
    return made or [_same(max(factor for factor, *_ in apart), len(apart))]


def _configuration(record: Record) -> tuple[object, ...]:
    return record.runner, record.precision, record.batch_size, record.scope, record.artifact_sha256


def _same(factor: float, count: int) -> Finding:
    return Finding(
        "good",
        Text(
            f"Throughput agrees with notebook 06 in all {count} configurations that both measured: within a factor of {factor:.2f}.",
            f"スループットは、ノートブック06でも測定した{count}個の構成すべてで一致する（比は最大{factor:.2f}）。",
        ),
    )


def _twice(factor: float, pair: Pair, now: Record, then: Record) -> Finding:
    """Two stable measurements contradict each other; one that was not stable has already said that it cannot be relied on."""
    unstable = any(record.stats.get("stable") is False for record in (now, then))
    here, there, size = f"{now.value:,.0f}", f"{then.value:,.0f}", now.batch_size
    return Finding(
        "bad" if factor >= CONTRADICTING and not unstable else "note",
        Text(
            f"{pair.name.en} at batch size {size}: {here} images/s here, {there} in notebook 06, a factor of {factor:.1f} "
            f"(over {REPEATED}). The machine was busy or one of the two is wrong; measure again.",
            f"{pair.name.ja}、バッチサイズ{size}：ここでは{here}枚/秒、ノートブック06では{there}枚/秒であり、{factor:.1f}倍の開きがある"
            f"（許容{REPEATED}倍）。他の処理が動いていたか、どちらかが誤りである。測定し直すこと。",
        ),
    )


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
