"""Flash and RAM of a plan on its board, predicted to the byte, without a compiler.

The image is model data (sizes follow from the plan) and code. No model-dependent number is compiled into the code, so
each function has one size for each core, flags and compiler: :mod:`.code_table` knows those sizes, their references and
their stack use, or an upper bound of them. The linker keeps what is reachable, and so does this module. The worst-case
stack is the deepest path through the same references.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..boards import Memory
from ..device import messages
from ..errors import DoesNotFitError, UnsupportedError
from ..lowering.arena import aligned
from ..lowering.plan import Plan
from .code_table import code_table

RECORD_SIZES = {"mac": 76, "pool": 52, "sum": 32, "concatenation": 16, "part": 20}
LAYER_SIZE = 24
MODEL_SIZE = 128
"""Bytes of the descriptors of dqt_layer.h and dqt_run.h on a 32-bit core; dqt_run.h asserts them."""

FAULT_FRAME = 104
"""Bytes that an exception pushes, floating-point context included."""

FRAME_OVERHEAD = messages.HEADER.size + messages.CRC_SIZE
LOAD_CHUNK = 256
LOAD_WINDOW = 2


@dataclass(frozen=True)
class Buffers:
    """Sizes of every model-dependent buffer, in bytes (``layers``, ``candidates``, ``window``: counts)."""

    memory: int
    layers: int
    choices: int
    receive: int
    reply: int
    ring: int
    receive_max: int
    reply_max: int
    candidates: int
    window: int

    @property
    def total(self) -> int:
        """Bytes of RAM that the buffers take, each on its own 8-byte boundary."""
        parts = (self.memory, 8 * self.layers, 4 * self.layers, self.choices, 8, 4 * self.candidates)
        return sum(map(aligned, (*parts, self.receive, self.reply, self.ring)))


@dataclass(frozen=True)
class Footprint:
    """Predicted sizes in bytes, and the regions that were chosen.

    Attributes:
        code: Functions and the firmware's own constants.
        weights: Weights, biases, multipliers.
        tables: Layer descriptors.
        static: The firmware's own variables.
        stack: Worst-case call path, rounded up, with room for one exception frame.
        compiler: The compiler whose code sizes were used.
        exact: Whether an image of that compiler has these sizes; otherwise it has at most these.
        basis: One sentence: how the sizes of the code are known.
    """

    code: int
    weights: int
    tables: int
    buffers: Buffers
    static: int
    stack: int
    flash_region: Memory
    ram_region: Memory
    compiler: str
    exact: bool
    basis: str

    @property
    def flash(self) -> int:
        """Bytes of flash of the whole image."""
        return self.code + self.weights + self.tables

    @property
    def ram(self) -> int:
        """Bytes of RAM: buffers, variables and stack."""
        return self.buffers.total + self.static + self.stack


def make_buffers(plan: Plan) -> Buffers:
    """Buffer sizes of a plan; raises UnsupportedError if its result is longer than a message can be."""
    layers = len(plan.layers)
    chunk = messages.LOAD.layout.size + min(plan.input_size, LOAD_CHUNK)
    candidates = max((len(layer.widths) for layer in plan.layers if layer.adaptive), default=1)
    biases = messages.BIAS_SIZE * candidates if plan.decide_at is not None else 0
    receive_max = max(chunk, messages.RUN.layout.size + max(plan.adaptive_count, biases))
    reply_max = max(
        messages.result_size(plan.adaptive_count, layers, plan.output_size), messages.HELLO_REPLY.layout.size
    )
    if reply_max > messages.PAYLOAD_MAX:
        raise UnsupportedError(
            f"a result of {reply_max:,} bytes is longer than a message of {messages.PAYLOAD_MAX:,} bytes",
            where=f"output of model {plan.name!r}, {plan.output_size:,} elements",
            next_step="end the model in a smaller layer, such as pooling and a dense layer",
        )
    encoded = receive_max + FRAME_OVERHEAD + receive_max // 254 + 3
    return Buffers(
        memory=aligned(plan.memory_size),
        layers=layers,
        choices=aligned(max(1, plan.adaptive_count)),
        receive=aligned(receive_max + FRAME_OVERHEAD),
        reply=aligned(reply_max + FRAME_OVERHEAD),
        ring=1 << (LOAD_WINDOW * encoded - 1).bit_length(),
        receive_max=receive_max,
        reply_max=reply_max,
        candidates=candidates,
        window=LOAD_WINDOW,
    )


def reachable(sections: dict[str, Any], roots: Iterable[str]) -> set[str]:
    """Sections that the linker keeps for these roots."""
    kept: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            waiting += sections[name]["refs"]
    return kept


def worst_stack(sections: dict[str, Any], root: str, kernels: tuple[str, ...], caller: str) -> int:
    """Deepest stack in bytes from ``root``; ``caller`` is the one function that calls the kernels by pointer."""

    @functools.cache
    def depth(name: str) -> int:
        below = [ref for ref in sections[name]["refs"] if sections[ref]["kind"] == "code"]
        if name == caller:
            below += list(kernels)
        return int(sections[name]["stack"]) + max((depth(ref) for ref in below), default=0)

    return depth(root)


def predict(plan: Plan, *, check: bool = True) -> Footprint:
    """Footprint of a plan on its board.

    Raises:
        DoesNotFitError: More flash or RAM than the board has (unless ``check`` is false).
        ToolchainError: The sizes of the board's code are not known, and cannot be measured.
    """
    known = code_table(plan.board)
    sections, symbols = known.sections, known.symbols
    kernels = tuple(symbols[f"dqt_{kernel}"] for kernel in plan.kernels)
    vectors = [name for name in sections if name.endswith(":.vectors")]
    kept = reachable(sections, [symbols["dqt_reset_handler"], *vectors, *kernels])

    def total(kinds: tuple[str, ...], alignment: int) -> int:
        return sum(aligned(sections[name]["size"], alignment) for name in kept if sections[name]["kind"] in kinds)

    stack = worst_stack(sections, symbols["dqt_reset_handler"], kernels, symbols["dqt_model_run"])
    tables = MODEL_SIZE + sum(
        LAYER_SIZE
        + RECORD_SIZES[layer.record]
        + RECORD_SIZES["part"] * len(layer.parameters.get("parts", ()))
        + aligned(2 * len(layer.widths), 4)
        for layer in plan.layers
    )
    static = total(("data",), 8) + total(("bss",), 8)
    code = total(("code", "constant"), 4) + total(("data",), 8)
    weights = sum(aligned(c.values.nbytes, 4) for c in plan.constants)
    buffers = make_buffers(plan)
    stack = aligned(stack + FAULT_FRAME)
    flash = plan.board.regions("flash")[0]
    ram = next(
        (r for r in plan.board.regions("ram") if buffers.total + static + stack <= r.size),
        max(plan.board.regions("ram"), key=lambda r: r.size),
    )
    sizes = (code, weights, tables, buffers, static, stack)
    footprint = Footprint(*sizes, flash, ram, known.compiler, known.exact, known.basis)
    if check:
        require_fit(plan, footprint)
    return footprint


def require_fit(plan: Plan, footprint: Footprint) -> None:
    """Raise DoesNotFitError, with the bytes that are missing, if the image is larger than its regions."""
    for kind, needed, region in (
        ("flash", footprint.flash, footprint.flash_region),
        ("RAM", footprint.ram, footprint.ram_region),
    ):
        if needed > region.size:
            amount = f"{needed:,} bytes of {kind}, {needed - region.size:,} more than the board has"
            smaller = "'dqt-edge check' shows the bytes of each layer; use a smaller model or a larger board"
            raise DoesNotFitError(
                f"the model {'needs' if footprint.exact else 'may need up to'} {amount}",
                where=f"board {plan.board.id!r}, region {region.name!r} of {region.size:,} bytes",
                next_step=smaller if footprint.exact else f"{smaller}, or install arm-none-eabi-gcc to know exactly",
            )
