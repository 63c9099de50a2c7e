"""Boards whose chips are modelled: CI takes one of each family, ``make test-boards`` all of them."""

from __future__ import annotations

import pytest

from dqt_edge.boards import board_ids, load_board
from dqt_edge.device.chips.choose import CHIPS

OTHERS = pytest.mark.some(1 << 30)
"""Of the cases of a test, all that are marked so are left to ``make test-boards``; the first case is not."""

FIRST = (
    "stm32h7",
    "pyboard",
    "nucleo-l4r5zi",
    "nucleo-g0b1re",
    "nucleo-u575zi",
    "nano33ble",
    "pico",
    "pico2",
)
"""The boards that CI takes."""

BOARDS = (*FIRST, *(b for b in board_ids() if load_board(b).port in CHIPS and b not in FIRST))
CASES = [pytest.param(b, marks=() if b in FIRST else (OTHERS,)) for b in BOARDS]
