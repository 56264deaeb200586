"""The words of the pages that no notebook says."""

from __future__ import annotations

from lib.text import Language, Text

LANGUAGE_NAMES: dict[Language, str] = {"en": "English", "ja": "日本語"}

WORDS: dict[str, Text] = {
    "report": Text("TensorRT production report", "TensorRT 本番導入レポート"),
    "lede": Text(
        "May this model go to production on TensorRT? One run trains the classifier, converts it, and measures on this system what "
        "every step costs in accuracy and what it gains in speed. Each number is read from a record of that run.",
        "このモデルを TensorRT で本番に出してよいか。1 回の実行で分類器を学習して変換し、各段階で正解率がどれだけ失われ、"
        "速度がどれだけ得られるかをこのシステムで測る。数値はすべて、その実行の記録から読み出したものである。",
    ),
    "skip": Text("Skip to the content", "本文へ移動"),
    "language": Text("Language", "言語"),
    "contents": Text("Contents of the report", "レポートの目次"),
    "on_this_page": Text("On this page", "このページの内容"),
    "overview": Text("Overview", "概要"),
    "profile": Text("Profile", "プロファイル"),
    "dataset": Text("Dataset", "データセット"),
    "system": Text("System", "システム"),
    "date": Text("Measured", "測定日時"),
    "findings": Text("Findings", "わかったこと"),
    "problems": Text("Problems", "問題"),
    "no_problem": Text("No problem was found in what was measured.", "測定した範囲では問題は見つからなかった。"),
    "not_all": Text(
        "No verdict on accuracy for {count} of the {total} rows of the table below: it was not measured on this system.",
        "ただし、下の表の {total} 行のうち {count} 行は、このシステムで正解率を測定しておらず、判定できない。",
    ),
    "more": Text("and {count} more on the page", "ほか {count} 件はページに示す"),
    "show_code": Text("Show the code", "コードを表示"),
    "parameters": Text("Parameters", "パラメータ"),
    "show_parameters": Text("Every parameter of this profile", "このプロファイルの全パラメータ"),
    "parameters_caption": Text("Parameters that this run was made with", "この実行で用いたパラメータ"),
    "parameter": Text("Parameter", "パラメータ"),
    "value": Text("Value", "値"),
    "turn": Text("Previous and next page", "前後のページ"),
    "previous": Text("Previous", "前へ"),
    "next": Text("Next", "次へ"),
    "made_by": Text("This page is made by", "このページを作るコマンド："),
    "records": Text("Records:", "記録："),
    "headline": Text("The result in one table", "結果の一覧"),
    "pages": Text("What each page answers", "各ページが答える問い"),
    "environment": Text("Environment", "測定環境"),
    "environment_caption": Text("The system that every number here was measured on", "このページの数値を測定したシステム"),
    "failed": Text("failed in cell {cell} ({line}): {error}", "セル {cell}（{line}）で失敗した：{error}"),
    "not_run": Text("not run yet", "まだ実行していない"),
    "status": Text("{date}, {seconds} s", "{date}、{seconds} 秒"),
    "earlier": Text(
        "{date}, {seconds} s; from an earlier run than the newest page", "{date}、{seconds} 秒。最新のページより前の実行による"
    ),
    "missing": Text(
        "Not run yet: {stages}. The table below holds what there is.",
        "まだ実行していないノートブック：{stages}。表には今ある結果だけを載せる。",
    ),
    "fallback": Text(
        "Notebook {stage} has not run yet: accuracy, size and speed come from the notebooks that have.",
        "ノートブック {stage} はまだ実行していない。正解率・サイズ・速度は、実行済みのノートブックの記録による。",
    ),
    "nothing": Text("There is no record of accuracy, size or speed yet.", "正解率、サイズ、速度の記録はまだない。"),
    "headline_caption": Text(
        "Runners and precisions over the whole test set; throughput and latency at batch size {batch}, end to end",
        "各実行系と数値精度。正解率は全テスト画像による。スループットとレイテンシはバッチサイズ {batch}、エンドツーエンド",
    ),
    "cpu": Text("Processor", "プロセッサー"),
    "cores": Text("Cores this run may use", "使用できるコア数"),
    "memory": Text("Memory", "メモリ"),
    "gpus": Text("GPUs", "GPU"),
    "no_gpu": Text("none (NVIDIA)", "なし（NVIDIA）"),
    "os": Text("Operating system", "OS"),
    "system_id": Text("System id in the records", "記録でのシステム ID"),
    "no_gpu_short": Text("no NVIDIA GPU", "NVIDIA GPU なし"),
    "n_cores": Text("{cores} cores", "{cores} コア"),
}


def words(language: Language) -> dict[str, str]:
    """All of them in one language, by key."""
    return {key: text.in_(language) for key, text in WORDS.items()}
