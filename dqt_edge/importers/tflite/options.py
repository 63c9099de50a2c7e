"""Which options of an operator are read: the schema's table and its fields."""

from __future__ import annotations

_CONV = "Padding StrideH StrideW DilationHFactor DilationWFactor FusedActivationFunction"
_POOL = "Padding StrideH StrideW FilterHeight FilterWidth FusedActivationFunction"

OPTIONS: dict[str, tuple[str, str]] = {
    "CONV_2D": ("Conv2DOptions", _CONV),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _CONV),
    "TRANSPOSE_CONV": ("TransposeConvOptions", "Padding StrideH StrideW FusedActivationFunction"),
    "FULLY_CONNECTED": ("FullyConnectedOptions", "FusedActivationFunction WeightsFormat KeepNumDims"),
    "BATCH_MATMUL": ("BatchMatMulOptions", "AdjX AdjY"),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "ADD": ("AddOptions", "FusedActivationFunction"),
    "SUB": ("SubOptions", "FusedActivationFunction"),
    "MUL": ("MulOptions", "FusedActivationFunction"),
    "DIV": ("DivOptions", "FusedActivationFunction"),
    "CONCATENATION": ("ConcatenationOptions", "Axis FusedActivationFunction"),
    "SOFTMAX": ("SoftmaxOptions", "Beta"),
    "LEAKY_RELU": ("LeakyReluOptions", "Alpha"),
    "GELU": ("GeluOptions", "Approximate"),
    **dict.fromkeys(
        ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"),
        ("ReducerOptions", "KeepDims"),
    ),
    "RESHAPE": ("ReshapeOptions", "NewShape"),
    "SQUEEZE": ("SqueezeOptions", "SqueezeDims"),
    "STRIDED_SLICE": ("StridedSliceOptions", "BeginMask EndMask EllipsisMask NewAxisMask ShrinkAxisMask Offset"),
    "SPLIT": ("SplitOptions", "NumSplits"),
    "PACK": ("PackOptions", "Axis"),
    "UNPACK": ("UnpackOptions", "Axis"),
    "GATHER": ("GatherOptions", "Axis BatchDims"),
    "MIRROR_PAD": ("MirrorPadOptions", "Mode"),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", "AlignCorners HalfPixelCenters"),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", "AlignCorners HalfPixelCenters"),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", "BlockSize"),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", "BlockSize"),
    "VAR_HANDLE": ("VarHandleOptions", "SharedName"),
    "CALL_ONCE": ("CallOnceOptions", "InitSubgraphIndex"),
}
VECTORS = ("NewShape", "SqueezeDims")
NEEDED = frozenset(
    (
        *("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION"),
        *("LEAKY_RELU", "STRIDED_SLICE", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "VAR_HANDLE", "CALL_ONCE"),
    )
)
"""Operators that mean nothing without their options; of the others, absent ones have the schema's default."""
DEFAULTS: dict[str, int | float | str | tuple[int, ...]] = {
    "Beta": 1.0,
    "NewShape": (),
    "SqueezeDims": (),
}
"""Of options that are absent; all others are 0."""
