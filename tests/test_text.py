"""Where the first sentence of a text ends, in both languages: what a finding and the overview show of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.text import Language, Text

ENGLISH = (
    "Accuracy",
    "8.5.3.1",
    "[88.59, 89.80]",
    "1.5",
    "2.95×",
    "(0.2 %, e.g. Here)",
    "GPU",
    "(C++)",
    "`make cpp`",
    "no. 5",
    "i.e. FP16",
    "TF32",
    "5%",
)
JAPANESE = ("正解率は", "8.5.3.1", "[88.59, 89.80]", "1.5", "（構築できない。別の方法を使う）", "「失敗した。」", "GPU", "（C++）", "5%")


def sentence(words: tuple[str, ...], space: str, stop: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(words), min_size=1, max_size=8).map(
        lambda some: space.join(["The" if space else "", *some]).strip() + stop
    )


@given(st.lists(sentence(ENGLISH, " ", "."), min_size=1, max_size=4))
def test_english_is_split_at_the_end_of_a_sentence_and_nowhere_else(sentences: list[str]) -> None:
    first, *rest = sentences
    assert Text(" ".join(sentences), "").first("en") == (first, " ".join(rest))


@given(st.lists(sentence(JAPANESE, "", "。"), min_size=1, max_size=4))
def test_japanese_is_split_at_the_end_of_a_sentence_and_nowhere_else(sentences: list[str]) -> None:
    first, *rest = sentences
    assert Text("", "".join(sentences)).first("ja") == (first, "".join(rest))


@given(st.text(alphabet="aB1 .?!)(。）（？", max_size=40), st.sampled_from(["en", "ja"]))
def test_nothing_is_lost(text: str, language: Language) -> None:
    first, rest = Text(text, text).first(language)
    assert (first + rest).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("See no. 5 of it. Then", "See no. 5 of it."),
        ("It says no. Then it ends.", "It says no."),
        ("FP16 vs. TF32 here. Then", "FP16 vs. TF32 here."),
        ("Half open, [0, 1). Then", "Half open, [0, 1)."),
        ("Why (it failed. Out of memory). Then", "Why (it failed. Out of memory)."),
        ("It said “Out of memory. Stop” here. Then", "It said “Out of memory. Stop” here."),
        ("TensorRT 8.5.3.1. “Then”", "TensorRT 8.5.3.1."),
        ("Is it so? Then", "Is it so?"),
        ("The GPU. No winner is named", "The GPU."),
        ("a file.txt is missing", "a file.txt is missing"),
        ("An open (bracket. Never closed", "An open (bracket. Never closed"),
    ],
)
def test_an_english_sentence_ends_where_a_reader_ends_it(text: str, first: str) -> None:
    assert Text(text, "").first("en")[0] == first
