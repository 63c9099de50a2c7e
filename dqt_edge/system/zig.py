"""A cross compiler without root: PyPI's ``ziglang`` (clang and lld), where ``arm-none-eabi-gcc`` is not installed.

An exported project asks for GNU's tools by name. A folder of small programs with those names, which goes before the
others on PATH, passes their arguments on; ``zig_tools.py`` says how.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path

from .files import write_atomically
from .resources import cache_folder
from .tools import ARM_GCC, compiler_version

TOOLS = (ARM_GCC, "arm-none-eabi-objcopy", "arm-none-eabi-ar", "arm-none-eabi-ranlib")
PACKAGE = "ziglang"


def installed() -> Path | None:
    """Zig's program in the package, or None where the package is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    program = Path(found.submodule_search_locations[0]) / "zig"
    return program if program.is_file() else None


def version() -> str:
    """Of the package."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:  # a folder on sys.path
        return "of an unknown version"


def stands_in() -> bool:
    """Whether it compiles for boards here: it is installed, and GNU's compiler is not."""
    return shutil.which(ARM_GCC) is None and installed() is not None


def compiler_name() -> str:
    """Name and version of what compiles for boards.

    Raises:
        ToolchainError: There is none.
    """
    return f"{PACKAGE} {version()}" if stands_in() else f"{ARM_GCC} {compiler_version()}"


def environment() -> dict[str, str]:
    """Environment of a build with it: PATH, and where Zig keeps what it compiled."""
    program, folder = installed(), cache_folder("zig")
    assert program is not None
    tools = folder / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name("zig_tools.py")
    for name in TOOLS:
        line = " ".join(shlex.quote(str(part)) for part in (sys.executable, script, program, name))
        write_atomically(tools / name, f'#!/bin/sh\nexec {line} "$@"\n'.encode())
        (tools / name).chmod(0o755)
    kept = {name: str(folder / "cache") for name in ("ZIG_LOCAL_CACHE_DIR", "ZIG_GLOBAL_CACHE_DIR")}
    return {**os.environ, **kept, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
