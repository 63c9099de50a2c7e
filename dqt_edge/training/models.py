"""The models that ``--model`` knows by name. Imports without TensorFlow."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from ..errors import UsageError
from .spec import INPUT, AveragePool, Conv, Depthwise, Fully, MaxPool, Spec, Sum


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


MODELS: dict[str, Callable[[int], Spec]] = {"tiny": _tiny, "tiny-plain": _tiny_plain}


def spec_of(name: str, classes: int) -> Spec:
    """Structure of a named model for a number of classes.

    Raises:
        UsageError: Unknown name.
    """
    if name in MODELS:
        return MODELS[name](classes)
    close = difflib.get_close_matches(name, MODELS, n=1, cutoff=0.5)
    raise UsageError(
        f"unknown model {name!r}",
        where="option --model",
        next_step=f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(MODELS)}",
    )
