"""Bad board files: of an emulated board, and of one with flash that is written."""

from __future__ import annotations

from dqt_edge.boards import read_board
from dqt_edge.system.resources import data_folder

from .case import Case, Format

EMULATED, REAL = "qemu-m4", "stm32h7"


def _text(board: str) -> str:
    return (data_folder("boards") / f"{board}.toml").read_text(encoding="utf-8")


def _good() -> bytes:
    return _text(EMULATED).encode()


def _case(board: str, old: str, new: str, told: str) -> Case:
    def make() -> bytes:
        text = _text(board)
        assert old in text, old
        return text.replace(old, new).encode()

    return Case(make, told)


def _raw(content: bytes, told: str) -> Case:
    return Case(lambda: content, told)


QEMU: dict[str, tuple[str, str, str]] = {
    "an unknown key": ('name = "Cortex-M4F', 'nome = "Cortex-M4F', "unknown key 'nome'"),
    "a key that is missing": ('vendor = "Arm (emulated)"', "", "missing key 'vendor'"),
    "a clock that is text": ("hz = 25000000", 'hz = "fast"', "board.cpu.hz must be int"),
    "a clock that is real": ("hz = 25000000", "hz = 25e6", "board.cpu.hz must be int"),
    "a clock of no hertz": ("hz = 25000000", "hz = 0", "cpu.hz must be above 0"),
    "a negative clock": ("hz = 25000000", "hz = -1", "cpu.hz must be above 0"),
    "a clock of 10^18 hertz": ("hz = 25000000", "hz = 1_000_000_000_000_000_000", "cpu.hz must be above 0, within 32"),
    "a flag that is a number": ("fpu = true", "fpu = 1", "board.cpu.fpu must be bool"),
    "an unknown core": ('core = "cortex-m4"', 'core = "z80"', "'z80' is none of"),
    "an id that is a day": ('id = "qemu-m4"', "id = 2026-11-28", "board.id must be str"),
    "an id with a space": ('id = "qemu-m4"', 'id = "a board"', "id 'a board' must be 1 to 15 letters"),
    "an id of 16 letters": ('id = "qemu-m4"', f'id = "{"m" * 16}"', "must be 1 to 15 letters"),
    "an id that is a path": ('id = "qemu-m4"', 'id = "../m4"', "id '../m4' must be 1 to 15 letters"),
    "an id with an escape": ('id = "qemu-m4"', r'id = "\u001b[2J"', "id '\\x1b[2J' must be 1 to 15 letters"),
    "an empty id": ('id = "qemu-m4"', 'id = ""', "id '' must be 1 to 15 letters"),
    "an id twice": ('id = "qemu-m4"', 'id = "qemu-m4"\nid = "other"', "Cannot overwrite a value (at line 2"),
    "a table twice": ("[qemu]", "[cpu]\n[qemu]", "Cannot declare ('cpu',) twice"),
    "an unknown port": ('port = "mps2"', 'port = "vax"', "port 'vax' has no folder under firmware/port"),
    "what ports share as a port": (
        'port = "mps2"',
        'port = "cortexm"',
        "no folder under firmware/port, which has mps2",
    ),
    "the computer's port on a core": ('port = "mps2"', 'port = "native"', "does not go with cpu.core 'cortex-m4'"),
    "a port that is not there": ('port = "mps2"', 'port = "./mps2"', "there is no folder"),
    "a port above the file": (
        'port = "mps2"',
        'port = "../../../../../../etc"',
        "port '../../../../../../etc': the fo",
    ),
    "a port by its whole path": ('port = "mps2"', 'port = "/etc"', "port '/etc': the folder /etc holds no .c"),
    "a port with a NUL": ('port = "mps2"', r'port = "./a\u0000b"', "port './a\\x00b' must be the name of a folder"),
    "a port that is a point": ('port = "mps2"', 'port = ".."', "port '..' has no folder under firmware/port"),
    "no flash": ('kind = "flash"', 'kind = "rom"', "needs a flash and a ram region"),
    "regions that overlap": ("start = 0x20000000", "start = 0x00000000", "overlap"),
    "regions that overlap by a byte": ("start = 0x20000000", "start = 0x003fffff", "'code' and 'data' overlap"),
    "a region of -1 bytes": ("size = 0x400000", "size = -1", "memory region 'code' must be flash or ram within"),
    "a region of no bytes": ("size = 0x400000", "size = 0", "memory region 'code' must be flash or ram within"),
    "a region before address 0": ("start = 0x00000000", "start = -4096", "memory region 'code' must be flash or ram"),
    "a region beyond 32 bits": (
        "size = 0x400000",
        "size = 0x100000000",
        "must be flash or ram within 32-bit addresses",
    ),
    "a region of 10^30 bytes": ("size = 0x400000", f"size = 1{'0' * 30}", "memory region 'code' must be flash or ram"),
    "two regions of one name": ('name = "data"', 'name = "code"', "two regions have the name 'code'"),
    "a negative sector": ("size = 0x400000", "size = 0x400000\nsector = -1", "sector and page must be 0 or more"),
    "four million sectors": (
        "size = 0x400000",
        "size = 0x400000\nsector = 1",
        "region 'code' has more than 65536 sect",
    ),
    "sectors that do not fill the flash": (
        "size = 0x400000",
        "size = 0x400000\nsector = 3000",
        "do not fill it exactly",
    ),
    "one region instead of a list": ("[[memory]]", "[memory]", "declare"),
    "a negative rate": ("baud = 115200", "baud = -1", "serial.baud must be 0 or more"),
    "a rate beyond 32 bits": ("baud = 115200", "baud = 4294967296", "serial.baud must be 0 or more, within 32 bits"),
    "a highest rate below the first": ("baud = 115200", "baud = 115200\nmax_baud = 9600", "serial.max_baud must be"),
    "an instruction of 2^11 ns": ("icount_shift = 7", "icount_shift = 11", "icount_shift must be 0 to 10"),
    "a machine with settings": ('"mps2-an386"', '"mps2-an386,firmware=/etc/passwd"', "qemu.machine 'mps2-an386,firm"),
    "a machine that is an option": ('"mps2-an386"', '"-hda"', "qemu.machine '-hda' must be the name"),
    "no core among the options": ('"-mcpu=cortex-m4", ', "", "must state the core once, -mcpu=cortex-m4, not -mthumb"),
    "another core among the options": ('"-mcpu=cortex-m4"', '"-mcpu=cortex-m7"', "must state the core once"),
    "the core twice": ('"-mcpu=cortex-m4"', '"-mcpu=cortex-m4", "-mcpu=cortex-m4"', "must state the core once"),
    "an option that a shell obeys": ('"-mthumb"', '"-mthumb; rm"', "cpu.flags: '-mthumb; rm' is no compiler option"),
    "an option that loads a plugin": (
        '"-mthumb"',
        '"-mthumb", "-fplugin=evil"',
        "'-fplugin=evil' is no compiler option",
    ),
    "an option that takes other programs": ('"-mthumb"', '"-mthumb", "-Bevil"', "'-Bevil' is no compiler option"),
    "an option that takes other specs": (
        '"-mthumb"',
        '"-mthumb", "-specs=evil"',
        "'-specs=evil' is no compiler option",
    ),
    "an option for the linker": ('"-mthumb"', '"-mthumb", "-Wl,-Tevil.ld"', "'-Wl,-Tevil.ld' is no compiler option"),
    "an option that names the output": ('"-mthumb"', '"-mthumb", "-oevil"', "'-oevil' is no compiler option"),
    "hard floats without an FPU": ('soft"]\nfpu = true', 'hard"]\nfpu = false', "but cpu.fpu is false"),
    "no DSP on a core that has it": ("dsp = true", "dsp = false", "cpu.dsp must be true for cortex-m4"),
    "DSP that the options leave out": ('"-mcpu=cortex-m4"', '"-mcpu=cortex-m4+nodsp"', "cpu.dsp must be false for"),
    "MVE on a core without": ("mve = false", "mve = true", "cpu.mve must be false for cortex-m4"),
    "an unknown key of the core": ("fpu = true\ndsp", "fpu = false\nX = 1\ndsp", "unknown key 'X' in board.cpu"),
    "an option that is a number": ("flags = [", "flags = [1, ", "board.cpu.flags must be a list of text"),
    "a kind that is a table": ("[counter]\nkind", "[counter]\n[counter.kind]\nkind", "must be str"),
    "an unknown counter": ('kind = "icount"', 'kind = "guess"', "counter.kind 'guess'"),
    "a negative ratio": ("ticks = ", "ticks = -", "ratio is not positive"),
    "a ratio by 0": ("units = 5", "units = 0", "ratio is not positive"),
    "a ratio beyond 32 bits": ("ticks = 16", "ticks = 4294967296", "counter.ticks and counter.units must be within 32"),
    "a table without its end": ("[qemu]", "[qemu", "Expected"),
    "text without its end": ('unit = "instructions"', 'unit = "instructions', "Illegal character '\\n' (at line 32"),
    "constants that are text": (
        "[qemu]",
        "[constants]\npins = 'A'\n[qemu]",
        "board.constants must be a table of integ",
    ),
    "constants that are true": (
        "[qemu]",
        "[constants]\npin = true\n[qemu]",
        "board.constants must be a table of integ",
    ),
    "a constant in capitals": ("[qemu]", "[constants]\nPIN = 1\n[qemu]", "constants: 'PIN' must be small letters"),
    "a constant that is C": (
        "[qemu]",
        '[constants]\n"x 1\\n#include <y>" = 1\n[qemu]',
        "constants: 'x 1\\n#include <y>'",
    ),
    "a negative constant": ("[qemu]", "[constants]\npin = -1\n[qemu]", "constants.pin must be 0 or more"),
    "a constant of 33 bits": (
        "[qemu]",
        "[constants]\npin = 0x100000000\n[qemu]",
        "constants.pin must be 0 or more, with",
    ),
    "a constant that is there already": ("[qemu]", "[constants]\nid = 1\n[qemu]", "not 'id'"),
}

STM32: dict[str, tuple[str, str, str]] = {
    "a kind of counter that is a number": ('kind = "dwt"', "kind = 3", "board.counter.kind must be str"),
    "first sectors that are too many": ("page = 32", "page = 32\nfirst_sectors = [0x400000]", "first_sectors and then"),
    "a first sector of 0": ("page = 32", "page = 32\nfirst_sectors = [0, 0x20000]", "first_sectors and then sectors"),
    "flash that is erased to 1": (
        "page = 32",
        "page = 32\nerased = 1",
        "memory region 'flash': erased must be 0 or 255",
    ),
    "wait states without end": (
        "[trigger]",
        "[flash]\nwait_states = 65\nline = 32\n[trigger]",
        "flash.wait_states must",
    ),
    "lines of 3 bytes": ("[trigger]", "[flash]\nwait_states = 4\nline = 3\n[trigger]", "flash.line must be a power of"),
    "a cache of half a line": (
        "[trigger]",
        "[flash]\nwait_states = 4\nline = 32\ncode_cache = 48\n[trigger]",
        "flash.code_cache must be whole",
    ),
    "a boot loader without an id": (
        "[trigger]",
        '[uf2]\nfamily = 1\nboard_id = ""\n[trigger]',
        "uf2.board_id is needed",
    ),
    "a boot loader's family of 33 bits": (
        "[trigger]",
        '[uf2]\nfamily = 0x100000000\nboard_id = "x"\n[trigger]',
        "uf2.family must be 0 or more",
    ),
    "a pin that is none": ('pin = "PG12"', 'pin = "PZ99"', "trigger.pin 'PZ99' must be a pin"),
    "a pin that is C": ('pin = "PG12"', 'pin = "PG12;x()"', "trigger.pin 'PG12;x()' must be a pin"),
    "a USB id that is none": ('"0483:374e"', '"ST-LINK"', "serial.usb[0] 'ST-LINK' must be vid:pid"),
    "a probe's clock in words": ('"4000000"', '"4 MHz"', "runners: frequency of 'pyocd' is '4 MHz'"),
    "a negative probe's clock": ('"4000000"', '"-1"', "runners: frequency of 'pyocd' is '-1'"),
    "a script that is a command": (
        'config = "board/st_nucleo_h743zi.cfg"',
        'config = "[exec rm]"',
        "runners: config of 'openocd' is '[exec rm]'",
    ),
    "a probe's number that is a command": (
        'config = "board',
        'serial = "1; exec rm"\nconfig = "board',
        "runners: serial of 'openocd' is '1; exec rm'",
    ),
    "settings that are numbers": ('frequency = "4000000"', "frequency = 4000000", "settings must be a table of text"),
    "provenance that is a list": ("[provenance]", "[[provenance]]", "board.provenance must be a table of text"),
    "no provenance": ("[provenance]", "[provenance]\n[x]", "unknown key 'x' in board"),
}


def _bare() -> bytes:
    """The emulated board without what its provenance says."""
    return (_text(EMULATED).partition("[provenance]")[0] + "[provenance]\n").encode()


FILES = {
    "an empty file": _raw(b"", "missing key 'id'"),
    "a picture": _raw(b"\x89PNG\r\n\x1a\n" + bytes(99), "can't decode byte 0x89 in position 0"),
    "text in UTF-16": Case(lambda: _text(EMULATED).encode("utf-16"), "can't decode byte 0xff in position 0"),
    "JSON": _raw(b'{"id": "qemu-m4"}', "Invalid statement (at line 1"),
    "a NUL in a line": Case(lambda: _good().replace(b'id = "', b'id = "\0'), "Illegal character '\\x00' (at line 1"),
    "arrays nested 100,000 deep": _raw(b"a = " + b"[" * 100_000, "nested too deep"),
    "a file of 2 MiB": _raw(b"#" * (2 << 20), "more than the limit of 1048576 bytes"),
    "a file cut off within a table's name": Case(lambda: _good()[: _good().index(b"[counter]") + 4], "(at end of"),
    "a file cut off behind the core": Case(lambda: _good().partition(b"[[memory]]")[0], "missing key 'serial'"),
    "a file without provenance": Case(_bare, "provenance is empty"),
}

BOARD = Format(
    "board",
    "board.toml",
    _good,
    read_board,
    {
        **{name: _case(EMULATED, *row) for name, row in QEMU.items()},
        **{f"{name} (flash)": _case(REAL, *row) for name, row in STM32.items()},
        **FILES,
    },
    least=30,
)
