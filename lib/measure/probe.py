"""The reference under the usual mistakes of preprocessing and labels: what makes it better is what the profile has wrong."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lib import onnx_session, progress
from lib.data import dataset, decode, names, preprocess
from lib.data.preprocess import Rules
from lib.errors import DatasetError, ReportError, WrongOutput
from lib.measure import predictions, sweep
from lib.measure.mistakes import Choice, choices, fitting
from lib.runners import RUNNERS
from lib.runners.base import Runner, wrong_output
from lib.session import Session
from lib.store.records import Reason, Record

MOST_IMAGES = 1000
AT_ONCE_BYTES = 1 << 24  # of model inputs, or of images in all their choices
NAMED = 10  # classes in a line
OWN = "own"


def probe(session: Session) -> None:
    """Record how many of the first MOST_IMAGES test images the reference has right, with the profile's own preprocessing, with each usual
    mistake in its place (`probed`), and with other classes than the labels say (`probed_labels`).

    case: kind, choice, line (see Choice); stats: correct, total, only_own and only_choice (images that only the profile's own choice, or
    only this one, has right). What cannot be tried has its reason. Nothing is recorded of images without labels and of the model that is
    trained here.
    """
    if session.profile.train or (images := session.images).y_test is None or images.label == dataset.RANDOM:
        return
    labels = np.asarray(images.y_test[:MOST_IMAGES])
    own = Choice(OWN, OWN, "", session.rules)
    found = _classes(session, [own, *choices(session, fits=bool(images.files))], len(labels))
    mine = found[own]
    for choice, answer in found.items():
        session.record(_record(session, "probed", choice[:3], mine, answer, labels))
    if not isinstance(mine, Reason):
        for named, before, after, truth in _relabelled(mine, labels, images.class_names, session.profile.seed):
            session.record(_record(session, "probed_labels", named, before, after, truth))


def _classes(session: Session, tried: list[Choice], count: int) -> dict[Choice, np.ndarray | Reason]:
    """The most probable class of each of the first `count` test images with every choice, int64 (count,), the own one first.

    A choice that changes the pixels of no image is left out.
    """
    reference, images, own = session.profile.reference, session.images.x_test[:count], tried[0]
    found: dict[Choice, np.ndarray | Reason] = {}
    with progress.bar(count * len(tried), "the usual mistakes, tried") as bar:
        try:
            with RUNNERS[reference.runner](session, reference) as runner:
                refit = []
                for choice in tried:
                    if isinstance(choice.rules, Reason) or isinstance(found.get(own), Reason):
                        found[choice] = choice.rules if isinstance(choice.rules, Reason) else found[own]
                    elif fitting(choice.rules) != fitting(session.rules):
                        refit.append(choice)
                        continue
                    else:
                        found[choice] = _tried(runner, images, choice.rules)
                    bar.update(count)
                found |= _refitted(runner, refit, images, found[own], bar) if refit else {}
        except ReportError as error:  # the reference cannot be run here
            found = {choice: choice.rules if isinstance(choice.rules, Reason) else sweep.why(error) for choice in tried}
    return found


def _tried(runner: Runner, images: np.ndarray, rules: Rules) -> np.ndarray | Reason:
    """The most probable classes of uint8 images, int64 (n,), or why there are none."""
    spec = runner.session.spec
    most = max(1, min(predictions.BATCH, AT_ONCE_BYTES // (4 * int(np.prod(spec.row_shape)))))
    batch = predictions.images_a_call(runner, most, len(images))
    parts = []
    try:
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            filled = part[np.arange(max(len(part), runner.min_batch)) % len(part)]
            with np.errstate(over="ignore"):  # the runner refuses infinity
                answer = runner.infer(preprocess.to_input(filled, rules, spec))
            if problem := wrong_output(answer, len(filled), spec):
                raise WrongOutput(f"{runner.candidate.key}: {problem}")
            parts.append(answer[: len(part)].argmax(axis=1))
    except ReportError as error:
        return sweep.why(error)
    return np.concatenate(parts)


def _refitted(
    runner: Runner, tried: list[Choice], images: np.ndarray, mine: np.ndarray, bar: progress.bar
) -> dict[Choice, np.ndarray | Reason]:
    """`_classes` of choices that make other pixels of the files. images, mine: the pixels and classes of the own choice."""
    session = runner.session
    files, channels = session.images.files[: len(images)], session.spec.channels
    found: dict[Choice, np.ndarray | Reason] = {choice: mine.copy() for choice in tried}
    changed = dict.fromkeys(tried, False)
    chunk = max(1, min(predictions.BATCH, AT_ONCE_BYTES // (len(tried) * int(np.prod(images.shape[1:])))))

    def fitted(path: Path) -> list[np.ndarray | DatasetError]:
        try:
            decoded = decode.image(path)
        except (OSError, ValueError) as error:
            raise DatasetError(f"{names.shown(path.name)}: {error}") from None
        return [_fitted(decoded, choice.rules, channels, path) for choice in tried]

    with ThreadPoolExecutor(min(onnx_session.threads(), decode.THREADS)) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow finds odd about a file
        for start in range(0, len(files), chunk):
            try:
                rows = list(pool.map(fitted, files[start : start + chunk]))
            except DatasetError as error:  # gone or altered since it was decoded into the cache
                return dict.fromkeys(tried, sweep.why(error))
            for choice, pixels in zip(tried, zip(*rows, strict=True), strict=True):
                bar.update(len(rows))
                if isinstance(found[choice], Reason):
                    continue
                if error := next((each for each in pixels if isinstance(each, DatasetError)), None):
                    found[choice] = sweep.why(error)
                    continue
                other = np.stack(pixels)
                differ = np.flatnonzero((other != images[start : start + chunk]).any(axis=(1, 2, 3)))
                if len(differ):
                    changed[choice] = True
                    answer = _tried(runner, other[differ], choice.rules)
                    if isinstance(answer, Reason):
                        found[choice] = answer
                    else:
                        found[choice][start + differ] = answer
    return {choice: answer for choice, answer in found.items() if changed[choice] or isinstance(answer, Reason)}


def _fitted(decoded: Any, rules: Rules, channels: int, path: Path) -> np.ndarray | DatasetError:
    try:
        return preprocess.fit(decoded, rules, channels)
    except DatasetError as error:
        return DatasetError(f"{names.shown(path.name)}: {error}")


Relabelled = tuple[tuple[str, str, str], np.ndarray, np.ndarray, np.ndarray]  # (kind, name, line), classes before and after, labels


def _relabelled(classes: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...], seed: int) -> Iterator[Relabelled]:
    """The same answers with their outputs taken for other classes: the next, the last, and the order that fits best.

    That order is fitted on one half of the images and counted on the other: one that fits a few images always gets more of them right.
    """
    outputs = np.arange(len(class_names))
    for name, step in (("+1", 1), ("-1", -1)):
        yield ("offset", name, _renamed(outputs, outputs + step, class_names)), classes, classes + step, labels
    fit, count = _halves(labels, seed)
    if len(fit):
        order, told = _order(classes[fit], labels[fit], len(class_names))
        yield ("order", "best", _renamed(told, order[told], class_names)), classes[count], order[classes[count]], labels[count]


def _halves(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of two halves of the images, drawn, every class in both as evenly as can be; the second is not the smaller."""
    drawn = np.random.default_rng(seed).permutation(len(labels))
    drawn = drawn[np.argsort(labels[drawn], kind="stable")]
    return drawn[1::2], drawn[::2]


def _order(classes: np.ndarray, labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(the class that each output stands for, int64 (count,), a permutation that gets most of these images right, as they are where that
    is as good; the outputs that stand for another class than their own, int64 (k,), the one of most images first)."""
    from scipy.optimize import linear_sum_assignment

    seen = np.union1d(classes, labels)  # the others stay: a matrix of all of many thousand classes takes gigabytes
    matrix = np.zeros((len(seen), len(seen)))
    np.add.at(matrix, (np.searchsorted(seen, classes), np.searchsorted(seen, labels)), 1)
    outputs, chosen = linear_sum_assignment(matrix + 0.5 / len(seen) * np.eye(len(seen)), maximize=True)
    order = np.arange(count)
    order[seen[outputs]] = seen[chosen]
    moved = np.flatnonzero(outputs != chosen)
    return order, seen[moved[np.argsort(-matrix[outputs, chosen][moved], kind="stable")]]


def _renamed(outputs: np.ndarray, classes: np.ndarray, class_names: tuple[str, ...]) -> str:
    """Which names to change in the file of classes, from what to what, of these outputs; "" for none."""
    there = [(output, to) for output, to in zip(outputs.tolist(), classes.tolist(), strict=True) if 0 <= to < len(class_names)]
    said = [f"{names.shown(class_names[output])} → {names.shown(class_names[to])}" for output, to in there[:NAMED]]
    return f"dataset.classes: {', '.join(said + ['…'] * (len(there) > NAMED))}" if said else ""


def _record(
    session: Session,
    metric: str,
    named: tuple[str, str, str],
    own: np.ndarray | Reason,
    classes: np.ndarray | Reason,
    labels: np.ndarray,
) -> Record:
    case = dict(zip(("kind", "choice", "line"), named, strict=True))
    if isinstance(classes, Reason):
        return Record(metric, "share", None, session.profile.reference, case=case, reason=classes)
    before, after = own == labels, classes == labels
    stats = {"correct": int(after.sum()), "total": len(labels)}
    stats |= {"only_own": int((before & ~after).sum()), "only_choice": int((after & ~before).sum())}
    return Record(metric, "share", stats["correct"] / stats["total"], session.profile.reference, case=case, stats=stats)
