"""From an image to a board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadFileError, UsageError
from ..flashing import base, choose, uf2, writing
from ..flashing.base import FlashPlan
from ..project.manifest import Project
from ..system.show import Facts, Shown
from .given import FilePath, Progress, project_of, silent

HAND_SECONDS = 60.0
"""How long a board may be silent that a person has to restart."""


@dataclass(frozen=True, repr=False)
class Flashed(Shown):
    """What is written to a board, or would be.

    Attributes:
        image: The ELF file.
        plan: Sectors that are erased, and segments that are written.
        runner: Software of the debug probe, or ``"uf2"``.
        commands: What is done, in order, as a person could type it.
        missing: Why the runner could not work, or None.
        done: Whether it was written and verified; False for a preview.
        model: SHA-256 of the model with which the board answered; None where it was not asked.
    """

    image: Path
    plan: FlashPlan
    runner: str
    commands: tuple[str, ...]
    missing: str | None
    done: bool = False
    model: bytes | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "image": str(self.image),
            "board": self.plan.board.id,
            "runner": self.runner,
            "missing": self.missing,
            "erase": [{"address": sector.address, "size": sector.size} for sector in self.plan.sectors],
            "write": [{"address": segment.address, "size": len(segment.data)} for segment in self.plan.segments],
            "commands": list(self.commands),
            "done": self.done,
            "model_hash": None if self.model is None else self.model.hex(),
        }

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        written = "written" if self.runner == "uf2" else "written and verified"
        state = written if self.done else f"preview{f' ({self.missing})' if self.missing else ''}"
        return f"{self.plan.board.id} with {self.runner}: {state}", (
            ("image", str(self.image)),
            ("erase", f"{len(self.plan.sectors)} sectors, {self.plan.erase_bytes:,} bytes"),
            ("write", f"{len(self.plan.segments)} segments, {self.plan.write_bytes:,} bytes"),
            ("board answers with", "-" if self.model is None else self.model.hex()[:16]),
        )


def flash(
    project: Project | FilePath | None = None,
    *,
    runner: str | None = None,
    probe: str | None = None,
    connect: str | None = None,
    frequency: int | None = None,
    port: str | None = None,
    volume: FilePath | None = None,
    dry_run: bool = False,
    hello: bool = True,
    on_plan: Callable[[Flashed], None] | None = None,
    on_hand: Callable[[str], None] | None = None,
    progress: Progress = silent,
) -> Flashed:
    """Write a built image to its board, read it back, reset, and check that the right model answers.

    Args:
        project: A project, its folder, or None for the last one that the command ``export`` made here.
        runner: ``"pyocd"``, ``"openocd"``, ``"st-flash"``, ``"dfu-util"``, ``"nrfutil"``, ``"jlink"`` or
            ``"stm32-uart"``, as far as the board's file names it; None is the board's first that is installed.
        probe: Serial number of the debug probe, where several are connected.
        connect: ``"halt"`` or ``"under-reset"``; None is what the board's file says.
        frequency: Clock of the debug probe, Hz; None is what the board's file says.
        port: Serial port for the check afterwards, and of a boot loader; None finds it by the board's USB id.
        volume: Boards with a UF2 boot loader: the folder where its drive is mounted. Nothing can be read back then.
        dry_run: Only say what would be done; touch no board. The files that the commands name are written below the
            project's ``build/flash``. That needs no runner to be installed.
        hello: Ask the board for its model afterwards.
        on_plan: Called with the preview before anything is touched.
        on_hand: Called with what a person has to do now to start the image, where a runner cannot.
        progress: Called with ``erase``, ``write`` or ``verify``, the bytes done and the bytes in all.

    Returns:
        What was done, or would be.

    Raises:
        FlashError: The probe or the flash failed, what was read back differs, the image lies outside the flash, or the
            volume is not the drive of this board's boot loader.
        ToolchainError: No runner is installed.
        UsageError: The board has no flash to write, not that runner, or a UF2 boot loader and no volume is named.
        BadFileError: The image has not been built.
        DeviceError: The board does not answer, or with another model.

    Example:
        ```python
        import dqt_edge as dqt

        project = dqt.export("digits.safetensors", "stm32h7", "digits-stm32h7")
        dqt.build(project)
        preview = dqt.flash(project, dry_run=True)
        print(preview)
        print(preview.commands)
        ```
    """
    made = project_of(project)
    drive = None if volume is None else Path(volume)
    if made.board.uf2 is not None or drive is not None:
        uf2.refuse(probe=probe, connect=connect, frequency=frequency)
        return _copied(made, drive, runner, port, dry_run, hello, on_plan)
    wishes = choose.Wishes(probe, connect, frequency, port)
    known = choose.runners(made.board, wishes)
    planned = base.plan(made.elf, made.board)
    # A preview needs no tool: without one it shows what the first choice would do.
    installed = any(one.available() is None for one in known)
    chosen = choose.choose(made.board, runner, wishes) if installed or runner or not dry_run else known[0]
    commands = chosen.commands(planned, _keeper(made)) if dry_run else ()
    preview = Flashed(made.elf, planned, chosen.name, commands, chosen.available() if dry_run else None)
    if on_plan is not None:
        on_plan(preview)
    if dry_run:
        return preview
    writing.flash(planned, chosen, progress)
    if chosen.by_hand is not None and on_hand is not None:
        on_hand(chosen.by_hand)
    patience = HAND_SECONDS if chosen.by_hand is not None else None
    return Flashed(
        made.elf, planned, chosen.name, commands, None, done=True, model=_answer(made, port, hello, patience)
    )


def _keeper(made: Project) -> base.Files:
    """Where a preview keeps the bytes that its commands name; what an earlier one left goes first."""
    folder = made.elf.parent / "flash"

    def keep(name: str, content: bytes) -> Path:
        path = folder / name
        try:
            folder.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
            if content:
                path.write_bytes(content)
        except OSError as error:
            raise BadFileError(
                f"cannot write a file of the preview: {error.strerror}",
                where=str(path),
                next_step="make the project's build folder writable",
            ) from error
        return path

    return keep


def _answer(made: Project, port: str | None, hello: bool, seconds: float | None = None) -> bytes | None:
    """SHA-256 of the model that the board answers with, if it is to be asked; within a time, where a person acts."""
    if not hello:
        return None
    from ..device.client import Timeouts
    from ..device.connect import open_client

    timeouts = None if seconds is None else Timeouts(silence=seconds)
    with open_client(made.board, made.elf, made.model_hash, port, timeouts=timeouts):
        return made.model_hash


def _copied(
    made: Project,
    volume: Path | None,
    runner: str | None,
    port: str | None,
    dry_run: bool,
    hello: bool,
    on_plan: Callable[[Flashed], None] | None,
) -> Flashed:
    """Flash a board by a copy to the drive of its boot loader."""
    uf2.uf2_of(made.board, volume)
    assert volume is not None
    if runner not in (None, "uf2"):
        raise UsageError(
            f"board {made.board.id!r} has no runner {runner!r}", where="`runner`", next_step="leave out the `runner`"
        )
    planned = base.plan(made.elf, made.board)
    commands = (f"cp {made.elf.with_suffix('.uf2')} {volume}/",) if dry_run else ()
    preview = Flashed(made.elf, planned, "uf2", commands, None)
    if on_plan is not None:
        on_plan(preview)
    if dry_run:
        return preview
    uf2.copy(planned, volume)
    return Flashed(made.elf, planned, "uf2", commands, None, done=True, model=_answer(made, port, hello))
