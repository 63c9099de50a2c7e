"""The models that are known by name. Imports without TensorFlow."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial

from ..errors import UsageError
from .spec import INPUT, AveragePool, Conv, Depthwise, Fully, MaxPool, Node, Place, Spec, Sum


def _tiny(classes: int) -> Spec:
    """Residual block, depthwise-separable block and controller; 316k MACs on 8x8x1 images."""
    return Spec(
        "tiny",
        (
            Conv("stem", INPUT, 16, adaptive=False),
            Conv("conv1", "stem", 16),
            Conv("conv2", "conv1", 16, relu=False),
            Sum("sum", ("stem", "conv2")),
            Depthwise("depthwise", "sum", stride=(2, 2)),
            Conv("pointwise", "depthwise", 32, kernel=(1, 1)),
            AveragePool("pool", "pointwise", kernel=(2, 2), stride=(2, 2)),
            Fully("classifier", "pool", classes),
        ),
        control="stem",
        points=(Place("conv1", grid=2), Place("sum", grid=2)),
    )


def _tiny_plain(classes: int) -> Spec:
    """Convolutions and both kinds of pooling, without a controller: its widths are fixed from outside."""
    return Spec(
        "tiny-plain",
        (
            Conv("stem", INPUT, 16, adaptive=False),
            MaxPool("maxpool", "stem"),
            Conv("conv", "maxpool", 32),
            AveragePool("pool", "conv", kernel=(2, 2), stride=(2, 2), padding="same"),
            Fully("classifier", "pool", classes),
        ),
    )


def _resnet8(classes: int) -> Spec:
    """ResNet-8 of MLPerf Tiny; 12.5M MACs on 32x32x3 images."""
    return _resnet("resnet8", classes, ((16, 1), (32, 1), (64, 1)))


def _resnet18(classes: int, width: int = 64) -> Spec:
    """ResNet-18 for small images: a 3x3 stem of stride 1 and no pooling behind it (He et al., arXiv 1512.03385)."""
    name = "resnet18" if width == 64 else f"resnet18-{width}"
    return _resnet(name, classes, tuple((width << i, 2) for i in range(4)))


def _resnet(name: str, classes: int, stages: tuple[tuple[int, int], ...]) -> Spec:
    """Stem, basic blocks by stage (channels, blocks), the first of each later stage at stride 2, mean, classifier.

    A shortcut that changes shape is a 1x1 convolution. Decision points lie behind all stages but the last.
    """
    nodes: list[Node] = [Conv("stem", INPUT, stages[0][0], adaptive=False)]
    last, channels = "stem", stages[0][0]
    points: list[Place] = []
    for i, (width, blocks) in enumerate(stages):
        for j in range(blocks):
            step = 2 if i > 0 and j == 0 else 1
            at = f"stage{i + 1}" if blocks == 1 else f"stage{i + 1}_{j + 1}"
            nodes.append(Conv(f"{at}_conv1", last, width, stride=(step, step)))
            shortcut = last
            second = Conv(f"{at}_conv2", f"{at}_conv1", width, relu=False)
            if step > 1 or width != channels:
                shortcut = f"{at}_shortcut"
                nodes += [second, Conv(shortcut, last, width, (1, 1), (step, step), relu=False)]
            else:
                nodes.append(second)
            nodes.append(Sum(f"{at}_sum", (shortcut, second.name)))
            last, channels = f"{at}_sum", width
        points.append(Place(last, hidden=64))
    nodes += [AveragePool("pool", last), Fully("classifier", "pool", classes)]
    return Spec(name, tuple(nodes), control="stem", hidden=32, grid=4, points=tuple(points[:-1]))


def _resnet50(classes: int, width: int = 64, blocks: tuple[int, ...] = (3, 4, 6, 3)) -> Spec:
    """ResNet-50 for images of about 224x224 (He et al., arXiv 1512.03385); 4.1G MACs on 224x224x3.

    Bottleneck blocks with the stride on the 3x3 convolution. The controller sees the stem's output behind the pooling.
    """
    nodes: list[Node] = [
        Conv("stem", INPUT, width, (7, 7), (2, 2), padding=(3, 3, 3, 3), adaptive=False),
        MaxPool("stem_pool", "stem", (3, 3), (2, 2), padding=(1, 1, 1, 1)),
    ]
    last = "stem_pool"
    for i, count in enumerate(blocks):
        inner, outer = width << i, 4 * width << i
        for j in range(count):
            step = 2 if i > 0 and j == 0 else 1
            at, shortcut = f"stage{i + 1}_{j + 1}", last
            nodes += [
                Conv(f"{at}_conv1", last, inner, (1, 1)),
                Conv(f"{at}_conv2", f"{at}_conv1", inner, (3, 3), (step, step), padding=(1, 1, 1, 1)),
                Conv(f"{at}_conv3", f"{at}_conv2", outer, (1, 1), relu=False),
            ]
            if j == 0:
                shortcut = f"{at}_shortcut"
                nodes.append(Conv(shortcut, last, outer, (1, 1), (step, step), relu=False))
            nodes.append(Sum(f"{at}_sum", (shortcut, f"{at}_conv3")))
            last = f"{at}_sum"
    nodes += [AveragePool("pool", last), Fully("classifier", "pool", classes)]
    name = "resnet50" if (width, blocks) == (64, (3, 4, 6, 3)) else f"resnet50-{width}x{sum(blocks)}"
    return Spec(name, tuple(nodes), control="stem_pool", grid=4)


def _ecg(classes: int) -> Spec:
    """1-D convolutions along the first axis, for [samples, 1, channels] signals; 0.76M MACs on 128x1x4."""
    return Spec(
        "ecg",
        (
            Conv("stem", INPUT, 16, (7, 1), (2, 1), adaptive=False),
            Conv("conv1", "stem", 32, (5, 1), (2, 1)),
            Conv("conv2", "conv1", 32, (5, 1)),
            Conv("conv3", "conv2", 32, (5, 1), relu=False),
            Sum("sum", ("conv1", "conv3")),
            Conv("conv4", "sum", 64, (5, 1), (2, 1)),
            Conv("conv5", "conv4", 64, (5, 1), (2, 1)),
            AveragePool("pool", "conv5"),
            Fully("classifier", "pool", classes),
        ),
        control="stem",
        hidden=32,
        grid=8,
        points=(Place("conv1", grid=8), Place("sum", grid=8)),
    )


def _autoencoder(outputs: int) -> Spec:
    """Dense layers of 128 to 8 values and back, as in MLPerf Tiny; 0.26M MACs on 640 features."""
    units = {**{f"encoder{i}": 128 for i in range(1, 5)}, "code": 8, **{f"decoder{i}": 128 for i in range(1, 5)}}
    nodes: list[Node] = []
    last = INPUT
    for name, count in units.items():
        nodes.append(Fully(name, last, count, relu=True, norm=True, adaptive=last != INPUT))
        last = name
    nodes.append(Fully("output", last, outputs))
    return Spec("autoencoder", tuple(nodes), control="encoder1", hidden=32)


MODELS: dict[str, Callable[[int], Spec]] = {
    "tiny": _tiny,
    "tiny-plain": _tiny_plain,
    "resnet8": _resnet8,
    "resnet18": _resnet18,
    "resnet18-16": partial(_resnet18, width=16),
    "resnet50": _resnet50,
    "ecg": _ecg,
    "autoencoder": _autoencoder,
}


AUTOENCODERS = ("autoencoder",)
"""Those that are made to give their input again."""


def spec_of(name: str, classes: int) -> Spec:
    """Structure of a named model for a number of outputs.

    Raises:
        UsageError: Unknown name.
    """
    if name in MODELS:
        return MODELS[name](classes)
    close = difflib.get_close_matches(name, MODELS, n=1, cutoff=0.5)
    raise UsageError(
        f"unknown model {name!r}",
        where="parameter `model`",
        next_step=f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(MODELS)}",
    )
