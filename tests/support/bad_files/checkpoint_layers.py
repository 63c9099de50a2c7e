"""Bad checkpoints whose layers and tensors are of the right types, and cannot be computed."""

from __future__ import annotations

import numpy as np

from .checkpoint_parts import Parts, array, cases, element, on_layer, on_tensor, window

INT32 = 2**31 - 1


def _clamp(low: int, high: int, name: str = "conv") -> object:
    return lambda p: p.layer(name)["requantize"].update(low=low, high=high)


def _all(name: str, value: int) -> object:
    return array(name, lambda a: np.full_like(a, value))


def _wide_deep(parts: Parts) -> None:
    """Weights of 20 million elements, 20 MB: more than any layer may have."""
    parts.arrays["dense/weights"] = np.zeros((1 << 12, 1 << 12 | 1), np.int8)


def _input_of_stride(parts: Parts) -> None:
    """The input is wider than what the first layer makes of it."""
    parts.tensor("input").update(shape=[6, 7, 4])
    parts.layer("conv")["window"].update(padding=[1, 1, 1, 0])


def _residual_of_input(parts: Parts) -> None:
    _input_of_stride(parts)
    parts.layer("block").update(residual="input")


def _product_of_input(parts: Parts) -> None:
    _input_of_stride(parts)
    parts.layer("product").update(inputs=["d", "input"])


TENSORS = cases(
    {
        "a tensor of no rows": (on_tensor("a", shape=[0, 6, 4]), "tensor 'a': shape (0, 6, 4)"),
        "a tensor of negative width": (on_tensor("a", shape=[6, -6, 4]), "tensor 'a': shape (6, -6, 4)"),
        "a tensor of 2^40 rows": (on_tensor("a", shape=[1 << 40, 1, 1]), "tensor 'a': shape"),
        "a tensor of 2^45 elements": (on_tensor("a", shape=[1 << 15] * 3), "'conv'"),
        "a scale of 0": (on_tensor("a", scale=0), "tensor 'a': scale 0"),
        "a negative scale": (on_tensor("a", scale=-0.05), "tensor 'a': scale -0.05"),
        "a scale that is no number": (on_tensor("a", scale=float("nan")), "tensor 'a': scale nan"),
        "a zero point of 256": (on_tensor("a", zero_point=256), "tensor 'a': zero point 256"),
        "a zero point of int8": (on_tensor("a", zero_point=-128), "tensor 'a': zero point -128"),
        "a zero point of 2^62": (on_tensor("a", zero_point=1 << 62), "tensor 'a': zero point"),
    }
)

WEIGHTED = cases(
    {
        "a multiplier of 0": (
            element("conv/requantize/multiplier", 2, 0),
            "layer 'conv': multiplier of channel 2 is 0",
        ),
        "a negative multiplier": (
            element("conv/requantize/multiplier", 3, -5),
            "'conv': multiplier of channel 3 is -5",
        ),
        "a shift of 0": (element("conv/requantize/shift", 0, 0), "layer 'conv': shift of channel 0 is 0"),
        "a shift of 63": (element("deep/requantize/shift", 1, 63), "layer 'deep': shift of channel 1 is 63"),
        "a shift of 255": (element("dense/requantize/shift", 1, 255), "layer 'dense': shift of channel 1 is 255"),
        "multipliers for other channels": (
            array("conv/requantize/multiplier", lambda a: a[:3]),
            "layer 'conv': multipliers and shifts have shapes (3,) and (4,)",
        ),
        "requantisation for other channels": (
            on_layer(
                "conv",
                requantize={
                    "multiplier": {"array": "dense/requantize/multiplier"},
                    "shift": {"array": "dense/requantize/shift"},
                },
            ),
            "layer 'conv': requantise must have 4 channels",
        ),
        "multipliers in a table": (
            array("conv/requantize/multiplier", lambda a: a.reshape(2, 2)),
            "layer 'conv': multipliers and shifts have shapes",
        ),
        "multipliers of 64 bits": (
            array("conv/requantize/multiplier", lambda a: a.astype(np.int64)),
            "layer 'conv'/requantize/multiplier is an array of int64",
        ),
        "real multipliers": (
            array("conv/requantize/multiplier", lambda a: a.astype(np.float32)),
            "layer 'conv'/requantize/multiplier is an array of float32",
        ),
        "signed shifts": (
            array("conv/requantize/shift", lambda a: a.astype(np.int8)),
            "layer 'conv'/requantize/shift is an array of int8",
        ),
        "a clamp above the codes": (_clamp(0, 256), "layer 'conv': clamp 0..256"),
        "a clamp below the codes": (_clamp(-128, 127), "layer 'conv': clamp -128..127"),
        "a clamp that is turned round": (_clamp(200, 100), "layer 'conv': clamp 200..100"),
        "unsigned weights": (
            array("dense/weights", lambda a: a.astype(np.uint8)),
            "layer 'dense'/weights is an array of uint8",
        ),
        "real weights": (
            array("dense/weights", lambda a: a.astype(np.float32)),
            "layer 'dense'/weights is an array of float32",
        ),
        "no weights at all": (
            array("dense/weights", lambda a: a[:, :0]),
            "layer 'dense': weights must be int8 and num",
        ),
        "a number for weights": (array("dense/weights", lambda a: np.int8(3)), "layer 'dense': "),
        "weights of 16 million": (_wide_deep, "layer 'dense': weights must be int8 and number"),
        "weights of a dense layer with a window": (
            array("dense/weights", lambda a: a.reshape(3, 2, 4)),
            "layer 'dense': weights must be [out, in]",
        ),
        "weights of a convolution in a row": (
            array("conv/weights", lambda a: a.reshape(4, 36)),
            "layer 'conv': weights must be [out, kernel",
        ),
        "weights of another window": (
            window("conv", kernel=[3, 1], padding=[1, 0, 1, 0]),
            "layer 'conv': weights must",
        ),
        "depthwise weights of another window": (
            window("deep", kernel=[1, 3], padding=[0, 1, 0, 1]),
            "layer 'deep': weights must be [channels",
        ),
        "weights for other input channels": (
            array("conv/weights", lambda a: a[..., :3]),
            "weights expect 3 input channels, the tensor has 4 (layer 'conv'",
        ),
        "weights for other inputs": (
            array("dense/weights", lambda a: a[:, :7]),
            "weights expect 7 inputs, the tensor has 8 (layer 'dense'",
        ),
        "weights of a product beyond 2^31": (
            on_layer("dense", input="h"),
            "weights expect 8 inputs, the tensor has 256",
        ),
        "biases for other channels": (array("conv/bias_twice", lambda a: a[:3]), "layer 'conv': bias must be int32"),
        "biases of 64 bits": (
            array("conv/bias_twice", lambda a: a.astype(np.int64)),
            "'conv'/bias_twice is an array of",
        ),
        "one bias": (array("conv/bias_twice", lambda a: a[:1]), "layer 'conv': bias must be int32 of shape (4,)"),
        "a bias that overflows": (element("conv/bias_twice", 1, INT32), "more than int32 holds (layer 'conv'"),
        "a bias of the least integer": (
            element("dense/bias_twice", 1, -INT32 - 1),
            "more than int32 holds (layer 'dense",
        ),
        "biases by width for one width": (
            array("block/bias_by_width", lambda a: a[:1]),
            "layer 'block': biases by width must be int32 of shape (2, 4)",
        ),
        "a bias by width that overflows": (element("block/bias_by_width", (1, 2), INT32), "int32 holds (layer 'block'"),
        "no widths": (on_layer("deep", candidates=[]), "layer 'deep': needs 1 to 16 different"),
        "17 widths": (on_layer("deep", candidates=[[8, n % 8 + 1] for n in range(17)]), "layer 'deep': needs 1 to 16"),
        "a width twice": (on_layer("deep", candidates=[[4, 4], [4, 4]]), "layer 'deep': needs 1 to 16 different"),
        "weights of 1 bit": (on_layer("deep", candidates=[[8, 8], [1, 4]]), "layer 'deep': candidates 8x8,1x4"),
        "activations of 9 bits": (on_layer("deep", candidates=[[8, 8], [4, 9]]), "layer 'deep': candidates 8x8,4x9"),
        "activations of -4 bits": (on_layer("deep", candidates=[[8, 8], [4, -4]]), "layer 'deep': candidates 8x8,4x-4"),
        "a layer that is skipped by its widths": (on_layer("deep", candidates=[[8, 8], [0, 0]]), "candidates 8x8,0x0"),
        "narrow activations with a zero point": (on_tensor("a", zero_point=7), "read at 8 bits only"),
        "a weight offset of 129": (on_layer("conv", weight_offset=129), "layer 'conv': weight offset 129"),
        "a weight offset of 2^31": (on_layer("conv", weight_offset=1 << 31), "layer 'conv': weight offset"),
        "a skip without requantisation": (
            on_layer("logits", skip_bias={"array": "logits/bias_twice"}),
            "layer 'logits': the bias of a skip",
        ),
        "a skip of other channels": (
            on_layer("deep", skip_bias={"array": "dense/bias_twice"}),
            "layer 'deep': the bias of a skip must be int32 of shape (4,)",
        ),
        "a residual without its multiplier": (on_layer("block", residual_multiplier=None), "'block': a residual needs"),
        "a multiplier without its residual": (on_layer("block", residual=None), "layer 'block': a residual needs its"),
        "a residual multiplier for other channels": (
            array("block/residual_multiplier", lambda a: a[:2]),
            "layer 'block': residual multiplier must be",
        ),
        "a residual that overflows": (_all("block/residual_multiplier", 1 << 24), "int32 holds (layer 'block'"),
        "a residual of another shape": (_residual_of_input, "residual has shape (6, 7, 4), not (6, 6, 4)"),
        "a residual that is not made yet": (on_layer("block", residual="m"), "input tensor 'm' is not made"),
        "a convolution without requantisation": (on_layer("conv", requantize=None), "layer 'conv': a convolution must"),
        "a depthwise one without requantisation": (on_layer("deep", requantize=None), "layer 'deep': a depthwise"),
    }
)

WINDOWS = cases(
    {
        "a kernel of 0": (window("most", kernel=[0, 2]), "layer 'most': kernel of the window is (0, 2)"),
        "a kernel of 256": (window("most", kernel=[256, 2]), "layer 'most': kernel of the window is (256, 2)"),
        "a kernel of 10^9": (window("conv", kernel=[10**9, 1]), "layer 'conv': kernel of the window"),
        "a stride of 0": (window("most", stride=[0, 1]), "layer 'most': stride of the window is (0, 1)"),
        "a negative stride": (window("most", stride=[2, -2]), "layer 'most': stride of the window is (2, -2)"),
        "a stride of 2^30": (window("most", stride=[1 << 30, 1]), "layer 'most': stride of the window"),
        "padding as wide as the kernel": (window("most", padding=[2, 0, 0, 0]), "layer 'most': top padding"),
        "negative padding": (window("most", padding=[0, 0, 0, -1]), "layer 'most': right padding of the window is -1"),
        "a dilation of 0": (window("conv", dilation=[0, 1]), "layer 'conv': dilation of the window is (0, 1)"),
        "a dilation of 2^31": (window("conv", dilation=[1 << 31, 1]), "layer 'conv': dilation of the window"),
        "a dilation beyond the input": (
            window("conv", dilation=[9, 1]),
            "larger than the padded input 6x6 (layer 'conv'",
        ),
        "dilated pooling": (window("most", dilation=[2, 2]), "pooling takes no dilation"),
        "a window beyond the input": (window("most", kernel=[9, 9], stride=[1, 1]), "window (9, 9) is larger"),
    }
)

UNWEIGHTED = cases(
    {
        "a sum with a shift of 7": (on_layer("sum", shift=7), "layer 'sum': shift must be 8..21"),
        "a sum with a shift of 2^40": (on_layer("sum", shift=1 << 40), "layer 'sum': shift must be 8..21"),
        "a sum with a negative shift": (on_layer("sum", shift=-10), "layer 'sum': shift must be 8..21"),
        "a sum whose multipliers overflow": (
            on_layer("sum", multipliers=[1 << 30, 1 << 30]),
            "layer 'sum': shift must",
        ),
        "a sum whose offset overflows": (on_layer("sum", offset=-(1 << 31)), "layer 'sum': shift must be 8..21 and"),
        "a sum with a clamp beyond the codes": (on_layer("sum", high=300), "layer 'sum': clamp 0..300"),
        "a product of other shapes": (_product_of_input, "joins tensors of different shapes (6, 6, 4) and (6, 7, 4)"),
        "a product with two biases": (array("product/bias_twice", lambda a: np.zeros(2, np.int32)), "layer 'product'"),
        "a product that overflows": (element("product/bias_twice", 0, INT32), "layer 'product': the accumulator"),
        "a product requantised by channel": (
            on_layer(
                "product",
                requantize={
                    "multiplier": {"array": "conv/requantize/multiplier"},
                    "shift": {"array": "conv/requantize/shift"},
                },
            ),
            "layer 'product': requantise must have 1 channel",
        ),
        "a table of 255 codes": (array("table/table", lambda a: a[:, :255]), "layer 'table': table must be uint8"),
        "a table for three channels": (array("table/table", lambda a: np.repeat(a, 3, 0)), "it has 3 tables for 4"),
        "a table of signed codes": (
            array("table/table", lambda a: a.astype(np.int8)),
            "layer 'table'/table is an array of int8",
        ),
        "exponentials that grow": (element("softmax/exponentials", 9, 40_000), "layer 'softmax': exponentials"),
        "a first exponential of 0": (element("softmax/exponentials", 0, 0), "layer 'softmax': exponentials"),
        "negative exponentials": (element("softmax/exponentials", 3, -1), "layer 'softmax': exponentials"),
        "100 exponentials": (
            array("softmax/exponentials", lambda a: a[:100]),
            "'softmax': exponentials must be int32 of",
        ),
        "a softmax in another scale": (on_tensor("output", scale=0.05), "the output of a softmax has scale 1/256"),
        "an order that reads before the input": (on_layer("turned", start=0), "it reads elements -20..123"),
        "an order that reads behind the input": (on_layer("turned", start=143), "it reads elements 123..266"),
        "an order that reads 2^40 elements on": (on_layer("turned", strides=[1 << 40, -4, 1]), "of an input of 144"),
        "an order by 2^31 steps back": (on_layer("turned", strides=[-(1 << 31) - 1, 4, 1]), "layer 'turned': strides"),
        "an order that makes another size": (on_layer("turned", sizes=[6, 6, 2]), "it makes 72 elements"),
        "an order that makes 2^60 elements": (
            on_layer("turned", sizes=[1 << 30, 1 << 30, 4], strides=[0, 0, 0]),
            "it makes",
        ),
        "an order of no loops": (on_layer("turned", sizes=[], strides=[]), "layer 'turned': has 0 loops"),
        "an order of 7 loops": (on_layer("turned", sizes=[1] * 7, strides=[1] * 7), "layer 'turned': has 7 loops"),
        "an order with a stride too few": (on_layer("turned", strides=[24, -4]), "layer 'turned': strides"),
        "an order with a loop of 0": (on_layer("turned", sizes=[6, 0, 4]), "layer 'turned': sizes"),
        "an order with a negative start": (on_layer("turned", start=-1), "layer 'turned': start"),
        "an order that changes the scale": (on_tensor("g", scale=0.1), "another order must keep its input's scale"),
        "padding before the output": (on_layer("padded", before=[-1, 1, 0]), "layer 'padded': before"),
        "padding beyond the output": (on_layer("padded", before=[4, 4, 0]), "the input alone needs (10, 10, 4)"),
        "padding with a step of 0": (on_layer("padded", step=[0, 1]), "layer 'padded': step"),
        "padding with a step of 2^40": (on_layer("padded", step=[1 << 40, 1]), "the input alone needs"),
        "padding with a code of 256": (on_layer("padded", value=256), "layer 'padded': value 256"),
        "resizing by no rows": (array("resized/rows", lambda a: a[:0]), "layer 'resized': rows must be int32"),
        "resizing by rows alone": (array("resized/rows", lambda a: a[:, :1]), "layer 'resized': rows must be int32"),
        "resizing that reads behind the input": (
            element("resized/rows", (3, 0), 8),
            "rows reach index 8 of an input of 8x8",
        ),
        "resizing that reads before the input": (element("resized/columns", (0, 0), -1), "layer 'resized': columns"),
        "resizing with a weight of 1025": (
            element("resized/columns", (2, 1), 1025),
            "layer 'resized': columns must be",
        ),
        "a mean without counts": (on_layer("mean", counts=[]), "layer 'mean': needs one multiplier"),
        "a mean without its count": (on_layer("mean", counts=[3]), "no multiplier for windows of [4] elements"),
        "a mean over 2^40 elements": (on_layer("mean", counts=[1 << 40]), "layer 'mean': the accumulator"),
        "a mean over -4 elements": (on_layer("mean", counts=[-4]), "layer 'mean'"),
        "a concatenation of one": (on_layer("joined", inputs=["k"]), "layer 'joined': needs 2 to 64 inputs"),
        "a concatenation of 65": (on_layer("joined", inputs=["k"] * 65), "layer 'joined': needs 2 to 64 inputs"),
        "a concatenation along axis 4": (
            on_layer("joined", axis=4),
            "layer 'joined': needs 2 to 64 inputs and an axis",
        ),
        "a concatenation along axis -1": (
            on_layer("joined", axis=-1),
            "layer 'joined': needs 2 to 64 inputs and an axis",
        ),
        "a concatenation of other shapes": (on_layer("joined", inputs=["k", "j"]), "joins shapes"),
        "a concatenation with a bias too many": (
            array("joined/bias_twice", lambda a: np.zeros(3, np.int32)),
            "layer 'joined': needs one multiplier and one bias",
        ),
        "a concatenation that overflows": (element("joined/bias_twice", 1, INT32), "layer 'joined': the accumulator"),
    }
)

LAYERS = {**TENSORS, **WEIGHTED, **WINDOWS, **UNWEIGHTED}
