"""Bad configurations of Keras: text that is no JSON, objects of another form, and what would run code."""

from __future__ import annotations

from .keras_parts import Config, config_case, dense, layer, model, text_case

TEXT = {
    "an empty configuration": text_case(lambda t: b"", "its configuration cannot be read (Expecting value"),
    "a configuration cut off": text_case(lambda t: t[:-9], "its configuration cannot be read ("),
    "a configuration in UTF-16": text_case(lambda t: t.decode().encode("utf-16"), "can't decode byte 0xff"),
    "a name that is no UTF-8": text_case(lambda t: t.replace(b'"d"', b'"\xff"'), "can't decode byte 0xff"),
    "brackets nested 100,000 deep": text_case(lambda t: b"[" * 100_000, "nested too deep"),
    "objects nested 5,000 deep": text_case(lambda t: b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested too deep"),
    "a class twice": text_case(
        lambda t: t.replace(b'"class_name": "Dense"', b'"class_name": "Dense", "class_name": "Lambda"'),
        "it has 'class_name' twice",
    ),
    "a number of 5,000 digits": text_case(lambda t: t.replace(b'"units": 3', b'"units": ' + b"9" * 5000), "digits"),
    "a list": text_case(lambda t: b"[]", "its configuration is no object"),
}

FORM = {
    "no class": config_case({"config": {}}, "the model has no class_name"),
    "no configuration": config_case({"class_name": "Sequential"}, "the model has no config"),
    "a class that is a number": config_case({"class_name": 3, "config": {}}, "class_name of the model is 3"),
    "a configuration that is a number": config_case({"class_name": "Model", "config": 3}, "config/layers is 3"),
    "no layers": config_case({"class_name": "Model", "config": {}}, "config/layers is None"),
    "layers by their names": config_case(
        {"class_name": "Model", "config": {"layers": {"d": {}}}}, "config/layers is {'d'"
    ),
    "a layer that is null": config_case(model(dense(), None), "config/layers[1] is None"),
    "a layer without a class": config_case(model({"config": {}}), "config/layers[0] has no class_name"),
    "a layer without a configuration": config_case(model({"class_name": "Dense"}), "config/layers[0] has no config"),
    "a layer whose configuration is a list": config_case(
        model({"class_name": "Dense", "config": [3]}), "config of config/layers[0] is [3]"
    ),
    "a layer whose name is a list": config_case(model(dense(name=["d"])), "name of config/layers[0] is ['d']"),
    "two layers of one name": config_case(
        model(dense(), dense()), "config/layers[1] has the name 'd' of another layer"
    ),
    "a layer of a model within that has no class": config_case(
        model(model({"config": {}})), "config/layers[0]/config/layers[0] has no class_name"
    ),
    "20,000 layers": config_case(model(*[{}] * 20_000), "config/layers is a list of 20000"),
}


def _within(levels: int) -> Config:
    """A model in a model in a model."""
    made = model(dense())
    for number in range(levels):
        made = model(made | {"name": f"m{number}"})
    return made


CODE = {
    "a model within 100 models": config_case(_within(100), "lies in more than 50 models"),
    "no model": config_case({"class_name": "Dense", "config": {}}, "no Functional or Sequential"),
    "a model of one's own": config_case(
        model(dense(), registered_name="evil>Model"), "(Sequential): it is a class of yo"
    ),
    "a lambda": config_case(model(layer("Lambda", "run")), "'run' (Lambda): it holds code"),
    "code of Python": config_case(
        model(layer("Lambda", "run") | {"config": {"name": "run", "function": ["4wEAAAA=", None, None]}}),
        "'run' (Lambda): it holds code",
    ),
    "an unknown layer": config_case(model(layer("Quantum", "both")), "'both' (Quantum): Keras has no such layer"),
    "a layer of Python's own modules": config_case(model(layer("Dense", "d", module="os")), "module 'os'"),
    "a part from a module": config_case(
        model(dense(k=[{"class_name": "x", "module": "subprocess"}])), "'d' (x): it comes from module 'subprocess'"
    ),
    "a function that is code": config_case(model(dense(activation={"class_name": "__lambda__"})), "'d' (__lambda__)"),
    "a registered layer": config_case(
        model(layer("Dense", "d", registered_name="evil>Dense")), "registered as 'evil>Dense'"
    ),
    "a registered model within": config_case(
        model(model(dense(), registered_name="evil>Sequential")), "registered as 'evil>Sequential'"
    ),
    "code in a model within": config_case(
        model(model(layer("Lambda", "run")) | {"config": {"name": "part", "layers": [layer("Lambda", "run")]}}),
        "'part/run' (Lambda)",
    ),
    "code in a wrapped layer": config_case(
        model(layer("TimeDistributed", "t") | {"config": {"name": "t", "layer": layer("Lambda", "run")}}),
        "'t' (Lambda): it holds code",
    ),
    "a function of Keras that loads files": config_case(
        model(dense(a={"class_name": "function", "config": "get_file", "module": "keras.utils"})),
        "the function 'get_file' of module 'keras.utils'",
    ),
    "a function of Python": config_case(
        model(dense(a={"class_name": "function", "config": "eval", "module": "builtins"})), "the function 'eval'"
    ),
    "a function of a module that looks like Keras": config_case(
        model(dense(a={"class_name": "function", "config": "relu", "module": "kerasx.activations"})),
        "module 'kerasx.activations'",
    ),
    "a part of Keras that is no layer": config_case(
        model(dense(k={"class_name": "x", "module": "keras.utils"})), "module 'keras.utils'"
    ),
    "an operation that takes a function": config_case(
        model(layer("Map", "m", module="keras.src.ops.core")), "'m' (Map)"
    ),
    "a type": config_case(model(dense(a={"class_name": "__typespec__"})), "'d' (__typespec__): it holds code"),
    "a layer that reads files": config_case(model(layer("StringLookup", "words")), "'words' (StringLookup)"),
    "a saved model": config_case(model(layer("TFSMLayer", "other")), "'other' (TFSMLayer)"),
    "a module in a name": config_case(
        model(dense(k={"class_name": "utils.x", "module": "keras"})), "'d' (utils.x): it holds code"
    ),
    "an activation of one's own": config_case(model(dense(activation="mine")), "'d' (Dense): its activation 'mine'"),
    "a loss of one's own in a model within": config_case(
        model(model(dense()) | {"compile_config": {"loss": {"class_name": "x", "module": "mine"}}}),
        "(x): it comes from module 'mine'",
    ),
    "a name that turns colours": config_case(model(layer("Lambda", "\x1b[31m")), "'\\x1b[31m' (Lambda)"),
}
