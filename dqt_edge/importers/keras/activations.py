"""Activations of Keras by name, and the layers that are one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..builder import Value
from ..network import Activation as Fused
from ..problems import Unfit
from .call import Call, Reads, floats, is_layer, one, reads

FUSED: dict[str, Fused] = {"linear": "none", "relu": "relu", "relu6": "relu6"}
"""Activations that a layer's requantisation computes by its limits."""
_FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("sigmoid", "tanh", "hard_sigmoid", "selu", "softplus", "softsign", "mish")},
    **{name: (name, {}) for name in ("elu", "celu", "gelu", "log_sigmoid", "hard_tanh", "tanh_shrink", "squareplus")},
    **{name: (name, {}) for name in ("hard_shrink", "soft_shrink")},
    **dict.fromkeys(("silu", "swish"), ("swish", {})),
    **dict.fromkeys(("hard_silu", "hard_swish"), ("hard_swish", {})),
    "exponential": ("exp", {}),
    "leaky_relu": ("leaky_relu", {"alpha": 0.2}),
}
"""Function of the Builder for each activation of Keras, with the parameters that its name implies."""
ACTIVATIONS = (*FUSED, *_FUNCTIONS, "softmax", "log_softmax")


def activated(call: Call, make: Callable[[Fused], Value]) -> Value:
    """What ``make`` gives with a fused activation, and behind it the layer's activation where it is another."""
    function = call.layer.activation
    if is_layer(function) and type(function).__name__ in ACTIVATION_LAYERS:
        before = make("none")
        behind = dataclasses.replace(call, layer=function, name=f"{call.name}_{function.name}", args=(before,))
        return one(ACTIVATION_LAYERS[type(function).__name__], behind)
    name = activation_name(function)
    if name in FUSED:
        return make(FUSED[name])
    return activation(call, f"{call.name}_{name}", make("none"), name)


def activation(
    call: Call,
    name: str,
    x: Value,
    function: str,
    **parameters: Any,  # noqa: ANN401 - numbers
) -> Value:
    """An activation by its name in Keras as a layer called ``name``; parameters replace those that it implies."""
    if function == "linear":
        return x
    if function == "log_softmax" and not (call.last and len(x.shape) == 1):
        raise Unfit("its logarithm of a softmax is not at the end of a classifier", "softmax, or log_softmax there")
    if function in ("softmax", "log_softmax"):  # at the end it is dropped, and the order of logits is the same
        return call.builder.softmax(name, x, source=call.source)
    known, implied = _FUNCTIONS.get(function, (function, {}))
    if function == "hard_sigmoid" and call.old:
        implied = {"alpha": 0.2, "beta": 0.5}
    return call.builder.unary(name, x, known, source=call.source, **{**implied, **parameters})


def activation_name(function: Any) -> str:  # noqa: ANN401 - a function
    """Name of a function of Keras, if it is a known activation.

    Raises:
        Unfit: Another function, or one that is not Keras's own.
    """
    name = str(getattr(function, "__name__", type(function).__name__))
    module = str(getattr(function, "__module__", "")).split(".")[0]
    if module not in ("keras", "tensorflow"):
        raise Unfit(f"its activation {name!r} is a function of your own", "an activation of Keras by its name")
    if name not in ACTIVATIONS:
        raise Unfit(f"its activation is {name}", f"one of {', '.join(sorted(ACTIVATIONS))}")
    return name


def _activation(call: Call) -> Value:
    function = call.layer.activation
    if is_layer(function) and type(function).__name__ in ACTIVATION_LAYERS:
        return one(ACTIVATION_LAYERS[type(function).__name__], dataclasses.replace(call, layer=function))
    return activation(call, call.name, call.x, activation_name(function))


def _relu(call: Call) -> Value:
    layer = call.layer
    return rectified(call, float(layer.negative_slope or 0), layer.max_value, float(layer.threshold or 0))


def rectified(call: Call, slope: float, most: float | None, threshold: float) -> Value:
    """``most`` from there on, x from the threshold on, and below it ``slope * (x - threshold)``."""
    high = math.inf if most is None else float(most)
    if (slope, threshold, high) in ((0, 0, 6), (0, 0, math.inf)):
        return call.builder.unary(call.name, call.x, "relu6" if high == 6 else "relu", source=call.source)
    parameters: dict[str, Any] = {"slope": slope, "threshold": threshold, "most": high}
    return call.builder.unary(call.name, call.x, "relu", source=call.source, **parameters)


def _leaky_relu(call: Call) -> Value:
    return call.builder.unary(
        call.name, call.x, "leaky_relu", alpha=float(call.layer.negative_slope), source=call.source
    )


def _prelu(call: Call) -> Value:
    alpha, x = floats(call.layer.alpha), call.x
    if any(n != 1 for n in alpha.shape[:-1]):
        axes = list(range(1, len(x.shape)))
        raise Unfit(f"it has a slope for each of {alpha.shape}", f"a slope for each channel: shared_axes={axes}")
    slopes = np.broadcast_to(alpha.reshape(-1), (x.shape[-1],))
    return call.builder.unary(call.name, x, "prelu", alpha=slopes, source=call.source)


def _elu(call: Call) -> Value:
    return call.builder.unary(call.name, call.x, "elu", alpha=float(call.layer.alpha), source=call.source)


def _softmax(call: Call) -> Value:
    axes = np.ravel(call.layer.axis)
    if len(axes) != 1:
        raise Unfit(f"it is over axes {call.layer.axis}", "one axis")
    return call.builder.softmax(call.name, call.x, axis=call.axis(int(axes[0])), source=call.source)


_listed = ", ".join(f"`{name}`" for name in ACTIVATIONS)
ACTIVATION_LAYERS: dict[str, Reads] = {
    **reads(
        _activation,
        "Activation",
        supported=f"{_listed} (at the end of a classifier); as a layer's `activation`, too",
    ),
    **reads(_relu, "ReLU", supported="any slope, threshold and maximum"),
    **reads(_leaky_relu, "LeakyReLU"),
    **reads(_prelu, "PReLU", supported="one slope, or one for each channel (`shared_axes`)"),
    **reads(_elu, "ELU"),
    **reads(_softmax, "Softmax", supported="over one axis; at the end of a classifier it is dropped, the logits stay"),
}
