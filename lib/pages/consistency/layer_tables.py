"""The table of what lib/pages/consistency/measure.py found: one row a tensor between the layers."""

from __future__ import annotations

from typing import Any

from lib.experiment import candidate as pairs
from lib.experiment.precision import PRECISIONS
from lib.pages.consistency.measure import MULTIPLE, NOT_FINITE, ROUNDING, Study
from lib.show import table as show
from lib.text import Text


def rows(done: Study) -> list[dict[str, Any]]:
    """One row a tensor of each runner that was compared, then what could not run here with its reason."""
    table: list[dict[str, Any]] = []
    for trace in done.traces:
        common = {"runner": trace.pair.label, "precision": PRECISIONS[trace.pair.precision].label}
        for layer in trace.layers:
            shares: dict[str, Any] = dict.fromkeys(("relative", "roundings", "max_abs"), NOT_FINITE)
            if layer.relative is not None:
                roundings = layer.relative / ROUNDING[trace.pair.precision]
                shares = {"relative": layer.relative, "roundings": roundings, "max_abs": layer.max_abs}
            mark = Text("here", "ここ") if layer == trace.begins else ""
            table.append(common | {"index": layer.index, "tensor": layer.tensor, "operator": layer.operator, "begins": mark} | shares)
        if trace.reason is not None:
            table.append(common | {"relative": trace.reason})
    return table + pairs.missing_rows(done.pairs, "relative")


def columns() -> list[show.Column]:
    """The columns of `rows`."""
    return [
        pairs.RUNNER,
        pairs.PRECISION,
        show.Column("index", Text("No.", "番号"), digits=0),
        show.Column("tensor", Text("Tensor", "テンソル")),
        show.Column("operator", Text("Operator", "演算")),
        show.Column("relative", Text("Relative difference", "相対差"), digits=1, scientific=True),
        show.Column("roundings", Text("In roundings", "丸め誤差比"), "×", 2),
        show.Column("max_abs", Text("Max. abs. difference", "絶対差の最大値"), digits=1, scientific=True),
        show.Column("begins", Text("Where it begins", "差の始まり")),
    ]


def caption(done: Study) -> Text:
    """Says what is compared, over how many images, and by which rule a difference begins."""
    count = max((len(trace.images) for trace in done.traces), default=0)
    return Text(
        f"Tensors between the layers, against ONNX Runtime (CPU) FP32, over the {count} test images on which each runner differs most. "
        f"A difference begins at the first tensor whose relative difference is over {MULTIPLE} roundings of the precision.",
        f"層の間のテンソルをONNX Runtime（CPU）のFP32と比較した。実行系ごとに差の大きいテスト画像{count}枚による。"
        f"相対差がその数値精度の丸め誤差の{MULTIPLE}倍を超える最初のテンソルを、差の始まりとする。",
    )
