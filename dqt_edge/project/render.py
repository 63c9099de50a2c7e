"""Renders plans to the files of a C project, in memory: the same plans give the same bytes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..boards import SHARED_PORT, Board, Cpu
from ..device.c_header import messages_header
from ..errors import BadFileError
from ..lowering.constants import c_name
from ..lowering.kernels import catalogue
from ..lowering.kernels.kernel import Source
from ..lowering.plan import Plan
from ..lowering.worst_case import worst_case
from ..system.resources import data_folder, license_text
from .filters import FILTERS
from .text_protocol import SOURCES as TEXT

if TYPE_CHECKING:
    import jinja2

    from .footprint import Buffers, Footprint
    from .text_protocol import TextProtocol

LICENSE_ID = "Apache-2.0"
"""Of every file that is exported."""
DECIDING = ("dqt/dqt_points.c", "app/dqt_deciding.c")
"""Sources that only models with decision points, a second pass or tuned settings need."""
BAUD = ("app/dqt_baud.c",)
"""Sources that only a serial line with more than one rate needs."""
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Linking:
    """What the linker script needs: the regions that were chosen, and the stack in bytes."""

    flash_start: int
    flash_size: int
    ram_start: int
    ram_size: int
    stack: int


@cache
def c_environment() -> jinja2.Environment:
    """The one environment with the filters that write C and the numbers that kernels share with Python."""
    from ..system.templates import environment  # noqa: PLC0415 - slow to load, and 'check' renders nothing

    env = environment()
    env.filters.update(FILTERS)
    env.globals |= {"limits": catalogue.LIMITS, "offsets": catalogue.OFFSETS, "license": LICENSE_ID}
    return env


def source_file(source: Source, core: str) -> tuple[str, str]:
    """Path in the project, and text, of a kernel or of what kernels share."""
    folder, name = f"kernels/{source.family}", source.template or source.name
    template = c_environment().select_template([f"{folder}/{name}.c.j2", f"{folder}/{name}.S.j2"])
    assert template.name is not None
    suffix = template.name.removesuffix(".j2")[-2:]
    facts = {"name": source.name, "variant": source.variant, "core": core}
    text = template.environment.get_template("kernels/_head.j2").render(facts) + template.render(facts)
    return f"kernels/dqt_{source.name}{suffix}", text


def kernel_files(kernels: Collection[str], cpu: Cpu) -> dict[str, str]:
    """Sources of kernels and of what they share, the headers that they include, and the limits, by path."""
    found = (source_file(source, cpu.core) for source in catalogue.sources(kernels, cpu))
    files = dict(sorted(found))
    declared = c_environment().get_template("kernels/dqt_kernels.h.j2")
    files["kernels/dqt_kernels.h"] = declared.render(kernels=sorted(kernels))
    shared = catalogue.limits(kernels)
    headers = {p.name: p.read_text(encoding="utf-8") for p in (data_folder("templates") / "kernels").glob("*/*.h")}
    headers["dqt_limits.h"] = c_environment().get_template("kernels/dqt_limits.h.j2").render(shared=shared)
    waiting = list(files.values())
    while waiting:
        for name in INCLUDE.findall(waiting.pop()):
            if name in headers and f"kernels/{name}" not in files:
                files[f"kernels/{name}"] = headers[name]
                waiting.append(headers[name])
    return files


def library_files(plans: Sequence[Plan], models: Sequence[ModelNames]) -> dict[str, str]:
    """What a product takes over, by path in the project: ``dqt/``, ``model/`` and ``kernels/``."""
    files = {f"dqt/{name}": text for name, text in _sources(data_folder("firmware") / "dqt").items()}
    if not any(names.settings for names in models):
        files = {path: text for path, text in files.items() if path not in DECIDING}
    for plan, names in zip(plans, models, strict=True):
        files |= model_files(plan, names)
    kernels = sorted({kernel for plan in plans for kernel in plan.kernels})
    return files | kernel_files(kernels, plans[0].board.cpu)


def firmware_files(board: Board) -> dict[str, str]:
    """The fixed sources of a board, by path in the project."""
    root = data_folder("firmware")
    files = {f"{part}/{name}": text for part in ("dqt", "app") for name, text in _sources(root / part).items()}
    return files | {f"port/{name}": text for name, text in (shared_port(board) | port_sources(board)).items()}


def shared_port(board: Board) -> dict[str, str]:
    """What every port of the board's kind gets, by file name: for Cortex-M start-up, memory functions, semihosting."""
    return {} if board.is_host else _sources(data_folder("firmware") / "port" / SHARED_PORT)


def port_sources(board: Board) -> dict[str, str]:
    """The port's own files by name. A source with the name of a shared one takes its place.

    Raises:
        BadFileError: A file cannot be read, or is another header with the name of a shared one.
    """
    found = _sources(board.port_folder)
    for name, text in shared_port(board).items():
        if found.get(name) == text:  # as in the port folder of an exported project
            del found[name]
        elif name in found and name.endswith(".h"):
            raise BadFileError(
                "the port has another header with the name of a shared one",
                where=str(board.port_folder / name),
                next_step="give the header another name",
            )
    return found


def _sources(folder: Path) -> dict[str, str]:
    try:
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.[chS]"))}
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(
            f"cannot read the sources: {error}", where=str(folder), next_step="make them readable, as UTF-8"
        ) from error


def render(
    plans: Sequence[Plan],
    models: Sequence[ModelNames],
    buffers: Buffers,
    footprint: Footprint | None,
    text: TextProtocol | None = None,
) -> dict[str, str]:
    """All text files of the project by relative path, the manifest excepted. No footprint: a native project."""
    env = c_environment()
    board = plans[0].board
    files = firmware_files(board)
    if not buffers.deciding:
        files = {path: content for path, content in files.items() if path not in DECIDING}
    if text is None:
        files = {path: content for path, content in files.items() if path not in TEXT}
    if not board.serial.max_baud:
        files = {path: content for path, content in files.items() if path not in BAUD}
    fixed = set(files)
    files |= library_files(plans, models)
    files["app/dqt_board.h"] = env.get_template("project/dqt_board.h.j2").render(board=board)
    files["app/dqt_messages.h"] = messages_header()
    app = {"models": models, "buffers": buffers, "text": text, "max_baud": board.serial.max_baud}
    files["app/dqt_app.c"] = env.get_template("project/dqt_app.c.j2").render(app)
    examples = example_files(models, board, footprint)
    sources = sorted(path for path in files if path.endswith((".c", ".S")))
    files |= {example.source: example.text for example in examples}
    files["examples/print.h"] = env.get_template("examples/print.h.j2").render()
    facts: dict[str, Any] = {
        "board": board,
        "title": " and ".join(plan.name for plan in plans),
        "models": models,
        "plans": plans,
        "worst": {plan.name: worst.text for plan in plans if (worst := worst_case(plan)) is not None},
        "footprint": footprint,
        "examples": examples,
        "library": [path for path in sources if path.startswith(("dqt/", "kernels/", "model/"))],
        "app": [path for path in sources if path.startswith("app/")],
        "port": [path for path in sources if path.startswith("port/")],
        "assembly": any(path.endswith(".S") for path in sources),
        "port_headers": any(path.startswith("port/") and path.endswith(".h") for path in fixed),
    }
    names_of = ["CMakeLists.txt", "CMakePresets.json", "README.md"]
    if footprint is not None:
        names_of += ["toolchain.cmake", "link.ld", "seal.py", ".vscode/launch.json"]
        facts["linking"] = Linking(
            footprint.flash_region.start,
            footprint.flash_region.size,
            footprint.ram_region.start,
            footprint.ram_region.size,
            footprint.stack,
        )
    for name in names_of:
        files[name] = env.get_template(f"project/{name.rpartition('/')[2]}.j2").render(facts)
    files["LICENSE"] = license_text()
    return files


@dataclass(frozen=True)
class ModelNames:
    """What a model is called in C: its own name, the symbol, and the prefix of its macros.

    ``decides``: it runs without being told its widths. ``inputs``: how many it has. ``streams``: it has states.
    ``settings``: it has decision points, a second pass or tuned settings. ``points``, ``tuned``: how many of these.
    """

    name: str
    symbol: str
    upper: str
    decides: bool
    inputs: int
    streams: bool
    settings: bool
    points: int
    tuned: int

    @classmethod
    def of(cls, plan: Plan, words: Collection[str] = ()) -> ModelNames:
        """Names of a planned model; a word that C or the library owns, or one of ``words``, is not taken."""
        symbol = c_name(plan.name)
        taken = (
            symbol in C_WORDS | header_words()
            or LIMIT_MACRO.fullmatch(symbol)
            or symbol in words
            or symbol.startswith("dqt")
            or symbol.endswith("_t")  # types of C and POSIX
            or f"dqt_{symbol.lower()}" in library_stems()
        )
        if taken or not symbol[0].isalpha():
            symbol = f"model_{symbol}"
        decides = plan.adaptive_count == 0 or plan.decide_at is not None
        points = len(plan.points.points) if plan.points else 0
        tuned = len(plan.points.tuned) if plan.points else 0
        streams, settings = bool(plan.states), plan.points is not None
        return cls(plan.name, symbol, symbol.upper(), decides, len(plan.inputs), streams, settings, points, tuned)


@cache
def header_words() -> frozenset[str]:
    """Identifiers in the headers that a model's source includes behind its own: their parameters would shadow it."""
    firmware, kernels = data_folder("firmware") / "dqt", data_folder("templates") / "kernels"
    headers = (firmware / "dqt_layer.h", firmware / "dqt_tables.h", kernels / "dqt_kernels.h.j2")
    texts = (path.read_text(encoding="utf-8") for path in headers)
    return frozenset(word for text in texts for word in re.findall(r"[A-Za-z_]\w*", COMMENT.sub("", text)))


@cache
def library_stems() -> frozenset[str]:
    """Names, without their suffixes, of the files that an export may hold beside those of models."""
    firmware, kernels = data_folder("firmware"), data_folder("templates") / "kernels"
    found = {path.name.partition(".")[0] for path in (*firmware.rglob("*.[ch]"), *kernels.rglob("*.h*"))}
    found |= {f"dqt_{name}" for name in catalogue.all_sources()}
    return frozenset({*found, "dqt_app", "dqt_board", "dqt_core"})


COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
"""Of C."""
LIMIT_MACRO = re.compile(r"(?:U?INT|SIZE|PTRDIFF|WCHAR|WINT|SIG_ATOMIC)\w*_(?:MAX|MIN|C)")
"""Macros of <stdint.h>, which every header of a model includes."""
_WORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false
main alignas alignof asm and and_eq bitand bitor catch class compl concept consteval constexpr constinit const_cast
co_await co_return co_yield decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not
not_eq nullptr operator or or_eq private protected public reinterpret_cast requires static_assert static_cast template
this thread_local throw try typeid typename using virtual wchar_t xor xor_eq char8_t char16_t char32_t typeof
typeof_unqual offsetof NULL EOF errno linux unix memcpy memmove memset memcmp
"""
_EXAMPLES = """
arena choices count counting counting_stack current fill first first_arena infer inference inference_stack make_stack
print_number print_text result run_second second second_arena status suspended switch_task switches with_choices
"""
C_WORDS = frozenset(f"{_WORDS} {_EXAMPLES}".split())
"""Names that a model's symbol may not have: C23's and C++20's keywords, what every image and what examples define."""


def model_files(plan: Plan, names: ModelNames) -> dict[str, str]:
    """A model's header and source, by path in the project."""
    env = c_environment()
    facts = {"plan": plan, "symbol": names.symbol, "upper": names.upper, "crc": zlib.crc32(plan.weights_image())}
    return {
        f"model/dqt_{names.symbol}.{suffix}": env.get_template(f"model/dqt_model.{suffix}.j2").render(facts)
        for suffix in ("h", "c")
    }


def header_names(plan: Plan, names: ModelNames) -> list[str]:
    """Macros and variables that a model's header has."""
    facts = {"plan": plan, "symbol": names.symbol, "upper": names.upper}
    text = c_environment().get_template("model/dqt_model.h.j2").render(facts)
    return re.findall(r"^(?:#define|extern const \w+) (\w+)", text, re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A program below ``examples/``: the name of its target, its path in the project, its text."""

    name: str
    source: str
    text: str


def example_files(models: Sequence[ModelNames], board: Board, footprint: Footprint | None) -> list[Example]:
    """Programs of one's own round the models, for this board."""
    env = c_environment()
    names = ["own_main"]
    if not board.is_host:
        names.append("task")
    if len(models) > 1:
        names.append("two_models")
    if models[0].tuned:
        names.append("decide")
    return [
        Example(
            name,
            f"examples/{name}.c",
            env.get_template(f"examples/{name}.c.j2").render(models=models, footprint=footprint),
        )
        for name in names
    ]
