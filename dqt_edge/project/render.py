"""Renders a Plan to the files of a C project, in memory: the same plan gives the same bytes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..boards import Board
from ..device.c_header import messages_header
from ..lowering import scalar
from ..lowering.plan import Plan
from ..system.resources import data_folder
from ..system.templates import environment
from .filters import FILTERS
from .footprint import Buffers, Footprint

if TYPE_CHECKING:
    import jinja2

KERNEL_TEMPLATES = {
    "conv2d": ("conv2d", "plain"),
    "conv2d_residual": ("conv2d", "residual"),
    "conv2d_dsp": ("conv2d_dsp", "plain"),
    "depthwise_conv2d": ("depthwise_conv2d", "plain"),
    "depthwise_conv2d_dsp": ("depthwise_conv2d_dsp", "plain"),
    "depthwise_conv2d_raw_dsp": ("depthwise_conv2d_dsp", "raw"),
    "dense": ("dense", "plain"),
    "dense_accumulate": ("dense", "accumulate"),
    "dense_wide_dsp": ("dense_dsp", "wide"),
    "dense_nibbles_dsp": ("dense_dsp", "nibbles"),
    "dense_planes_dsp": ("dense_dsp", "planes"),
    "conv2d_mve": ("conv2d_mve", "plain"),
    "depthwise_conv2d_mve": ("depthwise_conv2d_mve", "plain"),
    "dense_mve": ("dense_mve", "plain"),
    "dense_accumulate_mve": ("dense_mve", "accumulate"),
    "conv2d_scalar": ("conv2d_scalar", "plain"),
    "depthwise_conv2d_scalar": ("depthwise_conv2d_scalar", "plain"),
    "dense_scalar": ("dense_scalar", "plain"),
    "dense_accumulate_scalar": ("dense_scalar", "accumulate"),
    "add": ("add", "plain"),
    "add_mve": ("add_mve", "plain"),
    "concat": ("concat", "plain"),
    "max_pool2d": ("pool2d", "max"),
    "average_pool2d": ("pool2d", "average"),
    "average_pool2d_dsp": ("average_pool2d_dsp", "plain"),
}
"""Kernel -> (template, variant)."""

UNITS = {
    "_scalar": (
        "scalar_dense",
        "scalar_dense_bytes",
        "scalar_dense_halves",
        "scalar_depthwise",
        "scalar_depthwise_rows",
        "scalar_multiply",
        "scalar_operands",
        "scalar_rows",
    ),
    "_dsp": (
        "dsp_dense_nibbles",
        "dsp_dense_planes",
        "dsp_dense_planes_wide",
        "dsp_conv_pixels",
        "dsp_conv_rows",
        "dsp_conv_windows",
        "dsp_depthwise",
        "dsp_depthwise_rows",
        "dsp_depthwise_spread",
        "dsp_expand",
        "dsp_expand_rest",
        "dsp_multiply",
        "dsp_operands",
    ),
    "_mve": (
        "mve_depthwise",
        "mve_depthwise_maps",
        "mve_depthwise_windows",
        "mve_map",
        "mve_map_tables",
        "mve_multiply",
        "mve_operands",
        "mve_planes",
        "mve_windows",
    ),
}
"""End of the names of the kernels for an extension -> templates of what they share."""

THUMB1_UNITS = {
    "scalar_dense_bytes": ("scalar_dense_bytes_thumb1",),
    "scalar_dense_halves": ("scalar_dense_halves_thumb1",),
    "scalar_depthwise": ("scalar_depthwise_store_thumb1", "scalar_depthwise_thumb1"),
    "scalar_multiply": ("scalar_finish_thumb1", "scalar_multiply_thumb1", "scalar_sums_thumb1"),
}
"""Units in whose place Armv6-M has its own."""


@dataclass(frozen=True)
class Linking:
    """What the linker script needs: the regions that were chosen, and the stack in bytes."""

    flash_start: int
    flash_size: int
    ram_start: int
    ram_size: int
    stack: int


def c_environment() -> jinja2.Environment:
    """The templates' environment with the filters that write C."""
    env = environment()
    env.filters.update(FILTERS)
    return env


def kernels_for(board: Board) -> tuple[str, ...]:
    """Every kernel that the core of a board can run."""
    cpu = board.cpu
    has = {"_scalar": scalar.serves(board), "_dsp": cpu.dsp, "_mve": cpu.mve}
    return tuple(kernel for kernel in KERNEL_TEMPLATES if has.get(kernel[kernel.rfind("_") :], True))


def kernel_source(kernel: str, core: str) -> tuple[str, str]:
    """Suffix and text of the source of one kernel, or of a unit that kernels share, for a core: C or assembly."""
    template, variant = KERNEL_TEMPLATES.get(kernel, (kernel, "plain"))
    path = f"kernels/{family_of(kernel)}/{template}"
    found = c_environment().select_template([f"{path}.S.j2", f"{path}.c.j2"])
    assert found.name is not None
    return found.name.removeprefix(path).removesuffix(".j2"), found.render(name=kernel, variant=variant, core=core)


def family_of(kernel: str) -> str:
    """Folder below ``templates/kernels`` of a kernel or a unit."""
    return next((name for name in ("scalar", "dsp", "mve") if name in kernel.split("_")), "plain")


def units_of(kernels: Collection[str], core: str) -> list[str]:
    """Units that kernels share, for a core."""
    found = [u for ending, units in UNITS.items() if any(k.endswith(ending) for k in kernels) for u in units]
    if core.startswith("cortex-m0"):
        return [own for unit in found for own in THUMB1_UNITS.get(unit, (unit,))]
    return found


def kernel_files(kernels: Collection[str], core: str) -> dict[str, str]:
    """Sources of kernels and of what they share, by path in the project."""
    names = [*kernels, *units_of(kernels, core)]
    files = {}
    for name in names:
        suffix, text = kernel_source(name, core)
        files[f"kernels/dqt_{name}{suffix}"] = text
    for family in sorted({family_of(name) for name in names}):
        for path in (data_folder("templates") / "kernels" / family).glob("*.h"):
            files[f"kernels/{path.name}"] = path.read_text(encoding="utf-8")
    return files


def firmware_files(board: Board) -> dict[str, str]:
    """The fixed sources of a board, by path in the project."""
    root = data_folder("firmware")
    folders = [root / "dqt", root / "app", root / "port" / board.port]
    if not board.is_host:
        folders.append(root / "port" / "cortexm")
    files = {}
    for folder in folders:
        for path in sorted(folder.glob("*.[chS]")):
            files[f"{_folder(folder)}/{path.name}"] = path.read_text(encoding="utf-8")
    return files


def _folder(folder: Path) -> str:
    return "port" if folder.parent.name == "port" else folder.name


def render(plan: Plan, buffers: Buffers, footprint: Footprint | None) -> dict[str, str]:
    """All text files of the project by relative path, the manifest excepted. No footprint: a native project."""
    env = c_environment()
    board = plan.board
    files = firmware_files(board)
    files["app/dqt_board.h"] = env.get_template("board.h.j2").render(board=board)
    files["app/dqt_messages.h"] = messages_header()
    files["model/dqt_weights.h"] = env.get_template("weights.h.j2").render(plan=plan)
    files["model/dqt_weights.c"] = env.get_template("weights.c.j2").render(plan=plan)
    files["model/dqt_model.c"] = env.get_template("model.c.j2").render(plan=plan, buffers=buffers)
    files["kernels/dqt_kernels.h"] = env.get_template("kernels.h.j2").render(plan=plan, kernels=plan.kernels)
    files |= kernel_files(plan.kernels, board.cpu.core)
    sources = sorted(path for path in files if path.endswith((".c", ".S")))
    includes = sorted({path.split("/")[0] for path in files if path.endswith(".h")})
    files["CMakeLists.txt"] = env.get_template("CMakeLists.txt.j2").render(
        plan=plan, board=board, sources=sources, includes=includes
    )
    if footprint is not None:
        files["toolchain.cmake"] = env.get_template("toolchain.cmake.j2").render(board=board)
        linking = Linking(
            footprint.flash_region.start,
            footprint.flash_region.size,
            footprint.ram_region.start,
            footprint.ram_region.size,
            footprint.stack,
        )
        files["link.ld"] = env.get_template("link.ld.j2").render(plan=plan, linking=linking)
    return files
