"""pyOCD by its Python interface, with the target that pyOCD brings along."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import DqtError, FlashError, ToolchainError
from .base import Files, FlashPlan, Sector, Segment

INSTALL = "pip install 'dqt-edge[flash]', or choose another `runner`"


class PyocdRunner:
    """Drives pyOCD; board file settings: ``target``, optional ``frequency``, ``connect_mode`` and ``serial``.

    Args:
        settings: The runner's table in the board file.
        open_session: Gives an open pyOCD session, or None where no probe is found; tests give a fake.
    """

    name = "pyocd"
    write_unit = 4096
    """A multiple of the page of every flash algorithm that is used."""
    by_hand = None
    sees_core = True

    def __init__(
        self,
        settings: dict[str, str],
        open_session: Callable[[dict[str, str]], Any] | None = None,
    ) -> None:
        self._settings = settings
        self._open = open_session or _open_session
        self._installed = open_session is not None or importlib.util.find_spec("pyocd") is not None
        self._session: Any = None
        self._erased = 0xFF

    def available(self) -> str | None:
        """See Runner."""
        return None if self._installed else f"pyOCD is not installed: {INSTALL}"

    def commands(self, plan: FlashPlan, files: Files) -> tuple[str, ...]:
        """See Runner. ``pyocd load`` erases what it writes, so here each segment goes in one piece."""
        options = ["-t", self._settings.get("target", "")]
        for key, option in (("serial", "-u"), ("frequency", "-f"), ("connect_mode", "-M")):
            options += [option, self._settings[key]] if self._settings.get(key) else []
        lines = [["erase", *options, "--sector", f"0x{s.address:08x}+0x{s.size:x}"] for s in plan.sectors]
        for s in plan.segments:
            image = files(f"0x{s.address:08x}.bin", s.data)
            lines.append(["load", *options, "--no-reset", "-a", f"0x{s.address:08x}", str(image)])
        for s in plan.segments:
            back = files(f"readback-0x{s.address:08x}.bin", b"")
            lines.append(["commander", *options, "-c", f"savemem 0x{s.address:08x} {len(s.data)} {back}"])
        lines.append(["reset", *options])
        return tuple(shlex.join(["pyocd", *line]) for line in lines)

    def connect(self, plan: FlashPlan) -> None:
        """See Runner."""
        if not self._installed:
            raise ToolchainError("pyOCD is not installed", where="runner pyocd", next_step=INSTALL)
        self._erased = plan.erased
        with _typed("connecting"):
            self._session = self._open(self._settings)
            if self._session is None:
                raise FlashError(
                    "no debug probe was found",
                    where="runner pyocd",
                    next_step="connect the board's ST-LINK USB socket (CN1) with a data cable; "
                    "on Linux install the udev rules (docs/flashing.md, permissions)",
                )
            self._session.target.reset_and_halt()

    def erase(self, sectors: Sequence[Sector]) -> None:
        """See Runner."""
        for sector in sectors:
            with _typed(f"erasing the sector at 0x{sector.address:08x}"):
                flash = self._flash(sector.address)
                flash.init(flash.Operation.ERASE)
                flash.erase_sector(sector.address)
                flash.cleanup()

    def write(self, segments: Sequence[Segment]) -> None:
        """See Runner. Whole pages of pyOCD's flash algorithm, each programmed once."""
        pages: dict[int, bytearray] = {}
        for segment in segments:
            self._spread(segment, pages)
        flash: Any = None
        for address in sorted(pages):
            with _typed(f"writing the page at 0x{address:08x}"):
                bank = self._flash(address)
                if flash is not None and flash is not bank:
                    flash.cleanup()
                flash = bank
                flash.init(flash.Operation.PROGRAM)
                flash.program_page(address, bytes(pages[address]))
        if flash is not None:
            with _typed("finishing the write"):
                flash.cleanup()

    def read(self, address: int, size: int) -> bytes:
        """See Runner."""
        with _typed(f"reading back from 0x{address:08x}"):
            return bytes(self._session.target.read_memory_block8(address, size))

    def reset(self) -> None:
        """See Runner."""
        with _typed("resetting"):
            self._session.target.reset()

    def close(self) -> None:
        """See Runner."""
        session, self._session = self._session, None
        if session is not None:
            with _typed("closing the connection"):
                session.close()

    def _region(self, address: int) -> Any:  # noqa: ANN401 - pyOCD has no type information
        region = self._session.target.memory_map.get_region_for_address(address)
        if region is None or not region.is_flash:
            raise FlashError(
                f"pyOCD's target {self._settings.get('target')} has no flash at 0x{address:08x}",
                where="runner pyocd",
                next_step="check `target` in the board file against `pyocd list --targets`",
            )
        return region

    def _flash(self, address: int) -> Any:  # noqa: ANN401 - pyOCD has no type information
        return self._region(address).flash

    def _spread(self, segment: Segment, pages: dict[int, bytearray]) -> None:
        position = segment.address
        while position < segment.end:
            region = self._region(position)
            start = position - (position - region.start) % region.page_size
            page = pages.setdefault(start, bytearray([self._erased]) * region.page_size)
            size = min(segment.end, start + region.page_size) - position
            offset = position - segment.address
            page[position - start : position - start + size] = segment.data[offset : offset + size]
            position += size


def _open_session(settings: dict[str, str]) -> Any:  # noqa: ANN401 - pyOCD has no type information
    # Imported here: an optional package, and slow to import.
    from pyocd.core.helpers import ConnectHelper  # noqa: PLC0415
    from pyocd.core.session import Session  # noqa: PLC0415

    probes = ConnectHelper.get_all_connected_probes(blocking=False, unique_id=settings.get("serial"))
    if not probes:
        return None
    if len(probes) > 1:  # pyOCD would ask on the terminal, or take any
        raise FlashError(
            f"{len(probes)} debug probes are connected: {', '.join(probe.unique_id for probe in probes)}",
            where="runner pyocd",
            next_step="unplug the others, or name one as `probe`",
        )
    options: dict[str, Any] = {
        "target_override": settings.get("target"),
        "connect_mode": settings.get("connect_mode", "halt"),
        "hide_programming_progress": True,
        "no_config": True,
    }
    if "frequency" in settings:
        options["frequency"] = int(settings["frequency"])
    session = Session(probes[0], options=options)
    session.open()
    return session


@contextmanager
def _typed(doing: str) -> Iterator[None]:
    """Turns whatever pyOCD and the USB library raise into one typed error with a hint."""
    try:
        yield
    except DqtError:
        raise
    except Exception as error:
        kind = type(error).__name__
        said = str(error).strip() or kind
        raise FlashError(
            f"{doing} failed: {said}", where=f"runner pyocd ({kind})", next_step=_hint(kind, said.lower())
        ) from error


def _hint(kind: str, said: str) -> str:
    if "access" in said or "permission" in said:
        return "install the udev rules for the probe (docs/flashing.md, permissions) and plug it in again"
    if "busy" in said or "in use" in said:
        return "close other debuggers (an IDE, another pyOCD or OpenOCD) and try again"
    if kind in ("FlashEraseFailure", "FlashProgramFailure", "FlashFailure"):
        return (
            "power the board off and on and flash again; if it repeats at the same address, the sector may "
            "be write protected (option bytes WRPSn, STM32CubeProgrammer removes them)"
        )
    if kind in ("ProbeDisconnected", "ProbeError"):
        return "check the USB cable, plug the board in again, and flash again"
    return "hold the black reset button while the command starts, or power the board off and on, and flash again"
