"""Names of classes and files: read, compared as people see them, and shown in one line."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from lib.errors import ConfigError

NAMED = 10  # files or classes that a message names before it counts the rest
LONGEST = 1 << 24  # bytes of a classes file: a thousand names are some 20 KB


def clean(name: str) -> str:
    """A class's name as it is compared and shown: NFC, which macOS writes folders' names without, and no space around it."""
    return unicodedata.normalize("NFC", name).strip()


def shown(name: str) -> str:
    """A name in one line of a message: what would break the line or the terminal is escaped as in Python, spaces are kept."""
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else ascii(c)[1:-1] for c in name)


def listed(texts: Iterable[str]) -> str:
    """`a, b, c`, and after the tenth `and 3 more`."""
    texts = [shown(text) for text in texts]
    more = f" and {len(texts) - NAMED:,} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more


def counted(count: int, what: str) -> str:
    """`1 file` or `1,200 files`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def numbered(classes: int) -> tuple[str, ...]:
    """Names where there are none: the outputs' numbers from 0."""
    return tuple(str(index) for index in range(classes))


def of_outputs(names: Iterable[str], classes: int, where: str) -> tuple[str, ...]:
    """Names in the order of the model's `classes` outputs, cleaned. `where` names key and file in errors.

    Raises ConfigError for another number of names, an empty one, one twice, or one that cannot be shown.
    """
    cleaned = tuple(clean(name) for name in names)
    for index, name in enumerate(cleaned):
        if not name:
            raise ConfigError(f"{where}: name {index + 1} of {len(cleaned)} is empty; write one for each output")
        if name in cleaned[:index]:
            raise ConfigError(f"{where}: {shown(name)} is there twice; name each class once")
        showable(name, where)
    if len(cleaned) != classes:
        raise ConfigError(
            f"{where}: {counted(len(cleaned), 'name')} for the model's {counted(classes, 'output')}; write one for each, in their order"
        )
    return cleaned


def read(path: Path, classes: int, where: str) -> tuple[str, ...]:
    """Names of a UTF-8 file, with or without a byte order mark, one a line in the order of the outputs; raises as `of_outputs`."""
    try:
        if path.stat().st_size > LONGEST:
            raise ConfigError(f"{where}: larger than {LONGEST >> 20} MiB; it takes a text file with one name a line")
        lines = path.read_text(encoding="utf-8-sig").rstrip().split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not UTF-8 (byte {error.start + 1}); save it as UTF-8, one name a line") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ConfigError(f"{where}: cannot be read ({getattr(error, 'strerror', None) or error}); name a file, one name a line") from None
    return of_outputs(lines, classes, where)


def index_of(name: str, class_names: tuple[str, ...], where: str) -> int:
    """Which output a folder's name stands for. Raises ConfigError that names the nearest class."""
    if (cleaned := clean(name)) in class_names:
        return class_names.index(cleaned)
    near = difflib.get_close_matches(cleaned, class_names, n=1, cutoff=0.5)
    meant = f"; did you mean {shown(near[0])}?" if near else f"; the classes are {listed(class_names)}"
    raise ConfigError(f"{where}/{shown(name)}: no class of that name{meant}")


def showable(name: str, where: str) -> None:
    """Raise ConfigError for control characters and for bytes that are no UTF-8: no page can print them."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ConfigError(f"{where}: the name of a class, {shown(name)}, has characters that cannot be shown; rename it")
