"""dqt-edge: neural networks whose integer precision adapts to each input, on microcontrollers.

The names below load when they are used: importing this package imports neither NumPy nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.building import build as build
    from .api.comparing import compare as compare
    from .api.comparing_sessions import compare_sessions as compare_sessions
    from .api.connecting import connect as connect
    from .api.costing import cost as cost
    from .api.evaluating import evaluate as evaluate
    from .api.exporting import export as export
    from .api.exporting import export_library as export_library
    from .api.files import load as load
    from .api.files import save as save
    from .api.flashing import flash as flash
    from .api.heads import train_heads as train_heads
    from .api.importing import import_model as import_model
    from .api.planning import plan as plan
    from .api.profiling import profile as profile
    from .api.ranking import rank_boards as rank_boards
    from .api.searching import search as search
    from .api.training import train as train
    from .api.trying import try_model as try_model
    from .api.tuning import tune as tune
    from .api.validating import validate as validate

__version__ = "0.1.0"

_MODULES = {
    "try_model": "trying",
    "load": "files",
    "save": "files",
    "import_model": "importing",
    "train": "training",
    "train_heads": "heads",
    "search": "searching",
    "tune": "tuning",
    "evaluate": "evaluating",
    "cost": "costing",
    "validate": "validating",
    "compare": "comparing",
    "plan": "planning",
    "rank_boards": "ranking",
    "export": "exporting",
    "export_library": "exporting",
    "build": "building",
    "flash": "flashing",
    "connect": "connecting",
    "profile": "profiling",
    "compare_sessions": "comparing_sessions",
}
"""Public function -> its module in ``api``, in the order of the work."""

__all__ = [  # noqa: RUF022 - in the order of the work
    "try_model", "load", "save", "import_model", "train", "train_heads", "search", "tune", "evaluate", "cost",
    "validate", "compare", "plan", "rank_boards", "export", "export_library", "build", "flash", "connect", "profile",
    "compare_sessions",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.api.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
