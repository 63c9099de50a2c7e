"""Flash and RAM of an image on its board, predicted to the byte, without a compiler.

The image is model data (sizes follow from the plan) and code. No model-dependent number is compiled into the code, so
each function has one size for each core, flags and compiler: :mod:`.code_table` knows those sizes, their references and
their stack use, or an upper bound of them. The linker keeps what is reachable, and so does this module. The worst-case
stack is the deepest path through the same references.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..boards import Board, Memory
from ..device import messages
from ..errors import DoesNotFitError, UnsupportedError
from ..lowering.arena import aligned
from ..lowering.kernels import skipping
from ..lowering.plan import Plan
from .code_table import code_table
from .text_protocol import TextProtocol

MODEL_SIZE = 96
"""Bytes of dqt_model on a 32-bit core; dqt_tables.h asserts them."""
STATES_SIZE = 12
"""Bytes of dqt_states on a 32-bit core, of a model that has some; the same header asserts them."""
APP_SIZE = 60
POINTER_SIZE = 4
"""Bytes of dqt_app_data, and of a pointer to a model beside it; dqt_app.h asserts the first."""
DECIDING_SIZE = 16
"""Bytes of dqt_app_deciding, where a model runs settings; dqt_deciding.h asserts them."""

BAUD_SIZE = 12
"""Bytes of dqt_app_baud, where the serial line has more than one rate; dqt_baud.h asserts them."""

FAULT_FRAME = 104
"""Bytes that an exception pushes, floating-point context included."""

FRAME_OVERHEAD = messages.HEADER.size + messages.CRC_SIZE
LOAD_CHUNK = 256
HOST_CHUNK = 16384
"""A native process has the room, and its pipes hold two of them."""
LOAD_WINDOW = 2


@dataclass(frozen=True)
class Buffers:
    """Sizes of the app's buffers, in bytes (``layers``, ``candidates``, ``window``: counts); one set for all models.

    ``words``: of a setting, as a count; 0 where no model runs settings. ``text``: of the input that the text protocol
    keeps; 0 without it.
    """

    arena: int
    layers: int
    candidates: int
    receive: int
    reply: int
    ring: int
    receive_max: int
    window: int
    words: int = 0
    text: int = 0

    @property
    def deciding(self) -> bool:
        """Whether a model runs settings."""
        return self.words > 0

    @property
    def total(self) -> int:
        """Bytes of RAM that the buffers take, each on its own 8-byte boundary."""
        parts = (self.arena, 8 * self.layers, 4 * self.layers, 4 * self.candidates, 4 * self.words, self.text)
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
        run_stack: Worst case of dqt_run() alone, without a hook.
        decide_stack: The same of dqt_decide(); None where no model runs settings.
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
    run_stack: int
    decide_stack: int | None
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


def make_buffers(plans: Sequence[Plan], text: TextProtocol | None = None) -> Buffers:
    """Buffer sizes for models that are served by turns, with or without the text protocol.

    Raises:
        UnsupportedError: A result is too long to send.
    """
    receive_max, reply_max = 0, messages.HELLO_REPLY.layout.size
    for plan in plans:
        chunk = messages.LOAD.layout.size + min(plan.input_size, HOST_CHUNK if plan.board.is_host else LOAD_CHUNK)
        biases = messages.BIAS_SIZE * plan.candidate_max if plan.decide_at is not None else 0
        tail = max(plan.adaptive_count, biases)
        if plan.points is not None:
            tail = max(tail, messages.SETTING.layout.size + 4 * _setting_words(plan) + plan.adaptive_count)
        receive_max = max(receive_max, chunk, messages.RUN.layout.size + tail)
        result = messages.result_size(plan.adaptive_count, len(plan.layers), plan.output_size)
        if result > messages.PAYLOAD_MAX:
            raise UnsupportedError(
                f"a result of {result:,} bytes is longer than a message of {messages.PAYLOAD_MAX:,} bytes",
                where=f"outputs of model {plan.name!r}, {plan.output_size:,} elements",
                next_step="end the model in a smaller layer, such as pooling and a dense layer",
            )
        reply_max = max(reply_max, result)
    encoded = receive_max + FRAME_OVERHEAD + receive_max // 254 + 3
    return Buffers(
        arena=max(plan.arena_size for plan in plans),
        layers=max(len(plan.layers) for plan in plans),
        candidates=max(plan.candidate_max for plan in plans),
        receive=aligned(receive_max + FRAME_OVERHEAD),
        reply=aligned(reply_max + FRAME_OVERHEAD),
        ring=1 << (LOAD_WINDOW * encoded - 1).bit_length(),
        receive_max=receive_max,
        window=LOAD_WINDOW,
        words=max(_setting_words(plan) for plan in plans),
        text=0 if text is None else text.input_size,
    )


def _setting_words(plan: Plan) -> int:
    """Most words of a setting of the model: exits, widen, stops, bias."""
    if plan.points is None:
        return 0
    stops = -(-plan.outputs[0].size // 32)
    return 2 * len(plan.points.points) + stops + (plan.candidate_max if plan.decide_at is not None else 0)


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


def worst_stack(sections: dict[str, Any], root: str, by_pointer: Mapping[str, Sequence[str]]) -> int:
    """Deepest stack in bytes from ``root``; ``by_pointer``: caller -> what it calls through pointers."""

    @functools.cache
    def depth(name: str) -> int:
        below = [ref for ref in sections[name]["refs"] if sections[ref]["kind"] == "code"]
        below += by_pointer.get(name, ())
        return int(sections[name]["stack"]) + max((depth(ref) for ref in below), default=0)

    return depth(root)


def predict(plans: Sequence[Plan], *, check: bool = True, text: TextProtocol | None = None) -> Footprint:
    """Footprint of an image with these models, all planned for one board, with or without the text protocol.

    Raises:
        DoesNotFitError: More flash or RAM than the board has (unless ``check`` is false).
        ToolchainError: The sizes of the board's code are not known, and cannot be measured.
    """
    board = plans[0].board
    known = code_table(board)
    sections, symbols = known.sections, known.symbols
    kernels = tuple(sorted({symbols[f"dqt_{kernel}"] for plan in plans for kernel in plan.kernels}))
    vectors = [name for name in sections if name.endswith((":.boot2", ":.vectors", ":.boot_block"))]
    states = (symbols["dqt_set_states"],) if any(plan.states for plan in plans) else ()
    buffers = make_buffers(plans, text)
    deciding = (symbols["dqt_take_setting"], symbols["dqt_run_setting"]) if buffers.deciding else ()
    spoken = () if text is None else (symbols["dqt_text_take"],)
    rates = (symbols["dqt_baud_ask"], symbols["dqt_baud_tell"]) if board.serial.max_baud else ()
    roots = (symbols["dqt_reset_handler"], *vectors, *kernels, *states, *deciding, *spoken, *rates)
    kept = reachable(sections, roots)

    def total(kinds: tuple[str, ...], alignment: int) -> int:
        return sum(aligned(sections[name]["size"], alignment) for name in kept if sections[name]["kind"] in kinds)

    run, hooks = symbols["dqt_run"], [symbols["dqt_measure_layer"]]
    if text is not None:
        hooks.append(symbols["dqt_text_count"])
    by_pointer = {run: (*kernels, *hooks, *states), symbols["dqt_reset"]: states}
    by_pointer[symbols["dqt_server_take_text"]] = spoken
    by_pointer[symbols["dqt_server_ask_baud"]] = rates[:1]
    by_pointer[symbols["dqt_server_tell_baud"]] = rates[1:]
    within = [symbols[f"dqt_{name}"] for name in (skipping.BRANCH, skipping.SKIP)]
    for i, wrapper in enumerate(within):
        by_pointer[wrapper] = tuple(kernel for kernel in kernels if kernel not in within[: i + 1])
    if buffers.deciding:
        by_pointer[symbols["dqt_decide"]] = (*kernels, symbols["dqt_measure_again"])
        by_pointer[symbols["dqt_server_take_setting"]] = (symbols["dqt_take_setting"],)
        by_pointer[symbols["dqt_server_run_setting"]] = (symbols["dqt_run_setting"],)
    stack = worst_stack(sections, symbols["dqt_reset_handler"], by_pointer)
    tables = APP_SIZE + sum(MODEL_SIZE + POINTER_SIZE + plan.table_size for plan in plans)
    tables += STATES_SIZE * sum(bool(plan.states) for plan in plans)
    tables += (DECIDING_SIZE + POINTER_SIZE * len(plans)) * buffers.deciding
    tables += BAUD_SIZE if rates else 0
    tables += 0 if text is None else text.table_size
    static = total(("data",), 8) + total(("bss",), 8)
    code = total(("code", "constant"), 4) + total(("data",), 8)
    weights = sum(len(plan.weights_image()) for plan in plans)
    stack = aligned(stack + FAULT_FRAME)
    flash = board.regions("flash")[0]
    ram = next(
        (r for r in board.regions("ram") if buffers.total + static + stack <= r.size),
        max(board.regions("ram"), key=lambda r: r.size),
    )
    footprint = Footprint(
        code=code,
        weights=weights,
        tables=tables,
        buffers=buffers,
        static=static,
        stack=stack,
        run_stack=worst_stack(sections, run, {run: (*kernels, *states)}),
        decide_stack=worst_stack(sections, symbols["dqt_decide"], {symbols["dqt_decide"]: kernels})
        if buffers.deciding
        else None,
        flash_region=flash,
        ram_region=ram,
        compiler=known.compiler,
        exact=known.exact,
        basis=known.basis,
    )
    if check:
        require_fit(board, footprint)
    return footprint


def require_fit(board: Board, footprint: Footprint) -> None:
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
                where=f"board {board.id!r}, region {region.name!r} of {region.size:,} bytes",
                next_step=smaller if footprint.exact else f"{smaller}, or install arm-none-eabi-gcc to know exactly",
            )


def footprint_facts(plans: Sequence[Plan], footprint: Footprint) -> dict[str, Any]:
    """A footprint as plain JSON values, in bytes. ``peaks``: what fills each model's arena most."""
    return {
        "flash": footprint.flash,
        "ram": footprint.ram,
        "code": footprint.code,
        "weights": footprint.weights,
        "tables": footprint.tables,
        "arena": footprint.buffers.arena,
        "stack": footprint.stack,
        "run_stack": footprint.run_stack,
        **({} if footprint.decide_stack is None else {"decide_stack": footprint.decide_stack}),
        "static": footprint.static,
        "buffers": footprint.buffers.total - footprint.buffers.arena,
        "compiler": footprint.compiler,
        "exact": footprint.exact,
        "basis": footprint.basis,
        "peaks": [
            {
                "model": plan.name,
                "tensors": plan.tensors_size,
                "scratch": plan.scratch_size,
                "lower_bound": plan.memory_lower_bound,
                "layer": plan.peak,
                "map": [{"what": r.what, "offset": r.offset, "size": r.size} for r in plan.peak_regions],
            }
            for plan in plans
        ],
    }
