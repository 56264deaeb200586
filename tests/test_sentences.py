"""Every words.yaml: whole in both languages, in one style, and each sentence of it used."""

from __future__ import annotations

import ast
import functools
import re
import string
from pathlib import Path

import pytest
import yaml

from lib.experiment import profile as config
from lib.report import shell
from lib.show.table import OPEN
from lib.store.run import Run
from lib.text import LANGUAGES, Text

LIB = config.ROOT / "lib"
FILES = sorted(LIB.rglob("words.yaml"))
COMMON = LIB / "words.yaml"
POLITE = re.compile(r"(です|ます|でした|ました|ません|ください|でしょう)(。|、|が|$)")
LATIN_WORDS = re.compile(r"[A-Za-z][A-Za-z'’-]*(?: [A-Za-z][A-Za-z'’-]*){2,}")
NAMES = ("TensorRT for RTX", "ONNX Runtime", "TensorFlow Lite", "TensorFlow SavedModel", "NVIDIA GPU")  # as their makers write them


def sentences(path: Path) -> dict[str, dict[str, str]]:
    """`group.key` -> {en, ja} of a file."""
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {f"{group}.{key}": both for group, keys in read.items() for key, both in keys.items()}


def name(path: Path) -> str:
    return str(path.relative_to(LIB))


@pytest.fixture(params=FILES, ids=name)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def filled(text: str) -> dict[str, set[str]]:
    """Placeholder -> the formats that it is given."""
    found: dict[str, set[str]] = {}
    for _, field, form, _ in string.Formatter().parse(text):
        if field is not None:
            found.setdefault(field, set()).add(form or "")
    return found


# Findings: the first sentence is all that stands open of a long one (lib/show/table.py), and is read in a glance --------------------

FIRST_WORDS, FIRST_LETTERS = 25, 90  # of it, in English and in Japanese
OPTIONAL = re.compile(r"\{(which|because|marking|chosen|saved)\}")  # values that are a sentence, or the end of one, or nothing
RECORDED = (config.ROOT / "outputs" / "cifar10", *sorted((config.ROOT / "tests" / "own" / "recorded").iterdir()))
SYSTEMS = sorted(folder for place in RECORDED for folder in (place / "results").iterdir())


def test_the_first_sentence_of_a_finding_says_the_same_in_both_languages(path: Path) -> None:
    for key, both in sentences(path).items():
        if key.startswith("findings."):
            plain = {language: OPTIONAL.sub(". " if language == "en" else "。", text) for language, text in both.items()}
            said = Text(**{language: re.sub(r"\{(\w+)[^}]*\}", r"X_\1_1", text) for language, text in plain.items()})
            first = {language: sorted(set(re.findall(r"X_(\w+?)_1", said.first(language)[0]))) for language in LANGUAGES}
            assert first["en"] == first["ja"], key


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: f"{system.parent.parent.name}-{system.name}")
def test_the_first_sentence_of_every_finding_of_the_recorded_runs_is_short(system: Path) -> None:
    run = Run.open(system)
    found = [(stage, finding) for stage in (*run.files, "09_claims") for finding in shell.findings(run.of(stage))]
    assert len(found) > 8
    for stage, (_, key, _, text) in found:
        (english, _), (japanese, _) = text.first("en"), text.first("ja")
        assert len(text.en.split()) <= OPEN or len(english.split()) <= FIRST_WORDS, (stage, key, english)
        assert len(japanese) <= FIRST_LETTERS, (stage, key, japanese)


def test_there_are_files_to_look_at() -> None:
    assert COMMON in FILES
    assert len(FILES) > 8


def test_a_sentence_is_there_in_both_languages_with_the_same_placeholders(path: Path) -> None:
    for key, both in sentences(path).items():
        assert both.keys() == {"en", "ja"}, key
        assert all(isinstance(text, str) and text.strip() for text in both.values()), key
        if key != "reasons.verbatim":  # it brings its own words
            assert filled(both["en"]).keys() == filled(both["ja"]).keys(), key


def test_english_stands_above_japanese(path: Path) -> None:
    for key, both in sentences(path).items():
        assert list(both) == ["en", "ja"], key
        assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", both["en"]), key


def test_japanese_is_of_one_style_and_has_no_english_in_it(path: Path) -> None:
    for key, both in sentences(path).items():
        said = re.sub(r"\{[^}]*\}", "", both["ja"])
        assert not POLITE.search(said), (key, said)
        assert "精度" not in said.replace("数値精度", ""), (key, said)
        for known in NAMES:
            said = said.replace(known, "")
        assert not LATIN_WORDS.findall(said), (key, said)


# What code asks for ------------------------------------------------------------------------------------------------------------

MODULES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(LIB.rglob("*.py"))}


@functools.cache
def owners(path: Path) -> dict[str, Path]:
    """The names by which a module knows Words: name -> its words.yaml."""
    found = {}
    for node in ast.walk(MODULES[path]):
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "Words(__file__)":
            found[ast.unparse(node.targets[0])] = path.with_name("words.yaml")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lib"):
            other = config.ROOT / (node.module or "").replace(".", "/")
            for alias in node.names:
                source = other.with_suffix(".py") if other.with_suffix(".py").exists() else other / "__init__.py"
                if source != path and source in MODULES and alias.name in owned(source):
                    found[alias.asname or alias.name] = owned(source)[alias.name]
    return found


@functools.cache
def owned(path: Path) -> dict[str, Path]:
    assigned = [node for node in ast.walk(MODULES[path]) if isinstance(node, ast.Assign)]
    return {ast.unparse(n.targets[0]): path.with_name("words.yaml") for n in assigned if ast.unparse(n.value) == "Words(__file__)"}


@functools.cache
def asked(path: Path) -> list[tuple[Path, ast.expr, bool]]:
    """(words.yaml, the key's expression, whether it is a finding's) of every call that asks for a sentence."""
    known, found = owners(path), []
    for node in ast.walk(MODULES[path]):
        if isinstance(node, ast.Call) and node.args:
            if isinstance(node.func, ast.Name) and node.func.id in known:
                found.append((known[node.func.id], node.args[0], False))
            elif isinstance(node.func, ast.Attribute) and node.func.attr == "finding" and ast.unparse(node.func.value) in known:
                found.append((known[ast.unparse(node.func.value)], node.args[1], True))
    return found


def pattern(key: ast.expr, finding: bool) -> str | None:
    """A regular expression of the keys that an expression can give, None where it says nothing of them."""
    start = r"findings\." if finding else ""
    if isinstance(key, ast.Constant):
        return start + re.escape(str(key.value))
    if isinstance(key, ast.JoinedStr):
        return start + "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in key.values)
    if isinstance(key, ast.IfExp):
        return "|".join(filter(None, (pattern(key.body, finding), pattern(key.orelse, finding)))) or None
    return None


def test_every_sentence_that_code_asks_for_is_there() -> None:
    known = {path: sentences(path) for path in FILES}
    for module in MODULES:
        for path, key, finding in asked(module):
            wanted = pattern(key, finding)
            if wanted is not None:
                assert any(re.fullmatch(wanted, one) for one in known[path]), (name(module), wanted)


def uses(path: Path) -> list[str]:
    """Regular expressions of the keys of a words.yaml that are asked for."""
    found = [r"reasons\..+"] if path == COMMON else []  # below: by what makes them
    readers = [module for module in MODULES if path in owners(module).values()]
    for module in readers:
        calls = [node for node in ast.walk(MODULES[module]) if isinstance(node, ast.Call) and ast.unparse(node.func) == "columns"]
        parts = [node for call in calls for node in ast.walk(call.args[1]) if isinstance(node, ast.Constant)]
        found += [rf"columns\.{key}" for part in parts for key in part.value.split()]
        found += [wanted for file, key, finding in asked(module) if file == path and (wanted := pattern(key, finding))]
        # A key that is chosen first and asked for later stands in the module as a constant of its own, and so does a group's name.
        constants = [n.value for n in ast.walk(MODULES[module]) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        if ".groups[" in module.read_text(encoding="utf-8"):
            found += [rf"{text}\..+" for text in constants if re.fullmatch(r"\w+", text)]
        found += [rf"(\w+\.)?{re.escape(text)}" for text in constants if re.fullmatch(r"\w+(\.\w+)?", text)]
    for template in path.parent.rglob("*.j2"):
        found += [rf"page\.{key}" for key in re.findall(r"\bwords\.(\w+)", template.read_text(encoding="utf-8"))]
    return found


def test_every_sentence_is_asked_for(path: Path) -> None:
    asked_for = re.compile("|".join(f"(?:{one})" for one in uses(path)))
    assert [key for key in sentences(path) if not asked_for.fullmatch(key)] == []


def test_every_reason_is_given_somewhere() -> None:
    given = {n.value for tree in MODULES.values() for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert [key for key in sentences(COMMON) if key.startswith("reasons.") and key.removeprefix("reasons.") not in given] == []
