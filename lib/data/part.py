"""The image files of one part of a dataset, test or calibration: their order, and the arrays that they become."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from lib.data import decode
from lib.data.cache import Table


class Entry(NamedTuple):
    """An image file. label: of its class, None where there are no labels; path: below the dataset's folder."""

    label: int | None
    path: PurePath


@dataclass
class Part:
    """Files sorted by class and content, so that their names decide nothing. sha256s: of each file, "" where it cannot be read;
    broken: why, by index, files are no whole images, once they were decoded."""

    root: Path
    entries: list[Entry]
    sha256s: list[str]
    broken: dict[int, str] = field(default_factory=dict)

    @property
    def contents(self) -> list[tuple[int | None, str]]:
        """JSON of all that decides the arrays but how images are fitted."""
        return [(entry.label, sha256) for entry, sha256 in zip(self.entries, self.sha256s, strict=True)]

    @property
    def order(self) -> list[int]:
        """Indices of the files that are not broken, in the order of the arrays: `interleaved`.

        The files' own hashes draw: one more image moves few others, and every machine has the same order.
        """
        whole = [index for index in range(len(self.entries)) if index not in self.broken]
        draws = np.array([int(hashlib.sha256(self.sha256s[index].encode()).hexdigest()[:13], 16) / 16**13 for index in whole])
        return [whole[place] for place in interleaved([self.entries[index].label for index in whole], draws)]

    @property
    def files(self) -> list[Path]:
        """The file of each image of the arrays."""
        return [self.root / self.entries[index].path for index in self.order]

    @property
    def emptied(self) -> list[int | None]:
        """Labels that no whole image has."""
        return sorted({entry.label for entry in self.entries} - {self.entries[index].label for index in self.order}, key=str)

    def write(self, images: Path, labels: Path, fit: Callable[[Any], np.ndarray], shape: tuple[int, ...], what: str) -> None:
        """Decode every file into the .npy file `images`, uint8 (N, *shape), and write `labels`, int64 (N,), where there are any.

        fit: PIL image to uint8 `shape`. Broken files are left out and told in `broken`. what: is decoded, for the progress bar.
        """
        decoded = self.order
        with Table(images, (len(decoded), *shape)) as table:
            reasons = decode.each(self.files, fit, table.put, what)
            self.broken = {decoded[place]: reason for place, reason in reasons.items()}
            order = self.order
            if self.broken:  # the order of the others begins with one of each class, too
                places = {index: place for place, index in enumerate(decoded)}
                whole = images.with_suffix(".whole")
                with Table(whole, (len(order), *shape)) as others:
                    for place, index in enumerate(order):
                        others.put(place, table.get(places[index]))
                whole.replace(images)
        if (values := [self.entries[index].label for index in order]) and None not in values:
            np.save(labels, np.array(values, np.int64))


def hashed(root: Path, entries: Sequence[Entry]) -> Part:
    """The part that these files are; reads each whole."""
    sha256s = decode.digests([root / entry.path for entry in entries])
    pairs = sorted(zip(entries, sha256s, strict=True), key=lambda pair: (_number(pair[0].label), pair[1], pair[0].path))
    return Part(root, [entry for entry, _ in pairs], [sha256 for _, sha256 in pairs])


def interleaved(labels: Sequence[int | None], draws: np.ndarray) -> np.ndarray:
    """An order of images, int64 (N,), that begins with one of each class and goes on with the classes in their proportions.

    labels: a class each, or None for all alike; draws: float (N,) from 0 to 1, what decides within a class and between classes.
    """
    classes = np.array([_number(label) for label in labels], np.int64)
    by_class = np.lexsort((draws, classes))
    _, starts, counts = np.unique(classes[by_class], return_index=True, return_counts=True)
    rank, count = np.arange(len(classes)) - np.repeat(starts, counts), np.repeat(counts, counts)
    place = np.where(rank == 0, draws[by_class] - 1, (rank + draws[by_class]) / count)
    return by_class[np.argsort(place, kind="stable")]


def _number(label: int | None) -> int:
    return -1 if label is None else label
