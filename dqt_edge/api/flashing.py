"""From an image to a board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..flashing import base, choose
from ..flashing.base import FlashPlan
from ..project.manifest import Project
from ..system.show import Facts, Shown
from .given import FilePath, Progress, project_of, silent


@dataclass(frozen=True, repr=False)
class Flashed(Shown):
    """What is written to a board, or would be.

    Attributes:
        image: The ELF file.
        plan: Sectors that are erased, and segments that are written.
        runner: Software of the debug probe.
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

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        state = "written and verified" if self.done else f"preview{f' ({self.missing})' if self.missing else ''}"
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
    port: str | None = None,
    dry_run: bool = False,
    hello: bool = True,
    on_plan: Callable[[Flashed], None] | None = None,
    progress: Progress = silent,
) -> Flashed:
    """Write a built image to its board, read it back, reset, and check that the right model answers.

    Args:
        project: A project, its folder, or None for the last one that the command ``export`` made here.
        runner: ``"pyocd"`` or ``"openocd"``; None is the board's first that is installed.
        port: Serial port for the check afterwards; None finds it by the board's USB id.
        dry_run: Only say what would be done; touch nothing. That needs no runner to be installed.
        hello: Ask the board for its model afterwards.
        on_plan: Called with the preview before anything is touched.
        progress: Called with ``erase``, ``write`` or ``verify``, the bytes done and the bytes in all.

    Returns:
        What was done, or would be.

    Raises:
        FlashError: The probe or the flash failed, what was read back differs, or the image lies outside the flash.
        ToolchainError: No runner is installed.
        UsageError: The board has no flash to write, or not that runner.
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
    known = choose.runners(made.board)
    planned = base.plan(made.elf, made.board)
    # A preview needs no tool: without one it shows what the first choice would do.
    installed = any(one.available() is None for one in known)
    chosen = choose.choose(made.board, runner) if installed or runner or not dry_run else known[0]
    commands = chosen.commands(planned) if dry_run else ()
    preview = Flashed(made.elf, planned, chosen.name, commands, chosen.available() if dry_run else None)
    if on_plan is not None:
        on_plan(preview)
    if dry_run:
        return preview
    base.flash(planned, chosen, progress)
    answered = None
    if hello:
        from ..device.connect import open_client

        with open_client(made.board, made.elf, made.model_hash, port):
            answered = made.model_hash
    return Flashed(made.elf, planned, chosen.name, commands, None, done=True, model=answered)
