"""Boards that differ in more than their port: what tests of kernels and exports take, instead of every board."""

from __future__ import annotations

from dqt_edge.boards import board_ids, load_board

CORE_BOARDS = tuple(b for b in board_ids() if load_board(b).is_host or load_board(b).qemu or b == "stm32h7")
"""The host, QEMU's machines and the first board of silicon. The others: tests/device/test_boards_classify.py."""
