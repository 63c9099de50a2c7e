"""The command-line runners as programs: what they do to a chip, and what a preview says that a person could type."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from dqt_edge.boards import Board, load_board
from dqt_edge.errors import FlashError, ToolchainError
from dqt_edge.flashing.base import FlashPlan, Runner, plan
from dqt_edge.flashing.choose import Wishes, choose, runners
from dqt_edge.flashing.openocd import OpenocdRunner
from dqt_edge.flashing.writing import flash
from dqt_edge.system.intel_hex import hex_bytes
from dqt_edge.system.zig_tools import intel_hex

from .runners import image_parts, shaped
from .simulated import tools
from .simulated.chip import Chip, starts_healthy

PROGRAMS = {
    "openocd": "openocd",
    "st-flash": "st-flash",
    "dfu-util": "dfu-util",
    "nrfutil": "nrfutil",
    "jlink": "JLinkExe",
}
COMMAND_LINE = tuple(PROGRAMS)


def board_with(name: str, shape: str = "f4") -> Board:
    """A board of that shape with that runner alone."""
    from dataclasses import replace  # noqa: PLC0415

    from dqt_edge.boards import Runner as Named  # noqa: PLC0415

    settings = {"openocd": {"config": "board/x.cfg"}, "pyocd": {"target": "x"}, "jlink": {"device": "X"}}.get(name, {})
    return replace(shaped(shape), runners=(Named(name, settings),))


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Board, FlashPlan]:
    """Tools on PATH that play on a chip in ``tmp_path``, a board for the one of the test, and an image for it."""
    board = board_with(request.param)
    tools.install(PROGRAMS.get(request.param, request.param), tmp_path, Chip(board))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return board, plan(image_parts("f4", 5), board)


@pytest.mark.parametrize("bench", COMMAND_LINE, indirect=True)
def test_a_program_writes_the_chip(bench: tuple[Board, FlashPlan], tmp_path: Path) -> None:
    board, planned = bench
    wishes = Wishes(probe="0042")
    flash(planned, choose(board, None, wishes))
    chip = Chip.load(tmp_path / tools.CHIP)
    assert starts_healthy(board, chip)
    lines = [shlex.split(line) for line in (tmp_path / tools.LOG).read_text().splitlines()]
    assert all("0042" in " ".join(line) for line in lines)
    assert len(lines) > 4


def keeper(folder: Path) -> object:
    """Files of a preview in a folder."""

    def keep(name: str, content: bytes) -> Path:
        path = folder / name
        if content:
            path.write_bytes(content)
        return path

    return keep


@pytest.mark.parametrize("bench", [*COMMAND_LINE, "pyocd"], indirect=True)
def test_what_a_preview_prints_can_be_typed(bench: tuple[Board, FlashPlan], tmp_path: Path) -> None:
    """Each command, run as it is printed with the files that the preview wrote, gives the same flash."""
    board, planned = bench
    (runner,) = runners(board)
    kept = tmp_path / "kept"
    kept.mkdir()
    for command in runner.commands(planned, keeper(kept)):  # type: ignore[arg-type]
        subprocess.run(shlex.split(command), check=True, stdout=subprocess.DEVNULL)
    chip = Chip.load(tmp_path / tools.CHIP)
    assert starts_healthy(board, chip)
    back = {path.name: path.read_bytes() for path in kept.glob("readback-*")}
    assert back
    assert all(content == (kept / name.removeprefix("readback-")).read_bytes() for name, content in back.items())


def test_a_tool_that_cannot_be_started(tmp_path: Path) -> None:
    broken = tmp_path / "openocd"
    broken.write_bytes(b"\x7fELF broken")
    broken.chmod(0o755)
    with pytest.raises(ToolchainError, match="cannot be started"):
        flash(plan(image_parts("f4", 5), shaped("f4")), OpenocdRunner({"config": "x.cfg"}, 4, str(broken)))


def options_of(name: str, wishes: Wishes) -> str:
    """First command of a preview."""
    (runner,) = runners(board_with(name), wishes)
    made = plan(image_parts("f4", 5), board_with(name))
    return runner.commands(made, lambda file, content: Path(file))[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("openocd", "-c 'adapter serial 7' -c 'adapter speed 1800' -c 'reset_config connect_assert_srst'"),
        ("st-flash", "--serial 7 --freq=1800k --connect-under-reset write"),
        ("pyocd", "-u 7 -f 1800000 -M under-reset"),
    ],
)
def test_what_is_wished_of_a_probe_reaches_its_tool(name: str, words: str) -> None:
    assert words in options_of(name, Wishes("7", "under-reset", 1_800_000))


def test_what_is_wished_of_a_j_link_reaches_its_program() -> None:
    assert "-device X -if SWD -speed 1800 -USB 7 -autoconnect 1" in options_of("jlink", Wishes("7", None, 1_800_000))
    assert "--serial-number 7" in options_of("nrfutil", Wishes("7"))


def test_a_damaged_hex_file_is_not_what_was_written() -> None:
    good = intel_hex([(0x1FFF8, bytes(range(40)))]).encode()
    assert hex_bytes(good, 0x1FFF8) == bytes(range(40))
    assert hex_bytes(good, 0x20000) == bytes(range(8, 40))
    assert hex_bytes(good, 0x1000) == b""
    for bad in (good.replace(b":08", b":09"), good.replace(b":", b""), good[:-3], b"\xff\n"):
        with pytest.raises(ValueError, match=r"damaged|fromhex|decode"):
            hex_bytes(bad, 0x1FFF8)


def test_what_a_runner_cannot_do_is_refused() -> None:
    for name, wishes, words in (
        ("dfu-util", Wishes(connect="under-reset"), "the runner dfu-util has no connect"),
        ("nrfutil", Wishes(frequency=1_000_000), "the runner nrfutil has no frequency"),
        ("jlink", Wishes(connect="under-reset"), "the runner jlink has no connect"),
        ("stm32-uart", Wishes(probe="7"), "the runner stm32-uart has no probe"),
        ("openocd", Wishes(connect="gently"), "there is no way to connect 'gently'"),
        ("openocd", Wishes(frequency=10), "below 1000 Hz"),
    ):
        with pytest.raises(Exception, match=words) as caught:
            choose(board_with(name), name, wishes)
        assert getattr(caught.value, "exit_code", None) == 2


def test_the_order_is_that_of_the_boards_file() -> None:
    def names(made: tuple[Runner, ...]) -> list[str]:
        return [runner.name for runner in made]

    assert names(runners(load_board("stm32h7"))) == ["pyocd", "openocd"]
    with pytest.raises(FlashError):
        plan([], load_board("stm32h7"))
