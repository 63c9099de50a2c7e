"""Bad checkpoints whose layers are each right, and do not belong together."""

from __future__ import annotations

import copy

import numpy as np

from .checkpoint_parts import (
    Parts,
    array,
    cases,
    element,
    on_controller,
    on_graph,
    on_layer,
    on_point,
    on_setting,
    on_tensor,
    streaming,
)


def _again(name: str, output: str) -> object:
    """The same layer a second time, which makes another tensor."""

    def edit(parts: Parts) -> None:
        twin = copy.deepcopy(parts.layer(name))
        parts.graph["layers"].append(twin | {"output": output})

    return edit


def _swap(first: str, second: str) -> object:
    """Two layers in each other's place."""

    def edit(parts: Parts) -> None:
        layers = parts.graph["layers"]
        a, b = (layers.index(parts.layer(name)) for name in (first, second))
        layers[a], layers[b] = layers[b], layers[a]

    return edit


def _dial(*points: tuple[float, list[int]]) -> object:
    return on_controller(dial=[{"target": target, "bias": bias} for target, bias in points])


def _points(*changes: dict[str, object]) -> object:
    """Decision points like the good one, each with other fields."""

    def edit(parts: Parts) -> None:
        first = parts.graph["points"][0]
        parts.graph["points"] = [copy.deepcopy(first) | change for change in changes]

    return edit


def _tuned(index: int, **values: object) -> object:
    return lambda p: p.graph["tuned"][index].update(values)


def _only_head(parts: Parts) -> None:
    """What the network's own layers read is made by a head alone."""
    head = parts.graph["points"][0]["layers"]
    head.insert(0, {"type": "Lookup", "name": "beside", "input": "d", "output": "e", "table": {"array": "table/table"}})
    parts.graph["layers"].remove(parts.layer("product"))


NETWORK = cases(
    {
        "a graph of no layers": (on_graph(layers=[]), "reads layer 'conv', which does not exist"),
        "a graph of no tensors": (on_graph(tensors=[]), "the input tensor 'input' is not defined"),
        "an input that is no tensor": (on_graph(input="nowhere"), "the input tensor 'nowhere' is not defined"),
        "an output that no layer makes": (
            lambda p: p.graph["layers"].pop(),
            "no layer makes the output tensor 'output'",
        ),
        "an output that is the input": (on_graph(output="input", classes=[]), "logits for the 144 classes"),
        "a layer that reads what nothing makes": (on_layer("sum", inputs=["c", "x"]), "'x' is not made by an earlier"),
        "a layer that reads itself": (on_layer("sum", inputs=["c", "d"]), "tensor 'd' is not made by an earlier"),
        "two layers that read each other": (on_layer("sum", inputs=["c", "e"]), "tensor 'e' is not made by an earlier"),
        "layers in a wrong order": (_swap("table", "turned"), "tensor 'f' is not made by an earlier layer"),
        "a layer that overwrites the input": (on_layer("conv", output="input"), "tensor 'input' is undefined, or made"),
        "a layer that makes what another made": (on_layer("table", output="a"), "'a' is undefined, or made twice"),
        "a layer that makes what is no tensor": (on_layer("table", output="zz"), "'zz' is undefined, or made twice"),
        "two layers of one name": (_again("table", "zz"), "two layers share a name: 'table'"),
        "two tensors of one name": (on_tensor("m", name="l"), "two tensors share a name: 'l'"),
        "a layer of the controller with a name of the network's": (
            on_layer("logits", name="conv"),
            "two layers share a name: 'conv'",
        ),
        "a tensor whose name is a path": (on_tensor("a", name="../../etc/passwd"), "name '../../etc/passwd'"),
        "a layer whose name is C": (on_layer("table", name="x; /* "), "name 'x; /* '"),
        "a layer whose name is empty": (on_layer("table", name=""), "name ''"),
        "a layer whose name begins with a digit": (on_layer("table", name="0conv"), "name '0conv'"),
        "a layer that makes another shape": (on_layer("most", output="i2"), "'i2' is undefined"),
        "a tensor of another shape than is made": (on_tensor("j", shape=[2, 2, 5]), "makes shape (2, 2, 4)"),
        "pooling that changes the scale": (on_tensor("j", scale=0.06), "max pooling must keep"),
        "pooling that changes the zero point": (on_tensor("j", zero_point=9), "max pooling must keep"),
        "a class too few": (on_graph(classes=["a", "b"]), "2 class names for 3 outputs"),
        "a class too many": (on_graph(classes=["a", "b", "c", "d"]), "4 class names for 3 outputs"),
        "no second output": (on_graph(more_outputs=["nowhere"]), "output tensor 'nowhere' is not defined"),
        "an input twice": (on_graph(more_inputs=["input"]), "tensor 'input' is an input twice"),
        "an input that a layer makes": (on_graph(more_inputs=["g"]), "'g' is undefined, or made twice"),
    }
)

CONTROLLER = cases(
    {
        "a controller behind no layer": (on_controller(after="nowhere"), "reads layer 'nowhere', which does not exist"),
        "a controller behind what it decides": (on_controller(after="block"), "run before the controller"),
        "a controller that decides nothing": (on_controller(decides=[]), "it decides ()"),
        "a controller that decides in another order": (on_controller(decides=["block", "deep"]), "it decides ('block'"),
        "a controller that decides a fixed layer": (on_controller(decides=["deep", "block", "conv"]), "it decides"),
        "a controller without layers": (on_controller(layers=[]), "controller of graph 'every'"),
        "a controller that ends in codes": (
            lambda p: p.layer("logits").update(output="m2", requantize=p.layer("conv")["requantize"]),
            "'m2' is undefined",
        ),
        "a controller with a logit too few": (
            lambda p: [
                p.arrays.update({f"logits/{n}": p.arrays[f"logits/{n}"][:3]}) for n in ("weights", "bias_twice")
            ],
            "it has 3 logits for 2 layers",
        ),
        "a controller whose widths are chosen": (
            on_layer("logits", candidates=[[8, 8], [4, 4]]),
            "fixed widths, and ['logits']",
        ),
        "a controller whose logits overflow": (
            element("logits/bias_twice", 0, 2**31 - 1),
            "int32 holds (layer 'logits'",
        ),
        "layers with other numbers of widths": (
            on_layer("deep", candidates=[[8, 8], [4, 4], [2, 2]]),
            "not 3 of 'deep', 2 of 'block'",
        ),
        "a dial that turns back": (_dial((0.9, [0, 0]), (0.25, [3, -5])), "and are 0.9, 0.25"),
        "a dial with a target twice": (_dial((0.5, [0, 0]), (0.5004, [1, 1])), "and are 0.5, 0.5"),
        "a target below 0": (_dial((-0.001, [0, 0])), "its target -0.001"),
        "a target above 1": (_dial((1.001, [0, 0])), "its target 1.001"),
        "a target that is no number": (_dial((float("nan"), [0, 0])), "its target nan"),
        "a dial without biases": (_dial((0.5, [])), "0 biases at 0.5 for 2 candidates"),
        "a dial with a bias too many": (_dial((0.5, [0, 0, 0])), "3 biases at 0.5 for 2 candidates"),
        "a bias of 2^31": (_dial((0.5, [2**31, 0])), "the bias 2147483648 is no 32-bit integer"),
        "a bias with which logits overflow": (_dial((0.5, [2**31 - 1, 0])), "at 0.5 a biased logit can reach"),
        "a dial on a network without a controller": (
            lambda p: p.graph.update(controller={"after": "conv", "layers": [], "decides": [], "dial": []}),
            "controller of graph 'every'",
        ),
    }
)

POINTS = cases(
    {
        "a point behind no layer": (on_point(after="nowhere"), "it lies behind layer 'nowhere'"),
        "a point behind the last layer": (on_point(after="softmax"), "decision point 'head' behind the last layer"),
        "a point whose name is C": (on_point(name="a b"), "name 'a b'"),
        "two points of one name": (
            _points({}, {"after": "product", "layers": []}),
            "two decision points share a name: 'head'",
        ),
        "two points behind one layer": (
            _points({}, {"name": "other", "layers": []}),
            "points ['head', 'other'] are not in the order",
        ),
        "a head without layers": (on_point(layers=[]), "decision point 'head'"),
        "a head with a logit too few": (
            lambda p: [
                p.arrays.update({f"head_logits/{n}": p.arrays[f"head_logits/{n}"][:2]})
                for n in ("weights", "bias_twice")
            ],
            "it has 2 logits for the 3 classes",
        ),
        "a head that reads what comes later": (on_layer("head_logits", input="m"), "'m' is not made by an earlier"),
        "a head that reads something else": (
            lambda p: p.layer("head_logits").update(input="b"),
            "its layer 'head_logits' reads ['b']",
        ),
        "a head whose widths are chosen": (
            on_layer("head_logits", candidates=[[8, 8], [4, 4]]),
            "'head_logits' has sev",
        ),
        "a head whose margin overflows": (
            element("head_logits/bias_twice", 0, 2**31 - 1 - 271_830),
            "its logits can reach",
        ),
        "a network that needs a head": (_only_head, "which is not made when the widths are given"),
        "points of a regression": (on_graph(task="regression", classes=[]), "only a classifier"),
        "points of a network of two outputs": (on_graph(more_outputs=["m"]), "only a classifier with one output"),
        "a second pass without widths": (
            lambda p: (
                p.graph.update(controller=None, tuned=[]),
                p.layer("deep").update(candidates=[[8, 8]]),
                p.layer("block").update(candidates=[[8, 8]], bias_by_width=None),
            ),
            "a second pass needs a layer with several candidates",
        ),
        "a cost of 3": (_tuned(1, cost=3.0), "cost 3.0 of a tuned point"),
        "a cost that is no number": (_tuned(1, cost=float("nan")), "cost nan of a tuned point"),
        "an agreement of 1.5": (_tuned(1, agreement=1.5), "agreement 1.5 of a tuned point"),
        "tuned points that turn back": (_tuned(1, cost=0.1), "0 and 1 do not"),
        "a setting with an exit too many": (
            on_setting(exits=[1, 2]),
            "it has 2 exits for 1 decision points (setting of tuned point 0",
        ),
        "a setting with a negative exit": (on_setting(exits=[-1]), "exits (-1,) are not within"),
        "a setting that widens above all": (on_setting(widen=[1 << 32]), "widen (4294967296,) are not within"),
        "a setting with widths too few": (on_setting(widths=[0]), "it has 1 widths for 2 adaptive layers"),
        "a setting with no such width": (on_setting(widths=[0, 2]), "layer 'block' has no candidate 2"),
        "a setting with a bias too many": (on_setting(bias=[1, 2, 3]), "it has 3 biases for 2 candidates"),
        "a setting with a bias of 2^40": (on_setting(bias=[1 << 40, 0]), "a bias is no 32-bit integer"),
        "a setting with a negative second pass": (on_setting(again=-1), "again is -1"),
        "a setting with a second pass of 1000": (on_setting(again=1000), "again is 1000"),
        "a setting that stops at no class": (on_setting(stops=[7]), "stops (7,) are no ascending classes"),
        "a setting that stops at classes twice": (on_setting(stops=[1, 1]), "stops (1, 1) are no ascending classes"),
        "a second pass that nothing is kept for": (on_graph(second_pass=False), "keeps nothing for one"),
    }
)

STREAM = cases(
    {
        "a state that is no tensor": (
            lambda p: p.graph["states"][0].update(read="x"),
            "state tensor 'x' is not defined",
        ),
        "a state that keeps no tensor": (lambda p: p.graph["states"][0].update(write="x"), "'x', which state 'past'"),
        "a state that keeps another shape": (lambda p: p.graph["states"][0].update(write="answer"), "differ in shape"),
        "a state that is an input": (
            lambda p: p.graph["states"][0].update(read="other"),
            "cannot be an input or output",
        ),
        "a state that keeps itself": (lambda p: p.graph["states"][0].update(write="past"), "written from the state"),
        "a state twice": (on_graph(states=[{"read": "past", "write": "now"}] * 2), "state 'past' is given twice"),
        "a state that begins with 300": (lambda p: p.graph["states"][0].update(initial=300), "initial code of state"),
        "a state that a layer makes": (on_layer("mixed", output="past"), "'past' is undefined, or made twice"),
        "weights of a stream for other inputs": (
            array("last/weights", lambda a: np.zeros((2, 5), np.int8)),
            "weights expect 5 inputs",
        ),
    },
    streaming,
)

GRAPH = {**NETWORK, **CONTROLLER, **POINTS, **STREAM}
