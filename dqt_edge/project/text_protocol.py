"""MLPerf Tiny's text protocol in the serial app: what it needs of a model and a board, and its bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..boards import Board
from ..errors import UnsupportedError, UsageError
from ..lowering.arena import aligned
from ..lowering.plan import Plan

SOURCES = ("app/dqt_say.c", "app/dqt_say.h", "app/dqt_text.c")
"""Sources that only images with the protocol need; the server knows ``dqt_text.h`` in all."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,14}")
"""What ``profile%`` calls the model: the runner looks for its data by this name. In the image 16 bytes, the last one
0."""

FLOATING = ("ad01",)
SIGNED = ("kws01",)
"""Names of MLPerf Tiny whose input is bytes of float32, and int8. Those of vww01 and ic01 are pixels, uint8, as the
codes of any other model are."""

INPUT_MAX = 999_999
"""Bytes; the firmware reads numbers of up to six digits."""
STEP_MIN = 0.001
"""Results have three decimals: of outputs with smaller steps, different codes would read alike."""

RECORD_SIZE = 40
SCALE_SIZE = 12
"""Bytes of dqt_app_text and of dqt_scale on a 32-bit core; dqt_text.h and dqt_tables.h assert them."""


@dataclass(frozen=True)
class TextProtocol:
    """What the firmware is told.

    Attributes:
        name: Of the model, for ``profile%``.
        flip: What a byte on the line differs from a code by, 0 or 0x80.
        counter_hz: Ticks of the board's counter in a second.
        choices: Candidate of each adaptive layer, the one with the most bits; empty: the model decides itself.
        input_size: Bytes of the model's input, of which a copy is kept.
    """

    name: str
    flip: int
    counter_hz: int
    choices: tuple[int, ...]
    input_size: int

    @property
    def table_size(self) -> int:
        """Bytes of its constants in flash, on a 32-bit core."""
        return RECORD_SIZE + SCALE_SIZE + aligned(len(self.choices), 4)


def text_protocol(name: str, plans: Sequence[Plan], board: Board) -> TextProtocol:
    """The protocol for the first of some models.

    Args:
        name: What ``profile%`` is to call it.
        plans: Of all models of the image.
        board: Whose counter is the clock.

    Raises:
        UsageError: A name that the runner cannot take, or a board whose counter is no clock.
        UnsupportedError: A model that the protocol has no words for.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"the name {name!r} must be 1 to 15 letters, digits, '_' or '-'",
            where="`text_protocol`",
            next_step="use the task's name, such as ic01, kws01 or vww01, or one of your own",
        )
    hz = board.counter_hz
    if not 0 < hz < 1 << 31:
        raise UsageError(
            f"the text protocol needs a clock, and the counter of board {board.id!r} "
            f"({board.counter.kind}, in {board.counter.unit}) is none",
            where=f"`text_protocol`, {board.file}",
            next_step="choose another board, or give this one a counter of cycles",
        )
    plan = plans[0]
    _check_ends(name, plan)
    decides = plan.decide_at is not None
    widest = (
        max(range(len(layer.widths)), key=lambda i: sum(layer.widths[i])) for layer in plan.layers if layer.adaptive
    )
    return TextProtocol(name, 0x80 if name in SIGNED else 0, hz, () if decides else tuple(widest), plan.input_size)


def _check_ends(name: str, plan: Plan) -> None:
    where = f"model {plan.name!r}, text protocol {name!r}"
    if len(plan.inputs) != 1 or len(plan.outputs) != 1:
        raise UnsupportedError(
            f"the text protocol serves one input and one output, not {len(plan.inputs)} and {len(plan.outputs)}",
            where=where,
            next_step="run the model with 'dqt-edge profile'",
        )
    if name in FLOATING:
        raise UnsupportedError(
            f"inputs of {name} are float32, and its result is an error over all outputs: the firmware has no numbers "
            "for either",
            where=where,
            next_step="run the model with 'dqt-edge profile', which counts the same error",
        )
    if plan.input_size > INPUT_MAX:
        raise UnsupportedError(
            f"the input has {plan.input_size:,} bytes, the text protocol takes {INPUT_MAX:,}",
            where=where,
            next_step="run the model with 'dqt-edge profile'",
        )
    output = plan.outputs[0]
    if output.fixed is None or output.scale < STEP_MIN:
        raise UnsupportedError(
            f"codes of the output stand for steps of {output.scale:g}, and results have three decimals",
            where=where,
            next_step="run the model with 'dqt-edge profile'",
        )
