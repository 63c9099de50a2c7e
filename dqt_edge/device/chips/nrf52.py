"""nRF52840 (Nordic nRF52840 Product Specification), as far as the firmware uses it. See :mod:`.stm32` for the rules."""

from __future__ import annotations

from ...boards import Board
from .boot import NoBootRom
from .core import CORE_PAGES, CORTEX_M4, CoreRegisters
from .pin import trigger_of
from .uart import Line
from .values import Peripheral, Reset, RuleError, StrictBank, checked
from .wdt import wdt_of

CLOCK, UART, WDT, NVMC, GPIO, CORE = 0x40000000, 0x40002000, 0x40010000, 0x4001E000, 0x50000000, 0xE0000000
RESETREAS = 0x40000400
REASONS = {Reset.SOFTWARE: 1 << 2, Reset.POWER: 0, Reset.PIN: 1 << 0, Reset.WATCHDOG: 1 << 1}
"""Bits of POWER_RESETREAS that a reset raises."""
GPIO_STEP = 0x300
"""Bytes between the registers of port 0 and those of port 1."""
READY_AFTER = 3
"""Reads of an event until the crystal runs."""

STARTRX, STOPRX, STARTTX, STOPTX, RXDRDY, TXDRDY, ERROR = 0x000, 0x004, 0x008, 0x00C, 0x108, 0x11C, 0x124
ENABLE, PSEL_TXD, PSEL_RXD, RXD, TXD, BAUDRATE, CONFIG = 0x500, 0x50C, 0x514, 0x518, 0x51C, 0x524, 0x56C
BAUD_RATES = {0x01D7E000: 115108, 0x03AFB000: 231884, 0x075F7000: 457143, 0x0EBED000: 941176, 0x10000000: 1000000}
"""Values of BAUDRATE, and the rates that come of them."""
OUTPUT, INPUT_UP = 3, 0xC


class NrfUart:
    """Registers of UART0: tasks that start it, events that say what there is to do.

    Args:
        chip: Says whether pins, clock and baud rate are right when it is enabled.
    """

    name = "UART0"

    def __init__(self, chip: Nrf52) -> None:
        self._chip = chip
        self.line = Line()
        self.idle_polls = 0
        self._values = {ENABLE: 0, PSEL_TXD: 0xFFFFFFFF, PSEL_RXD: 0xFFFFFFFF, BAUDRATE: 0x04000000, CONFIG: 0}
        self._events = {RXDRDY: 0, TXDRDY: 0, ERROR: 0}
        self._receiving = self._transmitting = self._busy = False
        self._byte: int | None = None

    def peek(self, offset: int) -> int:
        """Stored value, without the effects of a read."""
        return self._values.get(offset, 0)

    def overrun(self) -> None:
        """Lose what is waiting, as a chip does that is not read in time."""
        self.line.waiting.clear()
        self._events[ERROR] = 1

    def read(self, offset: int) -> int:
        """Value of a register."""
        if offset == RXD:
            if self._byte is None:
                raise RuleError("UART_RXD is read while nothing was received")
            byte, self._byte = self._byte, None
            self.idle_polls = 0
            self._receive()
            return byte
        if offset in self._events:
            self._receive()
            if offset == TXDRDY and self._busy:
                self._busy, self._events[TXDRDY] = False, 1
            self.idle_polls += offset == RXDRDY and not self._events[RXDRDY]
            return self._events[offset]
        checked(offset in self._values, f"no register of UART0 is modelled at offset 0x{offset:x}, or it is write-only")
        return self._values[offset]

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        if offset in self._events:
            checked(value == 0, "an event of UART0 is set by the firmware")
            self._events[offset] = 0
        elif offset in (STARTRX, STARTTX):
            checked(self._values[ENABLE] == 4, "a task of UART0 is started before UART_ENABLE")
            self._receiving |= offset == STARTRX
            self._transmitting |= offset == STARTTX
        elif offset in (STOPRX, STOPTX):
            checked(not (offset == STOPTX and self._busy), "UART0's transmitter is stopped while it sends")
            self._receiving &= offset != STOPRX
            self._transmitting &= offset != STOPTX
        elif offset == TXD:
            checked(self._transmitting, "UART_TXD is written before STARTTX")
            checked(not self._busy, "UART_TXD is written before the last byte was sent")
            self.line.sent.append(value & 0xFF)
            self._busy, self.idle_polls = True, 0
        elif offset in self._values:
            checked(offset == ENABLE or self._values[ENABLE] == 0, "UART0 is configured while it is enabled")
            self._values[offset] = value
            if offset == ENABLE:
                checked(value in (0, 4), f"UART_ENABLE {value} is neither off nor on")
                checked(value == 4 or not (self._receiving or self._transmitting), "UART0 is disabled while it works")
                if value == 4:
                    self._chip.check_line()
        else:
            raise RuleError(f"no register of UART0 is modelled at offset 0x{offset:x}, or it is read-only")

    def line_again(self) -> Line:
        """The line, with a byte that nobody took put back."""
        if self._byte is not None:
            self.line.waiting.appendleft(self._byte)
        return self.line

    def _receive(self) -> None:
        """The next byte moves into RXD once that is free, with its event: clearing that later would lose it."""
        if self._receiving and self._byte is None and self.line.waiting:
            self._byte = self.line.waiting.popleft()
            self._events[RXDRDY] = 1


class Nrf52(NoBootRom):
    """A chip on a board, whose constants say which pins are used."""

    cpu = "CORTEX_M4"
    status = UART + RXDRDY
    core_hz = 64_000_000

    def __init__(self, board: Board) -> None:
        self._board = board
        self.usart: NrfUart
        self._reasons: int
        self.watchdog = wdt_of(board)
        dog = () if self.watchdog is None else (WDT,)
        self.pages = (CLOCK, UART, *dog, NVMC, GPIO, *CORE_PAGES)
        self._power_on()

    def reset(self, by: Reset = Reset.SOFTWARE) -> None:
        """Do a reset: bytes on the line stay, and the watchdog goes on through one by software."""
        line, before = self.usart.line_again(), self._reasons
        if by != Reset.SOFTWARE:
            self.watchdog = wdt_of(self._board)
        self._power_on()
        self.usart.line = line
        self._reasons = 0 if by == Reset.POWER else before | REASONS[by]

    def _power_on(self) -> None:
        self._reasons = 0
        self.usart = NrfUart(self)
        self.core = CoreRegisters(CORTEX_M4, self._board.regions("flash")[0].start)
        nvmc = StrictBank("NVMC", {0x540: ("NVMC_ICACHECNF", 0, 0x101, 0)})
        self._banks: dict[str, Peripheral] = {"uart": self.usart, "nvmc": nvmc, "core": self.core}
        if self.watchdog is not None:
            self._banks["wdt"] = self.watchdog
        self._started: int | None = None
        pins = {0x700 + 4 * pin: ("GPIO_PIN_CNF", 2, 0x3070F, 0) for pin in range(32)}
        self._pins = [StrictBank(f"P{n}", pins) for n in range(2)]
        self._high = [0, 0]
        self.trigger = trigger_of(self._board, self._trigger_is_output)

    def read(self, address: int) -> int:
        """Value of a 32-bit register; RuleError if it is not modelled."""
        bank, offset = self._find(address)
        if bank == "power":
            return self._reasons
        if bank == "clock":
            checked(offset == 0x100, f"no register of CLOCK is modelled at offset 0x{offset:x}, or it is write-only")
            self._started = None if self._started is None else self._started + 1
            return int(self.crystal)
        if bank == "gpio":
            return self._pins[offset >> 12].read(offset & 0xFFF)
        return self._banks[bank].read(offset)

    def write(self, address: int, value: int) -> None:
        """Write a 32-bit register; RuleError where the manual forbids it."""
        bank, offset = self._find(address)
        if bank == "power":
            self._reasons &= ~value
        elif bank == "clock":
            checked(offset in (0x000, 0x100), f"no register of CLOCK is modelled at offset 0x{offset:x}")
            self._started = 0 if offset == 0 and value == 1 else self._started
        elif bank == "gpio":
            self._pins[offset >> 12].write(offset & 0xFFF, value)
        elif bank == "outset":
            self._drive(offset, self._high[offset] | value)
        elif bank == "outclr":
            self._drive(offset, self._high[offset] & ~value)
        else:
            self._banks[bank].write(offset, value)

    def _drive(self, port: int, levels: int) -> None:
        self._high[port] = levels
        given = self._board.constants
        if self.trigger is not None and given["trigger_port"] == port:
            self.trigger.drive(bool(levels >> given["trigger_pin"] & 1))

    def _trigger_is_output(self) -> bool:
        given = self._board.constants
        return self._pins[given["trigger_port"]].peek(0x700 + 4 * given["trigger_pin"]) == OUTPUT

    @property
    def crystal(self) -> bool:
        """Whether the firmware has seen that the crystal runs."""
        return self._started is not None and self._started >= READY_AFTER

    def _find(self, address: int) -> tuple[str, int]:
        checked(address % 4 == 0, "an access that is not aligned to 32 bits")
        for port in range(2):
            at = address - GPIO - GPIO_STEP * port
            if 0x700 <= at < 0x780:
                return "gpio", port << 12 | at
            if at in (0x508, 0x50C):
                return "outset" if at == 0x508 else "outclr", port
        if CORE <= address < CORE + 0x100000:
            return "core", address - CORE
        if address == RESETREAS:
            return "power", 0
        for name, base in (("clock", CLOCK), ("uart", UART), ("nvmc", NVMC), ("wdt", WDT)):
            if base <= address < base + 0x1000 and (name == "clock" or name in self._banks):
                return name, address - base
        raise RuleError("no peripheral is modelled here")

    def check_line(self) -> None:
        """Called when the UART is enabled: pins, clock, baud rate."""
        given = self._board.constants
        for name, psel, wanted in (("tx", PSEL_TXD, OUTPUT), ("rx", PSEL_RXD, INPUT_UP)):
            port, pin = given[f"{name}_port"], given[name]
            checked(self.usart.peek(psel) == port << 5 | pin, f"UART0 is enabled without its pin {name} selected")
            found = self._pins[port].peek(0x700 + 4 * pin)
            checked(found == wanted, f"UART0 is enabled while P{port}.{pin:02} is configured as 0x{found:x}")
        checked(bool(self._high[given["tx_port"]] >> given["tx"] & 1), "the line is low before UART0 is enabled")
        checked(self.crystal, "UART0 is enabled while the clock is not the crystal's")
        self.usart.line.check("UART0", BAUD_RATES.get(self.usart.peek(BAUDRATE), 0), self._board.serial.baud)
