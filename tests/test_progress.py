"""Progress: a bar for people, lines for a log."""

from __future__ import annotations

import re

import pytest

from lib import progress


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.setenv(progress.LINES, "lines")


def test_say_is_one_line_on_standard_error(capsys):
    progress.say("half way")
    assert capsys.readouterr() == ("", "half way\n")


def test_log_gets_one_line_at_the_end(lines, capsys):
    with progress.bar(total=3, what="epoch 1/2") as bar:
        for _ in range(3):
            bar.update(loss=0.31234, accuracy=0.5)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"epoch 1/2: 3/3, \d+ s loss=0\.312 accuracy=0\.5\n", err)


def test_log_gets_a_line_now_and_then_with_the_time_left(lines, capsys, monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    with progress.bar(total=10, what="work") as bar:
        for _ in range(4):
            bar.update()
    said = capsys.readouterr().err.splitlines()
    assert 1 < len(said) <= 4
    assert re.match(r"work: \d/10, \d+ s, \d+ s left", said[0])


def test_time_left_comes_from_the_pace(lines, capsys):
    bar = progress.bar(total=10, what="work")
    bar.started = progress.time.perf_counter() - 20
    bar.update(4)
    bar._line()
    assert "4/10, 20 s, 30 s left" in capsys.readouterr().err


def test_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.delenv(progress.LINES, raising=False)
    with progress.bar(total=4, what="work") as bar:
        bar.update(4, loss=0.5)
        assert bar._tqdm.n == 4
        assert "loss=0.5" in str(bar._tqdm)
    assert "work" in capsys.readouterr().err


def test_bar_is_closed_when_the_work_fails(monkeypatch):
    monkeypatch.delenv(progress.LINES, raising=False)
    with pytest.raises(RuntimeError), progress.bar(total=4, what="work") as bar:
        raise RuntimeError
    assert bar._tqdm.disable
