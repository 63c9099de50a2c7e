"""One sentence for each operator of ONNX that people ask for and that is not supported."""

from __future__ import annotations

from ..problems import Unfit

_FEED = "a model of convolutions over time (Conv with dilations) or dense layers"
_LOOP = "the model exported with its loops unrolled and its branches resolved"
_APPLICATION = "a model that ends before it; the application does the rest"
_INFERENCE = "the model exported for inference, without its augmentation layers, which Keras' exporter keeps"
_NORM = "BatchNormalization, which is folded into the layer before it"

REASONS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ("it is a recurrent layer, whose state has more than 8 bits", _FEED)),
    **dict.fromkeys(("If", "Loop", "Scan", "SequenceMap"), ("it is control flow", _LOOP)),
    **dict.fromkeys(
        ("Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention"),
        ("it multiplies tensors that are all computed", "convolutions, or products of elements (Mul)"),
    ),
    **dict.fromkeys(
        ("InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "LRN"),
        ("it finds its statistics while it runs", _NORM),
    ),
    **dict.fromkeys(("MeanVarianceNormalization", "LpNormalization"), ("it finds its statistics while it runs", _NORM)),
    "SkipLayerNormalization": ("it finds its statistics while it runs", _NORM),
    **dict.fromkeys(
        ("ArgMax", "ArgMin", "TopK", "NonMaxSuppression", "NonZero", "Unique", "Hardmax"),
        ("it gives places of elements, not values", _APPLICATION),
    ),
    **dict.fromkeys(
        ("STFT", "DFT", "MelWeightMatrix"), ("it is signal processing", "features that the application makes")
    ),
    "Einsum": ("it is a general product", "MatMul with constant weights, Mul and ReduceSum"),
    "GatherND": ("it gathers single elements", "Slice, or Gather with constant places"),
    "GatherElements": ("it gathers single elements", "Slice, or Gather with constant places"),
    "ScatterND": ("it writes single elements", "Concat of the parts"),
    "ScatterElements": ("it writes single elements", "Concat of the parts"),
    "Where": ("it chooses by a tensor that is computed", "Max, Min, Clip or Relu"),
    "CumSum": ("it adds up along an axis", "a Conv with a kernel of ones"),
    "LpPool": ("it is a pooling by a norm", "AveragePool or MaxPool"),
    "GlobalLpPool": ("it is a pooling by a norm", "GlobalAveragePool or GlobalMaxPool"),
    "MaxUnpool": ("it needs the places of maxima", "Resize or ConvTranspose"),
    "MaxRoiPool": ("it needs regions that are computed", "Resize"),
    "RoiAlign": ("it needs regions that are computed", "Resize"),
    "GridSample": ("it needs places that are computed", "Resize"),
    "Mean": ("it is a mean of several tensors", "Add and Mul by a constant"),
    "ReduceL2": ("it is a norm", "Mul of a tensor with itself, and ReduceSum"),
    "ReduceL1": ("it is a norm", "Abs and ReduceSum"),
    "ReduceProd": ("it is a product along an axis", "ReduceSum, ReduceMean, ReduceMax or ReduceMin"),
    "ReduceSumSquare": ("it is a norm", "Mul of a tensor with itself, and ReduceSum"),
    "Erf": ("it stands alone, without the rest of a GELU", "Gelu, or Tanh"),
}


FAMILIES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("QLinear", "QGemm"),
        (
            "it belongs to ONNX Runtime's operator-oriented format",
            "the QDQ format: quantize_static(..., quant_format=QuantFormat.QDQ)",
        ),
    ),
    **dict.fromkeys(
        ("StatefulPartitionedCall", "PartitionedCall"),
        ("it is a function of TensorFlow that the exporter left as it is", "the model as .keras or .tflite"),
    ),
    **dict.fromkeys(
        ("Random", "StatelessRandom", "Bernoulli", "Multinomial"),
        ("it makes random numbers, which only training needs", _INFERENCE),
    ),
    "ImageProjectiveTransform": ("it turns images by numbers that are computed, as only training needs", _INFERENCE),
    **dict.fromkeys(
        ("Sequence", "Optional", "String", "Tfidf"),
        ("it works on other things than tensors of numbers", "a model of tensors"),
    ),
}
"""By what the operator's name begins with."""


def refusal(kind: str) -> Unfit:
    """Why an operator is not supported, and what is."""
    if kind in REASONS:
        return Unfit(*REASONS[kind])
    family = next((reason for start, reason in FAMILIES.items() if kind.startswith(start)), None)
    if family is not None:
        return Unfit(*family)
    if "." in kind:
        return Unfit("it is no operator of ONNX itself", "the model exported with ONNX's own operators")
    return Unfit("this operator is not supported", "one of those that docs/importing.md lists")
