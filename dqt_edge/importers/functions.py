"""Functions of one real number that a lookup layer can hold: every activation, and what a constant does to a tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .problems import Unfit

Reals = npt.NDArray[np.float64]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""Klambauer et al., "Self-Normalizing Neural Networks", arXiv 1706.02515."""

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Reals) -> Reals:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)), np.float64)  # overflows nowhere


def _gelu(x: Reals, approximate: bool = False) -> Reals:
    """Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv 1606.08415: exact, or by its tanh formula."""
    if approximate:
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), np.float64)
    return np.asarray(0.5 * x * (1 + _erf(x / math.sqrt(2))), np.float64)


def _softplus(x: Reals) -> Reals:
    return np.asarray(np.logaddexp(x, 0.0), np.float64)


def _elu(x: Reals, alpha: float = 1.0) -> Reals:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _relu(x: Reals, slope: float = 0.0, threshold: float = 0.0, most: float = np.inf) -> Reals:
    """Keras' general ReLU."""
    return np.where(x >= threshold, np.minimum(x, most), slope * (x - threshold))


_NAMED: dict[str, Callable[..., Reals]] = {
    "identity": lambda x: x,
    "relu": _relu,
    "relu6": lambda x: np.clip(x, 0, 6),
    "relu_n1_to_1": lambda x: np.clip(x, -1, 1),
    "clip": lambda x, low=-np.inf, high=np.inf: np.clip(x, low, high),
    "leaky_relu": lambda x, alpha=0.2: np.where(x >= 0, x, alpha * x),
    "prelu": lambda x, alpha=0.0: np.where(x >= 0, x, alpha * x),
    "elu": _elu,
    "selu": lambda x: SELU_SCALE * _elu(x, SELU_ALPHA),
    "celu": lambda x, alpha=1.0: np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha)),
    "sigmoid": _sigmoid,
    "log_sigmoid": lambda x: -_softplus(-x),
    # Keras 3: relu6(x + 3) / 6; ONNX and Keras 2 have slopes of their own.
    "hard_sigmoid": lambda x, alpha=1 / 6, beta=0.5: np.clip(alpha * x + beta, 0, 1),
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "swish": lambda x, beta=1.0: x * _sigmoid(beta * x),
    "tanh": np.tanh,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "hard_shrink": lambda x, threshold=0.5: x * (np.abs(x) > threshold),
    "soft_shrink": lambda x, threshold=0.5: np.sign(x) * np.maximum(np.abs(x) - threshold, 0),
    "threshold": lambda x, threshold=0.0, value=0.0: np.where(x > threshold, x, np.float64(value)),
    "gelu": _gelu,
    "gelu_tanh": lambda x: _gelu(x, approximate=True),
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "squareplus": lambda x, b=4.0: (x + np.sqrt(x * x + b)) / 2,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "exp": lambda x: np.exp(np.minimum(x, 700)),
    "expm1": lambda x: np.expm1(np.minimum(x, 700)),
    "log": lambda x: np.log(np.maximum(x, 1e-30)),
    "log1p": lambda x: np.log1p(np.maximum(x, -1 + 1e-12)),
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "negative": lambda x: -x,
    "square": lambda x: x * x,
    "sqrt": lambda x: np.sqrt(np.maximum(x, 0)),
    "rsqrt": lambda x: 1 / np.sqrt(np.maximum(x, 1e-12)),
    "reciprocal": lambda x: 1 / np.where(np.abs(x) < 1e-12, np.where(x < 0, -1e-12, 1e-12), x),
    "power": lambda x, exponent=1.0: np.power(np.maximum(x, 0) if exponent % 1 else x, exponent),
    "sin": np.sin,
    "cos": np.cos,
    "linear": lambda x, factor=1.0, summand=0.0: factor * x + summand,
    "at_least": lambda x, other=0.0: np.maximum(x, other),
    "at_most": lambda x, other=0.0: np.minimum(x, other),
    # Any function by its values at rising numbers: several behind each other, of which an integer model needs 256.
    "composed": lambda x, at=(0.0,), values=(0.0,): np.asarray(np.interp(x, at, values), np.float64),
}

FUNCTIONS = tuple(sorted(_NAMED))
"""Names that :class:`Function` knows."""
MONOTONE = ("identity", "sigmoid", "hard_sigmoid")
"""Functions whose results are chances: of a single one it only matters on which side of one half it lies."""


@dataclass(frozen=True, eq=False)
class Function:
    """A function of one real number, by name.

    Attributes:
        name: One of ``FUNCTIONS``.
        parameters: Numbers, or arrays with one number for each channel, by the function's own names.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in _NAMED:
            raise Unfit(f"the function {self.name!r} is not known", f"one of {', '.join(FUNCTIONS)}")
        for name, value in self.parameters.items():
            if np.isnan(np.asarray(value, np.float64)).any():
                raise Unfit(f"{name} of {self.name} is not a number", "a finite value")

    @property
    def channels(self) -> int:
        """Channels whose parameters it has; 1 if all channels share them."""
        if self.name == "composed":
            return 1
        return max((np.asarray(value).size for value in self.parameters.values()), default=1)

    def __call__(self, x: npt.ArrayLike) -> Reals:
        """Values of the function; the last axis of ``x`` is the channel where the parameters are by channel."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = _NAMED[self.name](np.asarray(x, np.float64), **self.parameters)
        largest = float(np.finfo(np.float32).max)
        return np.asarray(np.nan_to_num(found, nan=0.0, posinf=largest, neginf=-largest), np.float64)

    @property
    def limits(self) -> tuple[float, float] | None:
        """Least and largest value of a function that only limits; None for any other."""
        known = {"relu6": (0.0, 6.0), "relu_n1_to_1": (-1.0, 1.0), "hard_tanh": (-1.0, 1.0)}
        if self.name in known:
            return known[self.name]
        if self.name == "relu" and not self.parameters:
            return 0.0, math.inf
        return (-math.inf, math.inf) if self.name == "identity" else None
