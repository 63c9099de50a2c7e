"""Everything that a probe, its program or a serial port can do wrong: its own words, a hint and an exit code.

``docs/flashing.md`` has the table; a test here holds it to what the command says.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dqt_edge.boards import Runner
from dqt_edge.cli import main
from dqt_edge.device.serial_port import SerialTransport
from dqt_edge.flashing import an3155, tool
from dqt_edge.project.manifest import Project

from .runners import image_parts
from .simulated import tools
from .simulated.chip import Chip, Faults
from .simulated.loader import BootLoader, Character, on_terminal
from .test_command import _elf
from .test_tools import board_with

PAGE = Path(__file__).parents[2] / "docs" / "flashing.md"
SECTOR, WORD = 0x08004000, 0x08004040


@dataclass(frozen=True)
class Fault:
    """A row: what is wrong, with which runner, and what the command says.

    ``when`` and ``how``: the tool's trouble. ``chip``: what is wrong with flash. ``loader``: what the boot loader is
    like. ``words`` and ``hint``: of the message and of what to do next.
    """

    name: str
    runner: str
    words: str
    hint: str
    code: int = 7
    when: str = ""
    how: str = ""
    chip: Faults = field(default_factory=Faults)
    loader: Character | None = None


def said(name: str, text: str, words: str, hint: str, runner: str = "openocd", when: str = "probe") -> Fault:
    """A tool that ends with that text."""
    return Fault(name, runner, words, hint, when=when, how=text)


USB, UP, DOWN = "dfu-util", "-U", "-D"
FAULTS = (
    said("no probe", "Error: open failed", "no debug probe was found", "data cable"),
    Fault("two probes", "pyocd", "2 debug probes are connected: A, B", "name one as --probe"),
    said(
        "probe busy", "Error: libusb_open() failed with LIBUSB_ERROR_BUSY", "in use by another program", "close other"
    ),
    said("no permission", "Error: libusb_open() failed with LIBUSB_ERROR_ACCESS", "may not be opened", "udev rules"),
    said("another chip", "Warn : UNEXPECTED idcode: 0x6ba02477", "the chip is another one", "board of the project"),
    Fault("another core", "openocd", "the chip's core is cortex-m7", "nothing was written"),
    Fault("tool missing", "openocd", "no flash runner is installed", "apt-get install openocd", 9),
    Fault("tool hangs", "openocd", "OpenOCD did not finish within", "plug it in again", when="probe", how="hang"),
    Fault("tool killed", "openocd", "OpenOCD was ended by SIGKILL", "flash again", when="erase", how="killed"),
    said("script missing", "Error: Can't find board/x.cfg", "configuration file", "OpenOCD 0.12"),
    said(
        "chip does not answer",
        "Error: Error connecting DP: no IDR",
        "does not answer",
        "--connect under-reset",
    ),
    said("chip locked", "Error: AP lock engaged (see UICR APPROTECT register)", "locked against debug", "erases"),
    said("low voltage", "Error: target voltage may be too low for reliable debugging", "voltage is too low", "IDD"),
    said("write protected", "Error: stm32x device protected", "is write protected", "WRPSn", when="erase_address"),
    Fault("erase fails", "openocd", "erasing the flash failed", "power the board off", chip=Faults(erase={SECTOR})),
    Fault("write fails", "openocd", "writing the flash failed", "interrupted write", chip=Faults(program={WORD})),
    Fault("read fails", "openocd", "reading the flash back failed", "power the board", chip=Faults(read={WORD})),
    Fault("verify fails", "openocd", "verify failed at 0x08004040", "worn", chip=Faults(silent_program={WORD})),
    said("no ST-LINK", "Couldn't find any ST-Link devices", "no ST-LINK was found", "st-info", "st-flash", "read"),
    said(
        "no boot loader on USB",
        "No DFU capable USB device available",
        "no boot loader was found",
        "BOOT0",
        "dfu-util",
        "-U",
    ),
    said(
        "two boot loaders",
        "More than one DFU capable USB device found!",
        "several boot loaders",
        "as --probe",
        "dfu-util",
        "-U",
    ),
    said(
        "boot loader goes", "LIBUSB_ERROR_NO_DEVICE", "boot loader went away", "start the boot loader", "dfu-util", "-D"
    ),
    Fault("port missing", "stm32-uart", "the serial port does not exist", "lists the ports", 6),
    Fault("port held", "stm32-uart", "in use by another program", "close that program", 6),
    Fault("no parity", "stm32-uart", "has no even parity", "another serial adapter", 6),
    Fault("boot loader silent", "stm32-uart", "no boot loader answers", "TX and RX", loader=Character(mute=True)),
    Fault("other firmware", "stm32-uart", "no boot loader: it sent 3e", "press reset", loader=Character(says=b">")),
    Fault("other chip id", "stm32-uart", "id is 0x450", "nothing was written", loader=Character(chip_id=0x450)),
    Fault("boot loader locked", "stm32-uart", "the chip is locked", "RDP", loader=Character(locked=True)),
    Fault("stops mid-way", "stm32-uart", "stopped answering at", "nothing is damaged", loader=Character(vanish=300)),
)


class Case:
    """One fault, set up; ``arguments`` go to the command."""

    def __init__(self, fault: Fault, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault, self.folder, self.monkeypatch = fault, folder, monkeypatch
        self.arguments: list[str] = []
        settings = {"chip_id": "0x415", "parity": "even" if fault.name == "no parity" else "none"}
        board = board_with(fault.runner)
        if fault.runner == "stm32-uart":
            board = replace(board, runners=(Runner("stm32-uart", settings),))
        model = {"name": "m", "symbol": "m", "hash": "ab" * 32, "checkpoint": "m.safetensors"}
        made = Project(folder, {"models": [model]}, board)
        made.elf.parent.mkdir()
        made.elf.write_bytes(_elf([(s.address, s.data) for s in image_parts("f4", 5)]))
        monkeypatch.setattr("dqt_edge.project.manifest.find_project", lambda given: made)
        self.chip = Chip(board)
        self.chip.faults = fault.chip

    @contextlib.contextmanager
    def stage(self) -> Iterator[None]:
        """What the fault needs, while the command runs."""
        fault, patch = self.fault, self.monkeypatch
        if fault.name == "another core":
            self.chip.core = 0xC27
        if fault.runner == "pyocd":
            helpers = pytest.importorskip("pyocd.core.helpers", reason="pip install 'dqt-edge[flash]'")
            probes = [SimpleNamespace(unique_id=name) for name in "AB"]
            patch.setattr(helpers.ConnectHelper, "get_all_connected_probes", lambda **options: probes)
        elif fault.name == "tool missing":
            patch.setenv("PATH", str(self.folder))
        elif fault.runner == "stm32-uart":
            patch.setattr(an3155, "ANSWER_SECONDS", 0.5)
            patch.setattr(an3155, "ERASE_SECONDS", 5.0)
            with on_terminal(BootLoader(self.chip, fault.loader)) as path:
                self.arguments = ["--port", path]
                if fault.name == "port missing":
                    self.arguments = ["--port", "/dev/ttyACM-none"]
                with SerialTransport(path, 9600) if fault.name == "port held" else contextlib.nullcontext():
                    yield
            return
        else:
            tools.install(fault.runner, self.folder, self.chip)
            patch.setenv("PATH", str(self.folder), prepend=":")
            if fault.when:
                tools.trouble(self.folder, fault.when, fault.how)
            if fault.how == "hang":
                patch.setattr(tool, "TIMEOUT_SECONDS", 3.0)
        yield


def left_behind(folder: Path) -> list[str]:
    """Processes that have the folder in their command."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in path.read_bytes():
                found.append(path.read_text(errors="replace").replace("\0", " "))
    return found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_has_its_own_words(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(fault, tmp_path, monkeypatch)
    with case.stage(), pytest.raises(SystemExit) as ended:
        main(["flash", "--no-hello", *case.arguments])
    out, err = capsys.readouterr()
    what, _, following = err.partition("\n  where: ")
    assert "Traceback" not in out + err
    assert fault.words in what
    assert fault.hint in following.partition("\n  next:  ")[2]
    assert ended.value.code == fault.code
    for _ in range(100):
        if not left_behind(tmp_path):
            break
        time.sleep(0.1)
    assert left_behind(tmp_path) == []


def test_no_two_faults_look_alike() -> None:
    assert len({(fault.words, fault.hint, fault.code) for fault in FAULTS}) == len(FAULTS) == 30
    assert len({fault.words for fault in FAULTS}) >= len(FAULTS) - 1, "a probe and a port may both be in use"


def test_the_page_has_every_fault() -> None:
    rows = re.findall(r"^\| ([^|]+) \| `([^`]+)` \| ([^|]+) \| (.+) \| (\d) \|$", PAGE.read_text(), re.MULTILINE)
    wanted = [(fault.name, fault.runner, fault.words, fault.hint, str(fault.code)) for fault in FAULTS]
    table = "\n".join(f"| {n} | `{r}` | {w} | {h} | {c} |" for n, r, w, h, c in wanted)
    assert rows == wanted, f"the table should be:\n{table}"
