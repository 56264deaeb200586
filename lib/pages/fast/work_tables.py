"""Tables of notebook 10: the pipeline, the ceiling, the scenarios."""

from __future__ import annotations

from markupsafe import Markup

from lib import stats
from lib.experiment.candidate import Candidate
from lib.measure.roofline import furthest
from lib.pages import common
from lib.pages.fast import piped, work
from lib.pages.fast.arms import PYTHON, Fast, W
from lib.pages.fast.shown import FORMS, MEGA, Row, called, nothing, sentences, shown
from lib.show.table import Table
from lib.stats import Interval
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text

SCALES = {"TFLOP/s": 1e-12, "GB/s": 1e-9}
LIMITS = ("fp16", "int8", "within", "to_gpu", "from_gpu")  # what a card is measured to reach
FURTHEST = 5  # layers of an engine that are named
LONGEST, FUSED = 40, " + "  # letters of a layer's name that is shown whole; what TensorRT writes between the operations that it fused
MIB = 1 / (1 << 20)
PARTS = (*piped.STEPS, piped.REST)  # columns of what a batch of a pipeline takes


def pipeline(run: Run) -> Table:
    """One row a precision, TensorRT and source, its best batch size: images/s over the whole test set, its share of the GPU alone, host
    memory over the ring and beyond it, and what holds it back."""
    found, rows = Fast(run), list[Row]()
    for one in piped.fastest(found):
        row = _where(one.record) | {"source": W(f"sources.{one.source}"), "throughput": one.rate, "held_by": one.held and one.held.text}
        row |= {"over_ring": one.memory, "beyond": None if one.beyond is None else MEGA * one.beyond}
        rows.append(row | {"share": one.share and common.percent(one.share)})
    known = [key for key in ("share", "over_ring") if any(row[key] is not None for row in rows)]  # neither of them on a processor
    beside = ["beyond"] * ("over_ring" in known) + ["held_by"]
    columns = shown(found, "what", "version", "batch_size", "source", "throughput", *known, *beside)
    about = [W(f"parts.about_{key}", most=piped.MOST_MEMORY, small=MIB * piped.SMALL) for key in known]
    caption = W("captions.pipeline", more=sentences([*about, W("parts.about_held_by")]))
    return Table(rows, columns, caption, nothing=nothing(found, "pipeline"))


def pipeline_times(run: Run) -> Table:
    """Every batch size: how large its ring is, how many images went through, and where the time of a batch goes; folded."""
    found, rows = Fast(run), list[Row]()
    for one in piped.pipelines(found):
        row = _where(one.record) | {
            "source": W(f"sources.{one.source}"),
            "served": one.rate.value,
            "images": one.record.stats.get("images"),
        }
        row |= {"ring": None if one.ring is None else MEGA * one.ring, "whole": one.whole_us, "alone": one.alone and 1e3 * one.alone}
        rows.append(
            row | dict.fromkeys(PARTS) | {(piped.REST if key == piped.OWN else key): us for key, us in one.steps.items()} | one.reading
        )
    kept = [key for key in (*PARTS, "alone") if any(row[key] is not None for row in rows)]
    keys = ("what", "version", "batch_size", "source", "served", "images", "ring", "whole", *kept, "decode", "copy")
    return Table(rows, shown(found, *keys), W("captions.pipeline_times"), folded=True, nothing=nothing(found, "pipeline"))


def ceiling(run: Run) -> Table:
    """One row an engine and batch size: its share of the ceiling, its times and what holds it back, called plainly and as a graph."""
    found, rows = Fast(run), list[Row]()
    for record in work.shares(found):
        told, graph = record.stats, work.graphed(found, record)
        row = _where(record) | {"share_of_ceiling": 100 * (record.value or 0.0), "held_back": work.held_back(work.why(record))}
        row |= {"graph_ms": graph, "held_graph": work.held_back(work.why_graphed(found, record)) or "–"}
        rows.append(row | {key: told.get(key) for key in ("compute_ms", "enqueue_ms", "copies_ms")})
    graphs = any(row["graph_ms"] is not None for row in rows)
    times = ["compute_ms", "copies_ms", "enqueue_ms", *["graph_ms"] * graphs, "held_back", *["held_graph"] * graphs]
    columns = shown(found, "precision", "version", "batch_size", "share_of_ceiling", *times)
    return Table(rows, columns, W("captions.ceiling"), nothing=nothing(found, "ceiling_share"))


def remedies(run: Run) -> Table:
    """One row a thing that holds some engine back, called plainly or as a graph: at which batch sizes, in how many engines, and what to do
    about it."""
    found, by = Fast(run), dict[str, list[Record]]()
    for record in work.shares(found):
        for why in dict.fromkeys((work.why(record), work.why_graphed(found, record))):
            by.setdefault(why or "", []).append(record)
    rows = []
    for why, told in by.items():
        if why in W.groups["remedies"]:
            sizes = sorted({record.batch_size or 1 for record in told})
            row: Row = {"held_back": W(f"held_back.{why}"), "count": len(told), "sizes": ", ".join(f"{size:,}" for size in sizes)}
            rows.append(row | {"remedy": W(f"remedies.{why}")})
    columns = shown(found, "held_back", "count", "sizes", "remedy")
    return Table(rows, columns, W("captions.remedies"), nothing=nothing(found, "ceiling_share"))


def ceilings(run: Run) -> Table:
    """One row a TensorRT: what the card reaches at most, as measured; folded."""
    found, by = Fast(run), dict[str, Row]()
    for record in run.records("ceiling"):
        what, version = str(record.case.get("what", "")), str(record.case.get("tensorrt", "–"))
        if what in LIMITS:
            by.setdefault(version, {"version": version})[what] = record.reason or _rate(record, SCALES[FORMS[what][0]])
    rows = list(by.values())
    return Table(rows, shown(found, "version", *LIMITS), W("captions.ceilings"), folded=True, nothing=nothing(found, "ceiling"))


def layers(run: Run) -> Table:
    """The layers that lose most time against the ceiling, a few of each engine; folded."""
    found, rows = Fast(run), list[Row]()
    for engine in work.engines(found):
        precision = Candidate(PYTHON, engine.precision).precision_label
        for one in furthest(work.placed(found, engine))[:FURTHEST]:
            row: Row = {
                "precision": precision,
                "batch_size": engine.batch_size,
                "version": engine.tensorrt,
                "layer": layer_name(one.work.name),
            }
            rows.append(row | {"took": 1e6 * one.seconds, "lost": 1e6 * one.lost_s, "share_of_ceiling": 100 * one.share})
    keys = ("precision", "batch_size", "version", "layer", "took", "share_of_ceiling", "lost")
    caption = W("captions.layers", count=FURTHEST, slowed=slowed(found))
    return Table(rows, shown(found, *keys), caption, folded=True)


def slowed(found: Fast) -> Text:
    """A sentence on how much longer layers take one by one than together, a space before it; nothing where it is little."""
    times = work.slowed(found)
    return W("parts.slowed", times=times) if times else Text("", "")


def layer_name(name: str) -> str:
    """A layer's name; of a long one of fused operations the first and the last, and how many there are. The whole is its tooltip."""
    if len(name) <= LONGEST:
        return name
    parts = name.split(FUSED)
    short = f"{_cut(parts[0])} … {_cut(parts[-1])} ({len(parts)})" if len(parts) > 1 else _cut(name)
    return Markup('<span title="{}">{}</span>').format(name, short)


def _cut(part: str) -> str:
    return part if len(part) <= LONGEST else f"{part[: LONGEST // 2]}…{part[-LONGEST // 2 + 1 :]}"


def scenarios(run: Run) -> Table:
    """One row a scenario and engine: what MLPerf asks of it, and the throughput over that of the same lanes by themselves."""
    found, rows = Fast(run), list[Row]()
    for record in work.scenarios(found):
        told, share = record.stats, work.of_lanes(found, record)
        row = _where(record) | {"scenario": W(f"scenarios.{record.metric}"), "seconds": told.get("seconds")}
        row["taken"] = None if (peak := told.get("peak_bytes")) is None else MEGA * float(peak)  # type: ignore[arg-type]
        row |= {"of_lanes": share and 100 * share, "served": None if record.unit == "ms" else record.value}
        row["wanted"] = {"server": record.value, "server_overload": told.get("asked")}.get(record.metric)
        if record.metric != "offline":  # where everything is due at the beginning, a latency is a share of the run
            row |= {"p90": told.get("p90", record.value if record.unit == "ms" else None), "p99": told.get("p99_ms")}
        rows.append(row)
    known = [key for key in ("of_lanes", "taken") if any(row[key] is not None for row in rows)]
    beside = ["of_lanes"] * ("of_lanes" in known)
    taken = ["taken"] * ("taken" in known)
    keys = ("scenario", "what", "version", "batch_size", "wanted", "served", *beside, "p90", "p99", *taken, "seconds")
    caption = W("captions.scenarios", limit=run.profile.fast.limit_ms, more=sentences(W(f"parts.about_{key}") for key in known))
    return Table(rows, shown(found, *keys), caption, nothing=nothing(found, *work.SCENARIOS))


def _where(record: Record) -> Row:
    return called(record.candidate) | {"batch_size": record.batch_size, "version": record.case.get("tensorrt", "–")}


def _rate(record: Record, factor: float) -> Interval | float:
    return Interval(*(factor * end for end in stats.time(record.samples))) if record.samples else factor * (record.value or 0.0)
