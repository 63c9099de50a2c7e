"""What a shell completes: ids of boards, and policies of the last exported project."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

POLICIES = ("dynamic", "dynamic:", "agree:", "dial", "8x8", "8x4", "4x8", "4x4", "2x8", "2x4")
"""Of any model; those of a dial come behind."""
DATA = ("digits", "cifar10")
"""Named data sets; reading them from where they are made would load NumPy."""


def board_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the shipped boards, and files, of which some may be boards."""
    from click.shell_completion import CompletionItem

    from ..boards import board_ids

    found = [CompletionItem(name) for name in board_ids() if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def _or_files(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Names that begin so; files where none does, or where nothing is typed yet."""
    from click.shell_completion import CompletionItem

    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found if found and incomplete else [*found, CompletionItem(incomplete, type="file")]


def model_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Networks that ``train`` knows, and files."""
    from ..architectures.models import MODELS

    return _or_files(MODELS, incomplete)


def costed_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Networks that ``cost`` knows, and files."""
    from ..architectures.published import names

    return _or_files(names(), incomplete)


def data_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Named data sets, and files."""
    return _or_files(DATA, incomplete)


def outlet_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Build systems of ``export --as``."""
    from click.shell_completion import CompletionItem

    from ..project.outlets import OUTLETS

    return [CompletionItem(name) for name in OUTLETS if name.startswith(incomplete)]


def policy_names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Policies of any model, and the points of the dial of the project that was exported last from here."""
    from click.shell_completion import CompletionItem

    from ..errors import DqtError
    from ..project.manifest import find_project

    names = list(POLICIES)
    try:
        targets = find_project().model().facts.get("dial", [])
        names += [f"dynamic:{float(target):g}" for target in targets]
    except (DqtError, TypeError, ValueError):
        pass  # no project here, or none that can be read: a shell has no place to say so
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
