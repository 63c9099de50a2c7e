"""Layers of Keras that cannot be imported: one sentence each that says why, and the nearest way that works."""

from __future__ import annotations

_SERIES = "Conv1D with padding='causal' and dilation, which sees as far back"
_NORM = "BatchNormalization, which is folded into the layer before it"
_ATTENTION = "convolutions, or a gate: GlobalAveragePooling2D, Dense and Multiply"
_BEFORE = "the same computation on the host or in your firmware, before the model"

_RECURRENT = "it is recurrent, and the state of a step would be rounded again at each"
_STATISTICS = "it takes mean and variance of each sample, which integers of 8 bits cannot hold"
_PRODUCT = "it multiplies two tensors as matrices, and weights must be constants"
_TABLE = "it looks up rows of a table by integers, and inputs are 8-bit measurements"
_TEXT = "it reads words or categories"
_DATA = "it changes values by statistics of each image"
_SPECTRUM = "it computes a spectrum, and there is no Fourier transform in integers here"
_THREE = ("it is in three dimensions", "the same layer in two dimensions")
_CODE = "it holds code, which is never run"

REFUSED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "StackedRNNCells"), (_RECURRENT, _SERIES)),
    **dict.fromkeys(("LSTMCell", "GRUCell", "SimpleRNNCell"), (_RECURRENT, _SERIES)),
    **dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), (_RECURRENT, "Conv2D over steps stacked as channels")),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization", "UnitNormalization"), (_STATISTICS, _NORM)),
    "RMSNormalization": (_STATISTICS, _NORM),
    **dict.fromkeys(("MultiHeadAttention", "GroupedQueryAttention"), (_PRODUCT, _ATTENTION)),
    **dict.fromkeys(("GroupQueryAttention", "Attention", "AdditiveAttention"), (_PRODUCT, _ATTENTION)),
    "Dot": (_PRODUCT, "Multiply, and GlobalAveragePooling or Dense behind it"),
    "EinsumDense": ("its product may be over any axes", "Dense, which works on each row of a tensor"),
    **dict.fromkeys(("Embedding", "ReversibleEmbedding"), (_TABLE, "Dense behind a one-hot or measured input")),
    **dict.fromkeys(("CategoryEncoding", "Discretization", "Hashing", "HashedCrossing"), (_TEXT, _BEFORE)),
    **dict.fromkeys(("StringLookup", "IntegerLookup", "TextVectorization"), (_TEXT, _BEFORE)),
    **dict.fromkeys(("MelSpectrogram", "STFTSpectrogram"), (_SPECTRUM, _BEFORE)),
    "RandomCrop": ("it crops or resizes when the network runs, too", "CenterCrop or Resizing"),
    **dict.fromkeys(("AutoContrast", "Equalization", "Solarization", "CLAHE"), (_DATA, _BEFORE)),
    "Masking": ("it leaves out steps by their values", "inputs of one length, filled with zeros"),
    **{f"{kind}3D": _THREE for kind in ("Conv", "UpSampling", "ZeroPadding", "Cropping", "SpatialDropout")},
    **{f"{start}{kind}Pooling3D": _THREE for start in ("", "Global", "Adaptive") for kind in ("Max", "Average")},
    "Conv3DTranspose": _THREE,
    "Lambda": (_CODE, "the same computation as layers of Keras or operators between tensors, such as x * y"),
    **dict.fromkeys(("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"), (_CODE, "the same layers in Keras")),
    "FeatureSpace": (_TEXT, _BEFORE),
    "Pipeline": ("it is made for tf.data", "its layers in the model"),
}
"""Reason and nearest form for each layer of Keras that is known and refused."""

_CHOICE = ("it chooses by a condition", "maximum, minimum or clip, or a ReLU with a threshold")
_AGREED = ("its answer is a place, not a number", "a model that ends before it: its largest output is the answer")
_SUMS = ("it sums along an axis step by step", "Conv1D with padding='causal'")
REFUSED_OPERATIONS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("Matmul", "Dot", "Einsum", "Tensordot", "Inner", "Outer", "Vdot"), (_PRODUCT, "Dense")),
    **dict.fromkeys(("Where", "Select", "Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual"), _CHOICE),
    **dict.fromkeys(("Argmax", "Argmin", "Argsort", "TopK", "Sort"), _AGREED),
    **dict.fromkeys(("Cumsum", "Cumprod"), _SUMS),
    **dict.fromkeys(("Var", "Std", "Moments", "Normalize", "LayerNorm", "RMSNorm"), (_STATISTICS, _NORM)),
    **dict.fromkeys(("FFT", "RFFT", "STFT"), (_SPECTRUM, _BEFORE)),
}
"""The same for operations; what is in no table gets one sentence for all."""

UNLOADED = (
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "FeatureSpace", "Pipeline"),
    *("StringLookup", "IntegerLookup", "TextVectorization", "HashedCrossing", "CategoryEncoding"),
)
"""Of these, what must not even be loaded: it may run code or read other files."""
