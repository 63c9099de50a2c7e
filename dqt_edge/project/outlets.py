"""Outlets: the build systems that a library can be exported for, and how each wants its files laid out."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, get_args

from .. import __version__
from ..boards import CORES, DSP_CORES, MVE_CORES, THUMB1_CORES, Board
from ..errors import UsageError
from .render import ModelNames

OutletName = Literal["cmake", "arduino", "zephyr", "platformio", "cmsis-pack", "stm32cube"]

ID_MAX = 28
"""Characters of a library's name behind ``dqt_``: a component of a CMSIS pack has at most 32."""
VENDOR = "dqt-edge"
"""Of packs."""


@dataclass(frozen=True)
class Outlet:
    """A build system that takes a library over.

    Attributes:
        name: As users write it.
        title: What is made, with its article.
        templates: Path in the library by template below ``templates/outlets``; ``{id}``: the library's name.
        example: Path of the example, which is one of them.
        next_step: What a user does with the folder.
        sources: Folder of all C and assembly files. Empty: they stay in ``dqt/``, ``model/`` and ``kernels/``.
        headers: The same of headers.
        sets_flags: Whether its build files give the compiler the flags that the sources need. Otherwise each source
            says so itself.
        host: Whether it makes sense for this computer.
    """

    name: OutletName
    title: str
    templates: Mapping[str, str]
    example: str
    next_step: str
    sources: str = ""
    headers: str = ""
    sets_flags: bool = False
    host: bool = True

    def place(self, path: str) -> str:
        """Where the file ``path`` of a project lies in the library."""
        name = PurePosixPath(path).name
        folder = self.headers if name.endswith(".h") else self.sources
        return f"{folder}/{name}" if folder else path


OUTLETS: dict[str, Outlet] = {
    outlet.name: outlet
    for outlet in (
        Outlet(
            "cmake",
            "a CMake library",
            {"cmake/CMakeLists.txt": "CMakeLists.txt", "cmake/main.c": "examples/{id}/main.c"},
            "examples/{id}/main.c",
            "add_subdirectory() it, and link dqt::models",
            sets_flags=True,
        ),
        Outlet(
            "arduino",
            "an Arduino library",
            {
                "arduino/library.properties": "library.properties",
                "arduino/keywords.txt": "keywords.txt",
                "arduino/sketch.ino": "examples/{id}/{id}.ino",
            },
            "examples/{id}/{id}.ino",
            "copy it to the folder libraries/ of your sketchbook as {id}",
            sources="src",
            headers="src",
        ),
        Outlet(
            "zephyr",
            "a Zephyr module",
            {
                "zephyr/module.yml": "zephyr/module.yml",
                "zephyr/CMakeLists.txt": "zephyr/CMakeLists.txt",
                "zephyr/Kconfig": "zephyr/Kconfig",
                "zephyr/sample/CMakeLists.txt": "samples/{id}/CMakeLists.txt",
                "zephyr/sample/prj.conf": "samples/{id}/prj.conf",
                "zephyr/sample/sample.yaml": "samples/{id}/sample.yaml",
                "zephyr/sample/main.c": "samples/{id}/src/main.c",
            },
            "samples/{id}/src/main.c",
            "west build its samples/{id}, or name it in EXTRA_ZEPHYR_MODULES",
            sets_flags=True,
        ),
        Outlet(
            "platformio",
            "a PlatformIO library",
            {"platformio/library.json": "library.json", "platformio/main.cpp": "examples/{id}/src/main.cpp"},
            "examples/{id}/src/main.cpp",
            "name it in lib_deps of your platformio.ini, as symlink://path",
            sources="src",
            headers="src",
            sets_flags=True,
        ),
        Outlet(
            "cmsis-pack",
            "a CMSIS pack",
            {"cmsis-pack/pack.pdsc": f"{VENDOR}.{{id}}.pdsc", "cmsis-pack/main.c": "template/{id}_main.c"},
            "template/{id}_main.c",
            f"cpackget add its {VENDOR}.{{id}}.{__version__}.pack",
            host=False,
        ),
        Outlet(
            "stm32cube",
            "a folder for STM32Cube projects",
            {"stm32cube/compile.txt": "compile.txt", "stm32cube/example.c": "Example/{id}_example.c"},
            "Example/{id}_example.c",
            "copy it into your project, and add what its compile.txt lists",
            sources="Src",
            headers="Inc",
            host=False,
        ),
    )
}
assert tuple(OUTLETS) == get_args(OutletName)


def outlet_of(name: str, board: Board) -> Outlet:
    """The outlet of that name.

    Raises:
        UsageError: There is none, or it makes no sense for the board.
    """
    if name not in OUTLETS:
        close = difflib.get_close_matches(name, OUTLETS, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"unknown outlet {name!r}", where="`outlet`", next_step=f"{hint}choose from {', '.join(OUTLETS)}"
        )
    outlet = OUTLETS[name]
    if board.is_host and not outlet.host:
        possible = ", ".join(each.name for each in OUTLETS.values() if each.host)
        raise UsageError(
            f"{outlet.title} is for microcontrollers, and board {board.id!r} is this computer",
            where="`outlet`",
            next_step=f"choose the board whose core your chip has; the host has {possible}",
        )
    return outlet


@dataclass(frozen=True)
class LibraryNames:
    """What a library is called.

    Attributes:
        id: ``dqt_<model>``, for files, folders, targets, components: letters, digits and ``_``, at most 32 of them.
        slug: The same in lower case with single dashes.
        version: Of the library.
        title: Its models, in words.
    """

    id: str
    slug: str
    version: str
    title: str

    @classmethod
    def of(cls, models: Sequence[ModelNames]) -> LibraryNames:
        """Names of a library of these models; a long one is cut and told apart by a digest."""
        name = "_".join(model.symbol for model in models)
        if len(name) > ID_MAX:
            name = f"{name[: ID_MAX - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        slug = "-".join(part for part in f"dqt_{name}".lower().split("_") if part)
        return cls(f"dqt_{name}", slug, __version__, " and ".join(model.name for model in models))


_WORDS = """
abort abs access acos alarm asin assert atan atan2 atexit atof atoi atol bsearch calloc cbrt ceil clearerr clock close
cos cosh creat ctime difftime div drand48 dup erf exit exp exp2 fabs fclose fdim feof ferror fflush fgetc fgets floor
fma fmax fmin fmod fopen fork fprintf fputc fputs fread free freopen frexp fscanf fseek ftell fwrite gamma getc
getchar getenv gets gmtime hypot index isalnum isalpha isascii isblank iscntrl isdigit isgraph isinf islower isnan
isprint ispunct isspace isupper isxdigit j0 j1 jn kill labs ldexp ldiv lgamma link localtime log log10 log2 longjmp
lrint lround lseek malloc mktime modf nan open pause perror pipe pow printf putc putchar puts qsort raise rand read
realloc remove rename rewind rindex rint round sbrk scanf select setbuf setjmp setvbuf signal sin sinh sleep sprintf
sqrt srand sscanf stat stderr stdin stdout strcat strchr strcmp strcpy strlen strstr strtod strtok strtol swab system
tan tanh tgamma time times tmpfile tolower toupper trunc ungetc unlink vprintf wait write y0 y1 yn
analogRead analogReference analogWrite attachInterrupt bit bitClear bitRead bitSet bitToggle bitWrite boolean byte
constrain degrees delay delayMicroseconds detachInterrupt digitalPinToInterrupt digitalRead digitalWrite highByte init
interrupts loop lowByte makeWord map max micros millis min noInterrupts noTone pgm_read_byte pinMode pulseIn
pulseInLong radians random randomSeed serialEvent setup shiftIn shiftOut sq tone word yield Print Serial Serial1
Serial2 Serial3 SerialUSB SPI Stream String USB Wire CHANGE DEC DEFAULT DISABLE ENABLE EULER EXTERNAL F FALLING
HALF_PI HEX HIGH INPUT INPUT_PULLUP INTERNAL LED_BUILTIN LOW LSBFIRST MSBFIRST OCT OUTPUT PI PROGMEM RISING TWO_PI
k_sleep k_yield printk ADC CAN CRC DAC DMA EXTI FLASH FPU GPIO I2C IRQn MPU NVIC PWR RCC RNG RTC SCB SysTick TIM UART
arena choices infer options result
"""
PLATFORM_WORDS = frozenset(_WORDS.split())
"""Names that C libraries, platforms or the examples have; a model of such a name is called ``model_<name>`` in C."""

NEEDS_CORES = {
    "mve": MVE_CORES,
    "dsp": DSP_CORES,
    "scalar": tuple(core for core in CORES if core not in ("host", *THUMB1_CORES)),
    "thumb1": tuple(core for core in CORES if core != "host"),
    "plain": (),
}
"""Cores that can have the instructions that kernels need, by the name of these; none where any processor will do."""


def needs_of(board: Board) -> str:
    """Which instructions the kernels for a board's core need: a key of ``NEEDS_CORES``."""
    return "thumb1" if board.cpu.thumb1 else board.cpu.families[0]
