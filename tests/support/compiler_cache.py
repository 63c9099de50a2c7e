"""Exports share most of their sources, and tests build hundreds: ccache, where it is installed, compiles each once."""

from __future__ import annotations

import os
import shutil
import tempfile

LAUNCHERS = ("CMAKE_C_COMPILER_LAUNCHER", "CMAKE_ASM_COMPILER_LAUNCHER")


def use_compiler_cache() -> None:
    """Let CMake compile through ccache from now on, unless the environment says how.

    Two exports in different temporary folders share objects (``CCACHE_BASEDIR``, ``CCACHE_NOHASHDIR``): debug
    information then names the folder of the first. A test that looks at it takes
    ``LAUNCHERS`` out of its environment.
    """
    program = shutil.which("ccache")
    if program is not None:
        settings = {"CCACHE_BASEDIR": tempfile.gettempdir(), "CCACHE_NOHASHDIR": "1", "CCACHE_MAXSIZE": "2G"}
        for name, value in (settings | dict.fromkeys(LAUNCHERS, program)).items():
            os.environ.setdefault(name, value)
