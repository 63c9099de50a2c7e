"""From a C project to an image."""

from __future__ import annotations

from ..errors import MismatchError, UsageError
from ..flashing import uf2
from ..flashing.base import plan
from ..project.build import Image, forbidden_symbols
from ..project.build import build as build_project
from ..project.manifest import Project
from ..system.files import write_atomically
from ..system.zig import compiler_name, stands_in
from .given import FilePath, project_of


def build(project: Project | FilePath | None = None, *, sanitize: bool = False) -> Image:
    """Compile a project with CMake.

    Args:
        project: A project, its folder, or None for the last one that the command ``export`` made here.
        sanitize: Projects of the host: add the address and undefined-behaviour sanitizers.

    Returns:
        The ELF file and its sizes; HEX, BIN and map lie beside it, and for boards with a UF2 boot loader ``model.uf2``.

    Raises:
        ToolchainError: A tool is missing or failed.
        FlashError: The image of a board with a UF2 boot loader lies outside its flash.
        MismatchError: The image links heap, printf or software floating point, or is larger than its upper bound.
        UsageError: ``sanitize`` for a board, or there is no project.
        BadFileError: The folder holds no usable project.

    Example:
        ```python
        import dqt_edge as dqt

        project = dqt.export("digits.safetensors", "host", "digits-host")
        image = dqt.build(project)
        assert image.elf.is_file()
        ```
    """
    made = project_of(project)
    cross = not made.board.is_host
    if sanitize and cross:
        raise UsageError(
            "the sanitizers need an operating system",
            where="parameter `sanitize`",
            next_step="use it with a host project",
        )
    if cross and stands_in() and (made.manifest["predicted"] or {}).get("exact"):
        raise UsageError(
            f"the project was exported for GNU's compiler, and {compiler_name()} needs more stack than it reserved",
            where=str(made.folder),
            next_step="export again here, or install arm-none-eabi-gcc",
        )
    definitions = [] if cross else [f"DQT_SANITIZE={'ON' if sanitize else 'OFF'}"]
    image = build_project(made.folder, cross=cross, definitions=definitions)
    banned = forbidden_symbols(image.elf) if cross else ()
    if banned:
        raise MismatchError(
            f"the image links {', '.join(banned)}: heap, printf or soft-float",
            where=str(image.elf),
            next_step="report this: an exported project must not need them",
        )
    predicted = made.manifest["predicted"] if cross else None
    larger = predicted is not None and (image.flash > predicted["flash"] or image.ram > predicted["ram"])
    if predicted is not None and larger and not predicted["exact"]:
        raise MismatchError(
            f"the image is larger than the upper bound, built with {compiler_name()}",
            where=str(image.elf),
            next_step="export again where this compiler is installed; if no source was edited, report this",
        )
    if made.board.uf2 is not None:
        content = uf2.encode(plan(image.elf, made.board).segments, made.board.uf2.family)
        write_atomically(image.elf.with_suffix(".uf2"), content)
    return image
