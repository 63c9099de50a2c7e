"""The form of a Keras configuration, before anything is made of it: models, their layers, and each one's own part."""

from __future__ import annotations

from typing import Any

from .legacy import MODELS

DEPTH_MAX = 50
"""Most models within models."""
LAYERS_MAX = 10_000


def require_model(model: Any, place: str, depth: int = 0) -> None:  # noqa: ANN401 - JSON
    """Raise ValueError, which names the place, unless it is an object of a class with a configuration.

    Of a model, the configuration must list layers, for which the same holds.

    Args:
        model: A model or layer.
        place: Where in the configuration it stands, such as ``config/layers[3]``; "" for the whole.
        depth: How many models it lies in.
    """
    where = place or "the model"
    if not isinstance(model, dict):
        raise ValueError(f"{where} is {_shown(model)}, must be an object")
    for key in ("class_name", "config"):
        if key not in model:
            raise ValueError(f"{where} has no {key}")
    kind, inner = model["class_name"], model["config"]
    if not isinstance(kind, str):
        raise ValueError(f"class_name of {where} is {_shown(kind)}, must be text")
    if kind not in MODELS:
        if not isinstance(inner, dict):
            raise ValueError(f"config of {where} is {_shown(inner)}, must be an object")
        return
    if depth > DEPTH_MAX:
        raise ValueError(f"{where[:80]} lies in more than {DEPTH_MAX} models")
    inside = f"{place}/config" if place else "config"
    layers = inner.get("layers") if isinstance(inner, dict) else inner  # a list alone: Keras before 2.2.3
    if not isinstance(layers, list) or len(layers) > LAYERS_MAX:
        shown = f"a list of {len(layers)}" if isinstance(layers, list) else _shown(layers)
        raise ValueError(f"{inside}/layers is {shown}, must be a list of up to {LAYERS_MAX}")
    names: set[str] = set()
    for number, layer in enumerate(layers):
        at = f"{inside}/layers[{number}]"
        require_model(layer, at, depth + 1)
        name = layer.get("name") or (layer["config"].get("name") if isinstance(layer["config"], dict) else None)
        if name is not None and not isinstance(name, str):
            raise ValueError(f"name of {at} is {_shown(name)}, must be text")
        if name is not None and name in names:
            raise ValueError(f"{at} has the name {_shown(name)} of another layer")
        names |= {name} if name else set()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
