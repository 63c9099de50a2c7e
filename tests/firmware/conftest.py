"""Firmware round the stand-in model, built once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from . import stand_in


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build for a board once: ``built("host", sanitize=True)``."""
    known: dict[object, Path] = {}

    def build(board_id: str, **options: object) -> Path:
        key = (board_id, *sorted(options.items()))
        if key not in known:
            known[key] = stand_in.build(tmp_path_factory.mktemp(board_id), board_id, **options)  # type: ignore[arg-type]
        return known[key]

    return build
