"""The usual mistakes in a profile's preprocessing, each as the lines of the profile that would make it, or make it good."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from lib.data import preprocess
from lib.data.preprocess import Rules
from lib.errors import ConfigError
from lib.experiment.preprocess import MEAN, PRESETS, STD, Preprocess
from lib.experiment.spec import ModelSpec
from lib.measure import sweep
from lib.session import Session
from lib.store.records import Reason

Proposal = tuple[str, str, dict[str, Any]]  # kind, name, keys of the section; None takes a key away
VALUES = {"scale", "mean", "std", "channels"}  # keys that say nothing of resizing


class Choice(NamedTuple):
    """Another way than the profile's. line: what to write into the profile for it, a dotted key and its value a line; rules: what that
    comes to, or why it cannot be tried."""

    kind: str
    name: str
    line: str
    rules: Rules | Reason


def choices(session: Session, fits: bool = True) -> list[Choice]:
    """The usual mistakes that differ from what the profile says and from each other; fits: those of resizing too.

    Each is the section `preprocess` with other keys, so that its line does to the profile what was tried.
    """
    section, path, spec, own = session.profile.preprocess, session.profile.path, session.spec, session.rules

    def resolved(keys: dict[str, Any]) -> Rules:
        return preprocess.resolve(Preprocess.model_validate(section.model_dump() | keys), spec, path)

    # Where a preset alone says the values, another one's name is the line. "imagenet" says how to resize, too.
    named = section.preset not in (None, "imagenet") and not VALUES & section.given().keys()
    proposed = [*_values(own, spec, named), *(_fits(own) if fits else [])]
    made: list[Choice] = []
    for kind, name, keys in proposed:
        try:
            rules = resolved(keys)
        except ConfigError as error:  # values that the input's type cannot hold
            made.append(Choice(kind, name, _line(keys), sweep.why(error)))
            continue
        others = [own, *(choice.rules for choice in made if isinstance(choice.rules, Rules))]
        if not any(_alike(rules, other) for other in others):
            made.append(Choice(kind, name, _line(_least(keys, rules, resolved)), rules))
    return made


def _values(own: Rules, spec: ModelSpec, named: bool) -> Iterator[Proposal]:
    """Mistakes in the arithmetic. A model of bytes has none but the order of its channels. named: whether a preset's name is
    all that the profile says of it."""
    if spec.channels == 3:
        other = "BGR" if own.channels == "RGB" else "RGB"
        yield "channels", other, {"channels": other}
    if spec.dtype == "uint8":
        return
    # mean and std stay where they are of the unit that the values then have: an ImageNet mean belongs to 0..1.
    of_one, of_bytes = 0 < max(own.mean) < 1, max(own.mean) > 2
    plain = {"mean": [0.0], "std": [1.0]}
    yield "scale", "0..1", {"scale": 1 / 255} | ({} if of_one else plain)
    yield "scale", "0..255", {"scale": 1.0} | ({} if of_bytes else plain)
    yield "scale", "-1..1", {"scale": 1 / 127.5, "mean": [1.0], "std": [1.0]}
    yield "normalization", "none", plain
    pairs = list(zip(own.mean, own.std, strict=True))
    yield "normalization", "twice", {"mean": [_rounded(m + m * s) for m, s in pairs], "std": [_rounded(s * s) for _, s in pairs]}
    if spec.channels == 3:
        step = 1 if own.channels == "RGB" else -1
        yield "normalization", "imagenet", {"scale": 1 / 255, "mean": MEAN[::step], "std": STD[::step]}
    for mode in ("tf", "caffe", "torch") if spec.channels == 3 else ("tf",):
        written = plain | {"channels": "RGB"} | PRESETS[mode]
        written["std"] = written["std"] * (len(written["mean"]) // len(written["std"]))
        yield "keras", mode, {"preset": mode} if named else written


def _fits(own: Rules) -> Iterator[Proposal]:
    """Mistakes in resizing."""
    crop = {"crop_pct": own.crop_pct} if own.resize_size is None else {"resize_size": own.resize_size}
    ways = {"exact": {"crop_pct": 1.0, "resize_size": None}, "shortest_edge": crop, "pad": {"crop_pct": None, "resize_size": None}}
    for way, keys in ways.items():
        yield "resize", way, {"resize": way} | keys
    if own.resize != "pad":
        for share in (1.0, 0.875, 0.95):
            yield "crop", f"{share:g}" if share != 1 else "1.0", {"crop_pct": share, "resize_size": None}
    for method in ("bilinear", "bicubic", "nearest"):
        yield "interpolation", method, {"interpolation": method}
    for library in ("pillow", "opencv") if importlib.util.find_spec("cv2") else ("pillow",):
        yield "library", library, {"library": library}


def fitting(rules: Rules) -> tuple[Any, ...]:
    """What decides the pixels."""
    return rules.resize, rules.box, rules.interpolation, rules.library


def _alike(one: Rules, other: Rules) -> bool:
    """Whether two do the same to an image, but for a thousandth of the values' range."""
    if (one.channels, fitting(one)) != (other.channels, fitting(other)):
        return False
    ends = [np.subtract.outer(np.array([0, 255]) * rules.scale, rules.mean) / np.array(rules.std) for rules in (one, other)]
    return bool(np.allclose(*ends, rtol=0, atol=1e-3 * max(float(np.ptp(values)) for values in ends)))


def _least(keys: dict[str, Any], rules: Rules, resolved: Callable[[dict[str, Any]], Rules]) -> dict[str, Any]:
    """Those of the keys that are needed for these rules."""
    needed = dict(keys)
    for key in reversed(keys):
        rest = {name: value for name, value in needed.items() if name != key}
        try:
            needed = rest if resolved(rest) == rules else needed
        except (ConfigError, ValidationError):  # without it the others do not go together
            continue
    return needed


def _line(keys: dict[str, Any]) -> str:
    return "\n".join(f"preprocess.{key}: {_yaml(keys[key])}" for key in Preprocess.model_fields if key in keys)


def _yaml(value: Any) -> str:
    """As the profile reads it: no exponents, which YAML's readers take for different things."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return np.format_float_positional(value, trim="0") if isinstance(value, float) else "null" if value is None else str(value)


def _rounded(number: float) -> float:
    return float(f"{number:.12g}")
