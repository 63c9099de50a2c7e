"""Structures whose cost can be asked for by name, beside those that can be trained."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from ..errors import UsageError
from ..graph import Shape
from .models import MODELS
from .spec import INPUT, AveragePool, Conv, Fully, MaxPool, Node, Spec, Sum

IMAGENET: tuple[Shape, int] = ((224, 224, 3), 1000)
CIFAR: tuple[Shape, int] = ((32, 32, 3), 10)
TRAINED: dict[str, tuple[Shape, int]] = {
    "tiny": ((8, 8, 1), 10),
    "tiny-plain": ((8, 8, 1), 10),
    "ecg": ((128, 1, 4), 5),
    "autoencoder": ((1, 1, 640), 640),
}
"""Input shape and classes of the models that can be trained, where they are not CIFAR-10's."""


def _stem(imagenet: bool) -> list[Node]:
    if imagenet:
        stem = Conv("stem", INPUT, 64, (7, 7), (2, 2), adaptive=False)
        return [stem, MaxPool("stem_pool", "stem", (3, 3), (2, 2), "same")]
    return [Conv("stem", INPUT, 64, adaptive=False)]


def _block(at: str, source: str, width: int, step: int, *, bottleneck: bool) -> list[Node]:
    """Convolutions of a block; the stride is in the first 3x3 one."""
    stride = (step, step)
    if not bottleneck:
        first = Conv(f"{at}_conv1", source, width, (3, 3), stride)
        return [first, Conv(f"{at}_conv2", first.name, width, relu=False)]
    first = Conv(f"{at}_conv1", source, width, (1, 1))
    second = Conv(f"{at}_conv2", first.name, width, (3, 3), stride)
    return [first, second, Conv(f"{at}_conv3", second.name, 4 * width, (1, 1), relu=False)]


def _resnet(name: str, blocks: tuple[int, ...], *, bottleneck: bool, imagenet: bool) -> Callable[[int], Spec]:
    """ResNet of He et al. (arXiv 1512.03385), with the stride of a bottleneck in its 3x3 convolution."""

    def make(classes: int) -> Spec:
        nodes = _stem(imagenet)
        last, channels = nodes[-1].name, 64
        for i, count in enumerate(blocks):
            width = 64 << i
            for j in range(count):
                step = 2 if i > 0 and j == 0 else 1
                at = f"stage{i + 1}_{j + 1}"
                made = _block(at, last, width, step, bottleneck=bottleneck)
                shortcut, wide = last, 4 * width if bottleneck else width
                if step > 1 or wide != channels:
                    shortcut = f"{at}_shortcut"
                    made.append(Conv(shortcut, last, wide, (1, 1), (step, step), relu=False))
                total = Sum(f"{at}_sum", (shortcut, f"{at}_conv{3 if bottleneck else 2}"))
                nodes += [*made, total]
                last, channels = total.name, wide
        return Spec(name, (*nodes, AveragePool("pool", last), Fully("classifier", "pool", classes)))

    return make


def _family(stem: str, *, imagenet: bool) -> dict[str, Callable[[int], Spec]]:
    sizes = {"resnet18": ((2, 2, 2, 2), False), "resnet34": ((3, 4, 6, 3), False), "resnet50": ((3, 4, 6, 3), True)}
    return {
        f"{size}-{stem}": _resnet(f"{size}-{stem}", blocks, bottleneck=deep, imagenet=imagenet)
        for size, (blocks, deep) in sizes.items()
    }


ARCHITECTURES = _family("imagenet", imagenet=True) | _family("cifar", imagenet=False)
ALIASES = {"resnet50": "resnet50-imagenet"}


def names() -> tuple[str, ...]:
    """Every name."""
    return (*ALIASES, *ARCHITECTURES, *(name for name in MODELS if name not in ARCHITECTURES))


def architecture(name: str) -> tuple[Callable[[int], Spec], Shape, int]:
    """What makes the structure for a number of classes, and the usual input shape and classes.

    Raises:
        UsageError: Unknown name.
    """
    name = ALIASES.get(name, name)
    if name in ARCHITECTURES:
        return (ARCHITECTURES[name], *(IMAGENET if name.endswith("imagenet") else CIFAR))
    if name in MODELS:
        return (MODELS[name], *TRAINED.get(name, CIFAR))
    close = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(names())}"
    raise UsageError(
        f"unknown model {name!r}",
        where="parameter `model`",
        next_step=f"{hint}, or give a checkpoint, a .tflite, .keras or .h5 file",
    )
