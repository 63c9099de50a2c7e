"""Configurations of Keras 2 as Keras 3 reads them, and operators in ``.h5`` files, which Keras 3 saves but cannot load.

Only names and plain values of the configuration change; nothing is loaded or imported here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .operations import OPERATIONS

Config = dict[str, Any]
MODELS = ("Functional", "Model", "Sequential")
_GONE = {
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose"), ("groups",)),
    **dict.fromkeys(
        ("SeparableConv1D", "SeparableConv2D"),
        ("groups",),
    ),
    **dict.fromkeys(("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"), ("noise_shape", "trainable")),
    "BatchNormalization": ("fused", "virtual_batch_size", "renorm", "renorm_clipping", "renorm_momentum"),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN"), ("time_major",)),
}
"""Attributes that changed nothing in Keras 2 and that Keras 3 does not know."""
_TRAINING = ("_initializer", "_regularizer", "_constraint")
"""How the names of attributes end that only training reads; those of old files may be of your own."""
_RENAMED = {
    **dict.fromkeys(("BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization"), "BatchNormalization"),
    **{f"CuDNN{kind}": kind for kind in ("LSTM", "GRU")},
}
_APPLICATIONS = {
    **dict.fromkeys(("LayerScale", "StochasticDepth"), "keras.src.applications.convnext"),
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}
"""Where Keras keeps layers that are not in ``keras.layers``."""
_CONSTANT = "_CONSTANT_VALUE"
_FUNCTIONAL = "keras.src.models.functional"

_Arguments = tuple[list[Any], Config]
"""What an operation of Keras 3 is called with, and its configuration."""


def modern(config: Config) -> Config:
    """A copy of a model's configuration that Keras 3 can load.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, IndexError: It is no configuration of a model.
    """
    made = copy.deepcopy(config)
    archive = "module" in made
    if made["class_name"] in MODELS:
        _without_module(made)
        _model(made)
        if archive:
            sequential = made["class_name"] == "Sequential"
            made |= {"module": "keras"} if sequential else {"module": _FUNCTIONAL, "class_name": "Functional"}
    return made


def _without_module(part: Config) -> None:
    """Forget where Keras 2 has a layer, if it is its own: then it is looked up by its name."""
    own = str(part.get("module")).split(".")[0] in ("keras", "tf_keras")
    if own and part.get("registered_name") in (None, part["class_name"]):
        for key in ("module", "registered_name", "build_config"):
            part.pop(key, None)


def without_own_training(config: Config) -> Config:
    """A copy without the initialisers, regularisers and constraints that are not Keras's: the network has none."""
    made = copy.deepcopy(config)
    _drop_own(made)
    return made


def _drop_own(value: Any) -> None:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        for key in [key for key, part in value.items() if str(key).endswith(_TRAINING) and _is_own(part)]:
            del value[key]
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _drop_own(part)


def _is_own(part: Any) -> bool:  # noqa: ANN401 - JSON
    own = isinstance(part, dict) and not str(part.get("module")).startswith("keras")
    return own or (isinstance(part, dict) and part.get("registered_name") not in (None, part.get("class_name")))


def _model(model: Config) -> None:
    if isinstance(model["config"], list):  # a Sequential before Keras 2.2.3
        model["config"] = {"name": "sequential", "layers": model["config"]}
    inner = model["config"]
    old = model["class_name"] != "Sequential" and any(_is_old(layer) for layer in inner["layers"])
    nested = {layer.get("name") for layer in inner["layers"] if old and layer["class_name"] in MODELS}
    lists = {layer.get("name") for layer in inner["layers"] if old and layer["class_name"] == "Sequential"}
    for layer in inner["layers"]:
        _layer(layer)
        if old:
            layer["inbound_nodes"] = [_renumbered(node, nested) for node in layer.get("inbound_nodes", ())]
        if layer["class_name"] in ("TFOpLambda", "SlicingOpLambda"):
            _operation(layer)
    if lists:  # at the outputs, Keras 3 itself counts from 1 for nested models of the other kind
        inner["output_layers"] = _renumbered(inner["output_layers"], lists)
    for key in ("input_layers", "output_layers") if old else ():
        found = inner.get(key)
        if isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
            inner[key] = found[0]  # a list of one would become a tensor in a list


def _is_old(layer: Config) -> bool:
    """Whether its calls are written as Keras 2 did: in lists."""
    nodes = layer.get("inbound_nodes") or []
    return bool(nodes) and isinstance(nodes[0], list)


def _layer(layer: Config) -> None:
    kind, config = str(layer["class_name"]), layer["config"]
    _without_module(layer)
    if kind in MODELS:
        _model(layer)
        return
    layer["class_name"] = kind = _RENAMED.get(kind, kind)
    for key in [key for key in config if key in _GONE.get(kind, ()) or key.endswith(_TRAINING)]:
        del config[key]
    if kind in _APPLICATIONS:
        layer.setdefault("module", _APPLICATIONS[kind])
    if kind.startswith("Random"):
        config.pop("rng_type", None)
    if kind == "ThresholdedReLU":
        layer["class_name"], config["threshold"] = "ReLU", config.pop("theta")
    wrapped = config.get("layer"), config.get("backward_layer")
    for part in wrapped:
        if isinstance(part, dict):
            _layer(part)
            part.setdefault("module", "keras.layers")
    # Keras 3 writes operations into .h5 files without their module, so that Add is taken for the layer.
    calls = layer.get("inbound_nodes") or []
    if calls and isinstance(calls[0], dict) and kind in OPERATIONS and not {"trainable", "dtype"} & set(config):
        layer["module"] = module_of(kind)


def _renumbered(node: Any, nested: set[Any]) -> Any:  # noqa: ANN401 - JSON
    """Calls of nested models count from 1 in Keras 2 and from 0 in Keras 3."""
    if _is_tensor(node) and node[0] in nested:
        return [node[0], int(node[1]) - 1, *(_renumbered(part, nested) for part in node[2:])]
    if isinstance(node, list):
        return [_renumbered(part, nested) for part in node]
    if isinstance(node, dict):
        return {key: _renumbered(part, nested) for key, part in node.items()}
    return node


def _is_tensor(value: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int)


# --- Functions of TensorFlow in a functional model ------------------------------------------------------------


def _operation(layer: Config) -> None:
    """``TFOpLambda`` and ``SlicingOpLambda`` as the operation of Keras 3, where there is one; others stay."""
    function = str(layer["config"]["function"])
    convert = _FUNCTIONS.get(function)
    if convert is None:
        return
    kind, make = convert
    nodes: list[Config] = []
    config: Config = {}
    for node in layer["inbound_nodes"]:
        several = isinstance(node[0], list)
        first = [_tensor(part) for part in node] if several else _tensor(node)
        options = (node[0] if several else node)[3]
        values = {key: _argument(value) for key, value in options.items() if key != "name" and value is not None}
        made = make(first, values)
        if made is None:
            return
        arguments, config = made
        nodes.append({"args": arguments, "kwargs": {}})
    name = layer["config"]["name"]
    layer.update(module=module_of(kind), class_name=kind, registered_name=kind, inbound_nodes=nodes)
    layer["config"] = {"name": name, **config}
    layer.pop("build_config", None)


def _tensor(part: Any) -> Any:  # noqa: ANN401 - JSON
    """A tensor by the layer that makes it, or a constant."""
    if part[0] == _CONSTANT:
        return part[2]
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [1], "dtype": "float32", "keras_history": [part[0], part[1], part[2]]},
    }


def _argument(value: Any) -> Any:  # noqa: ANN401 - JSON
    return _tensor(value) if _is_tensor(value) and len(value) == 3 else value


def module_of(kind: str) -> str:
    """Module of an operation of Keras 3."""
    modules = {
        "core": ("Cast", "SaturateCast", "ConvertToTensor", "StopGradient", "Unstack"),
        "math": ("Rsqrt",),
        "image": ("Resize",),
        "nn": (
            *("Relu", "Relu6", "Sigmoid", "Silu", "Softplus", "Softsign", "Selu", "Elu", "LeakyRelu", "Gelu"),
            *("HardSigmoid", "HardSilu", "HardTanh", "HardShrink", "SoftShrink", "TanhShrink", "LogSigmoid"),
            *(
                "Squareplus",
                "Celu",
                "Softmax",
                "LogSoftmax",
                "Threshold",
                "MaxPool",
                "AveragePool",
                "DepthToSpace",
                "SpaceToDepth",
            ),
        ),
    }
    if kind == "ReLU":
        return "keras.src.activations.activations"
    return f"keras.src.ops.{next((name for name, kinds in modules.items() if kind in kinds), 'numpy')}"


def _named(**keys: str) -> Callable[[Any, Config], _Arguments | None]:
    """TensorFlow's arguments under the names of Keras; an argument without one is not understood."""

    def make(first: Any, values: Config) -> _Arguments | None:  # noqa: ANN401 - JSON
        if not set(values) <= set(keys):
            return None
        return [first], {keys[key]: value for key, value in values.items()}

    return make


def _two(first: Any, values: Config) -> _Arguments | None:  # noqa: ANN401 - JSON
    return ([first, values["y"]], {}) if set(values) == {"y"} else None


def _silu(first: Any, values: Config) -> _Arguments | None:  # noqa: ANN401 - JSON
    return ([first], {}) if not set(values) - {"beta"} and values.get("beta", 1.0) == 1 else None


def _split(first: Any, values: Config) -> _Arguments | None:  # noqa: ANN401 - JSON
    sizes = values.get("num_or_size_splits")
    if not set(values) <= {"num_or_size_splits", "axis"} or sizes is None:
        return None
    if isinstance(sizes, list):
        sizes = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return [first], {"indices_or_sections": sizes, "axis": values.get("axis", 0)}


def _pad(first: Any, values: Config) -> _Arguments | None:  # noqa: ANN401 - JSON
    if not set(values) <= {"paddings", "mode", "constant_values"}:
        return None
    mode, filler = str(values.get("mode", "CONSTANT")).lower(), values.get("constant_values", 0)
    constants = [filler] if mode == "constant" and filler else []
    return [first, *constants], {"pad_width": values["paddings"], "mode": mode}


def _resize(first: Any, values: Config) -> _Arguments | None:  # noqa: ANN401 - JSON
    if not set(values) <= {"size", "method", "antialias", "preserve_aspect_ratio"} or values.get(
        "preserve_aspect_ratio"
    ):
        return None
    return [first], {
        "size": values["size"],
        "interpolation": values.get("method", "bilinear"),
        "antialias": bool(values.get("antialias", False)),
    }


def _get_item(first: Any, values: Config) -> _Arguments | None:  # noqa: ANN401 - JSON
    key = values.get("slice_spec")
    parts = key if isinstance(key, list) else [key]
    return [first, [_part(part) for part in parts]], {}


def _part(part: Any) -> Any:  # noqa: ANN401 - JSON
    """A slice, a number, or ``...`` in an index."""
    if isinstance(part, dict) and "start" in part:
        return {"class_name": "__slice__", "config": {key: part.get(key) for key in ("start", "stop", "step")}}
    return {"class_name": "__ellipsis__", "config": {}} if part == "..." else part


_PLAIN = _named()
_AXES = _named(axis="axis", keepdims="keepdims")
_FUNCTIONS: dict[str, tuple[str, Callable[[Any, Config], _Arguments | None]]] = {
    **{
        f"{prefix}.{name}": (kind, _two)
        for kind, names in {
            "Add": ("add",),
            "Subtract": ("subtract", "sub"),
            "Multiply": ("multiply", "mul"),
            "TrueDivide": ("truediv", "divide"),
            "Maximum": ("maximum",),
            "Minimum": ("minimum",),
            "Power": ("pow",),
        }.items()
        for name in names
        for prefix in ("math", "__operators__")
    },
    **{
        f"math.{name}": (name.title(), _PLAIN)
        for name in ("negative", "square", "sqrt", "rsqrt", "reciprocal", "exp", "log", "tanh", "sigmoid", "softplus")
    },
    **dict.fromkeys(("math.abs", "abs"), ("Absolute", _PLAIN)),
    "__operators__.neg": ("Negative", _PLAIN),
    **{f"nn.{name}": (name.title(), _PLAIN) for name in ("relu", "relu6", "sigmoid", "tanh", "softplus", "softsign")},
    **{f"nn.{name}": (name.title(), _PLAIN) for name in ("selu", "elu")},
    **dict.fromkeys(("nn.silu", "nn.swish"), ("Silu", _silu)),
    "nn.leaky_relu": ("LeakyRelu", _named(alpha="negative_slope")),
    "nn.softmax": ("Softmax", _named(axis="axis")),
    "math.reduce_mean": ("Mean", _AXES),
    "math.reduce_sum": ("Sum", _AXES),
    "math.reduce_max": ("Max", _AXES),
    "math.reduce_min": ("Min", _AXES),
    "clip_by_value": ("Clip", _named(clip_value_min="x_min", clip_value_max="x_max")),
    "reshape": ("Reshape", _named(shape="newshape")),
    "transpose": ("Transpose", _named(perm="axes")),
    "expand_dims": ("ExpandDims", _named(axis="axis")),
    "squeeze": ("Squeeze", _named(axis="axis")),
    "concat": ("Concatenate", _named(axis="axis")),
    "stack": ("Stack", _named(axis="axis")),
    "unstack": ("Unstack", _named(num="num", axis="axis")),
    "split": ("Split", _split),
    "pad": ("Pad", _pad),
    "tile": ("Tile", _named(multiples="repeats")),
    "cast": ("Cast", _named(dtype="dtype")),
    "identity": ("Copy", _PLAIN),
    "stop_gradient": ("StopGradient", _PLAIN),
    "image.resize": ("Resize", _resize),
    "nn.depth_to_space": ("DepthToSpace", _named(block_size="block_size")),
    "nn.space_to_depth": ("SpaceToDepth", _named(block_size="block_size")),
    "__operators__.getitem": ("GetItem", _get_item),
}
"""Operation of Keras 3 for each function of TensorFlow in a model of Keras 2."""
