"""Which kernel runs a layer on a core, and how much scratch it may take: the fastest way first, then leaner ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..boards import Board
from ..graph import Add, AveragePool2D, Concat, Conv2D, Dense, DepthwiseConv2D, Layer, MaxPool2D, Tensor
from . import dsp, mve, packing, scalar

_WITHOUT_WEIGHTS = {Add: "add", Concat: "concat", MaxPool2D: "max_pool2d", AveragePool2D: "average_pool2d"}

BLOCK_MAX = 255
"""Weight tiles that a descriptor can ask to decode at a time."""


@dataclass(frozen=True)
class Choice:
    """How a layer is computed.

    Attributes:
        kernel: C function, without the ``dqt_`` prefix.
        scratch: Bytes of scratch that it clobbers.
        strip: Pairs of pixels whose operands conv2d_dsp keeps in scratch at a time, else 0.
        rereads: Whether the kernel reads input more than once, because the strips of a row share some.
        cheap: Whether it takes hardly longer than the way before it.
        block: Weight tiles that a convolution decodes at a time; of a depthwise kernel for the DSP extension, 1 where
            its rows are the map's columns; else 0.
    """

    kernel: str
    scratch: int = 0
    block: int = 0
    strip: int = 0
    rereads: bool = False
    cheap: bool = False


def choices(layer: Layer, tensors: Mapping[str, Tensor], board: Board) -> tuple[Choice, ...]:
    """Ways to compute a layer on a board, the fastest first, each slower than the one before; at least one."""
    if isinstance(layer, Conv2D):
        return _conv2d(layer, tensors, board)
    if isinstance(layer, DepthwiseConv2D):
        return (_depthwise(layer, tensors[layer.input], tensors[layer.output], board),)
    if isinstance(layer, Dense):
        return (_dense(layer, board),)
    kernel = _WITHOUT_WEIGHTS[type(layer)]
    if isinstance(layer, AveragePool2D) and board.cpu.dsp and tensors[layer.output].shape[2] >= packing.TILE:
        kernel = "average_pool2d_dsp"
    if isinstance(layer, Add) and board.cpu.mve:
        kernel = "add_mve"
    return (Choice(kernel),)


def _plain_scratch(layer: Conv2D | Dense) -> int:
    return (packing.TILE + 1) * packing.padded(layer.by_channel.shape[1])


def _conv2d(layer: Conv2D, tensors: Mapping[str, Tensor], board: Board) -> tuple[Choice, ...]:
    source, output = tensors[layer.input], tensors[layer.output]
    tiles = packing.padded(layer.channels) // packing.TILE
    plain = Choice("conv2d" if layer.residual is None else "conv2d_residual", _plain_scratch(layer))
    if board.cpu.mve:
        return (*(Choice("conv2d_mve", mve.scratch(layer, n), n) for n in _blocks(tiles, mve.most_tiles(layer))), plain)
    if board.cpu.dsp:
        # Some width pairs take two tiles at a time: a lone one costs as much.
        found = _blocks(tiles, dsp.most_tiles(layer))
        blocks = sorted({min(n + n % 2, tiles) if n > 1 else n for n in found}, reverse=True)
        return (*_dsp_ways(layer, source, output, blocks), plain)
    if scalar.serves(board):
        blocks = _blocks(tiles, scalar.most_tiles(layer))
        return (*(Choice("conv2d_scalar", scalar.scratch(layer, source, output, n), n) for n in blocks), plain)
    return (plain,)


def _dsp_ways(layer: Conv2D, source: Tensor, output: Tensor, blocks: list[int]) -> list[Choice]:
    """Strips are narrowed first: that costs little. Then blocks are made smaller."""
    strips = dsp.strips(layer, source, output)
    rows = dsp.takes_rows(layer, source.shape, output.shape)
    ways = [(blocks[0], strip) for strip in strips] + [(block, strips[-1]) for block in blocks[1:]]
    return [
        Choice(
            "conv2d_dsp",
            dsp.scratch(layer, source, output, block, strip),
            block,
            strip,
            rereads=rows and 2 * strip < output.shape[1],
            cheap=i > 0 and block == blocks[0],
        )
        for i, (block, strip) in enumerate(ways)
    ]


def _blocks(tiles: int, most: int) -> list[int]:
    """Tiles to decode at a time, the largest first: for each number of passes over the input the least that does."""
    fewest = -(-tiles // min(tiles, most, BLOCK_MAX))
    return sorted({-(-tiles // passes) for passes in range(fewest, tiles + 1)}, reverse=True)


def _depthwise(layer: DepthwiseConv2D, source: Tensor, output: Tensor, board: Board) -> Choice:
    if board.cpu.mve and mve.takes_depthwise(layer, source, output):
        return Choice("depthwise_conv2d_mve", mve.depthwise_scratch(layer, output))
    if board.cpu.dsp and dsp.takes_depthwise(layer):
        kernel = "depthwise_conv2d_dsp" if dsp.plain_codes(layer) else "depthwise_conv2d_raw_dsp"
        return Choice(kernel, dsp.depthwise_scratch(layer, output), int(dsp.by_column(layer, output)))
    if scalar.serves(board) and scalar.takes_depthwise(layer):
        return Choice("depthwise_conv2d_scalar", scalar.depthwise_scratch(layer, output))
    return Choice("depthwise_conv2d")


def _dense(layer: Dense, board: Board) -> Choice:
    kernel = "dense" if layer.requantize else "dense_accumulate"
    if board.cpu.mve:
        return Choice(f"{kernel}_mve", mve.dense_scratch(layer))
    if board.cpu.dsp:
        return Choice(f"dense_{dsp.dense_kind(layer)}_dsp", dsp.dense_scratch(layer))
    if scalar.serves(board):
        return Choice(f"{kernel}_scalar", scalar.dense_scratch(layer))
    return Choice(kernel, _plain_scratch(layer))
