"""What notebook 01 of a user's own model shows beside numbers: the model, its preprocessing, images, mistakes."""

from __future__ import annotations

from lib.store.records import Exhibit


class Facts(Exhibit):
    """What the model's file says. source: onnx, keras or saved_model; size: height and width; logits: False for probabilities; batch:
    the one batch size it takes, None where any; opset: of ONNX; parameters: None where the file does not tell; operators: how many of
    each, of layers in a .keras file, the most frequent first; bytes: of the file."""

    source: str
    file: str
    input: str
    dtype: str
    layout: str
    size: list[int]
    channels: int
    output: str
    classes: int
    logits: bool
    batch: int | None
    opset: int | None
    parameters: int | None
    operators: dict[str, int]
    bytes: int


class Preprocessing(Exhibit):
    """lib.data.preprocess.Rules: how an image becomes the model's input, nothing left to a default."""

    size: list[int]
    resize: str
    crop_pct: float
    resize_size: int | None
    interpolation: str
    library: str
    scale: float
    mean: list[float]
    std: list[float]
    channels: str


class Statistics(Exhibit):
    """The values that the model gets from the first `images` test images: mean and standard deviation of each channel, smallest and
    largest value of all."""

    images: int
    mean: list[float]
    std: list[float]
    low: float
    high: float


class Sample(Exhibit):
    """One test image, PNGs in base64. disk: as any program shows its file, None where it was no file; fitted: resized and cropped;
    given: the model's input, its smallest value black and its largest white, channel 0 as red; truth, taken: names of classes, "" where
    nobody knows the class or the model did not run."""

    disk: str | None
    fitted: str
    given: str
    truth: str
    taken: str


class Samples(Exhibit):
    """Some test images, one of each class first."""

    samples: list[Sample]


class Mistake(Exhibit):
    """A class that is taken for another: how often, of how many images of it."""

    truth: str
    taken: str
    count: int
    total: int


class Mistakes(Exhibit):
    """The most frequent ones."""

    pairs: list[Mistake]


class LeftOut(Exhibit):
    """Files that are no whole images, each with its reason."""

    files: list[str]
