"""Replies of a device as values, checked on the way: sizes, ranges, consistency. Nobody checks them again."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..boards import Counter
from .messages import (
    FAULT_FIRST,
    FAULT_OUTSIDE,
    FAULT_REPLY,
    FEATURE_BAUD,
    FEATURE_CHECKED,
    FEATURE_CONTROLLER,
    FEATURE_DAMAGED,
    FEATURE_SECOND_PASS,
    FEATURE_SETTINGS,
    FEATURE_STATES,
    HELLO_REPLY,
    LOAD,
    LOAD_REPLY,
    NAK,
    NOT_RUN,
    PROTOCOL,
    RESULT,
    RUN_CHECKSUMS,
    RUN_COUNTS,
    SET_BAUD_REPLY,
    STATS_REPLY,
    Nak,
    Record,
    Restart,
    RunPolicy,
)

HELLO_LEAST = 68
"""Bytes of the shortest HELLO_REPLY of any protocol."""


class BadReply(ValueError):  # noqa: N818 - never reaches a user: the client makes it a ProtocolError
    """A frame that came whole, whose content is no valid reply."""


@dataclass(frozen=True)
class DeviceInfo:
    """What HELLO says: limits of the link, sizes of the model that is served, and who the device is.

    ``input_size`` and ``output_size`` are bytes of all inputs and of all outputs. ``models`` is how many models its
    image holds; see :meth:`Client.expect`. ``checked``: the device compared the CRC of its whole image, else
    that of the weights. ``damaged``: it differs, and every RUN is refused. ``runs_settings``: the model has ``points``
    decision points, ``tuned`` settings of its own, or a second pass, and takes a Setting. ``changes_baud``: its serial
    line can have other rates. ``restart``: why it started, a :class:`.messages.Restart` where the number is known; no
    part of who it is.
    """

    board: str
    model_hash: bytes
    adaptive: int
    layers: int
    candidates: int
    window: int
    max_payload: int
    has_controller: bool
    input_size: int
    output_size: int
    models: int = 1
    has_states: bool = False
    checked: bool = False
    damaged: bool = False
    runs_settings: bool = False
    has_second_pass: bool = False
    points: int = 0
    tuned: int = 0
    changes_baud: bool = False
    restart: int = field(default=Restart.UNKNOWN, compare=False)


@dataclass(frozen=True)
class Refusal:
    """A NAK. ``code`` is a :class:`Nak` member where the number is known."""

    code: int
    request: int
    detail: int

    @property
    def name(self) -> str:
        """Name of the code, such as ``INPUT_INCOMPLETE``."""
        return Nak(self.code).name if self.code in list(Nak) else f"code {self.code}"


@dataclass(frozen=True)
class Inference:
    """One result.

    Attributes:
        output: Output codes, uint8, of several outputs one behind another.
        choices: Index of the candidate at which each adaptive layer ran, in the first pass; -1 where it did not run.
        counts: Counter ticks of each layer by its number on the device (``Graph.device_numbers``), 0 where it did not
            run, of both passes together; None if not asked for.
        total: Counter ticks of the whole inference. See :func:`in_units`.
        checksums: CRC-32 of each layer's output when it last ran, by number, 0 where it did not; None if not asked for.
        point: Decision point that answered; their number, if the network's end did.
        passes: 1 or 2.
        margin: Of the point that answered; at the network's end, of the first pass. 0 where no setting decided.
    """

    output: bytes
    choices: tuple[int, ...]
    counts: tuple[int, ...] | None
    total: int
    checksums: tuple[int, ...] | None
    point: int = 0
    passes: int = 1
    margin: int = 0


@dataclass(frozen=True)
class Stats:
    """Since start-up: inferences, unreadable frames, NAKs; bytes of stack ever used (0: not known)."""

    runs: int
    bad_frames: int
    naks: int
    stack_used: int


NMI = 2
EXCEPTIONS = {NMI: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault", 7: "SecureFault"}
"""Names of a Cortex-M's faults, by number."""


@dataclass(frozen=True)
class Fault:
    """Where a device's program last faulted.

    Attributes:
        count: Faults since power-on, as far as the device knows.
        exception: The core's number of it; see ``EXCEPTIONS``.
        status: CFSR; 0 on cores without.
        pc: Address of the instruction; 0 where it is not known.
        lr: Return address.
        layer: Number of the layer that had ended last; None before the first and outside of an inference.
        in_inference: An inference went on.
        restarted: The device has not been restarted for another reason since.
        hung: It was no fault but the interrupt of a watchdog, which has restarted the device last.
    """

    count: int
    exception: int
    status: int
    pc: int
    lr: int
    layer: int | None
    in_inference: bool
    restarted: bool
    hung: bool = False

    @property
    def text(self) -> str:
        """In words for a message."""
        return self.told()

    def told(self, layers: Sequence[str] = ()) -> str:
        """The same with the layer's name, of all names by number."""
        what = EXCEPTIONS.get(self.exception, f"exception {self.exception}")
        if not self.in_inference:
            place = "outside of an inference"
        elif self.layer is None:
            place = "in an inference, before its first layer had ended"
        else:
            name = f" ({layers[self.layer]!r})" if self.layer < len(layers) else ""
            place = f"in an inference, behind layer {self.layer}{name}"
        return f"{what} at pc 0x{self.pc:08x}, lr 0x{self.lr:08x}, CFSR 0x{self.status:08x}, {place}"


def in_units(ticks: int, counter: Counter) -> int:
    """Counter ticks in the board's unit, rounded half up.

    A difference of two readings is off by less than one tick. Where an instruction takes more than two ticks, as on the
    QEMU boards, rounding therefore gives the exact number of instructions.
    """
    return (2 * ticks * counter.units + counter.ticks) // (2 * counter.ticks)


def parse_hello(payload: bytes) -> DeviceInfo:
    """HELLO_REPLY; raises BadReply."""
    spoken = int.from_bytes(payload[:2], "little")  # before its size, which differs between protocols
    if len(payload) >= HELLO_LEAST and spoken != PROTOCOL:
        raise BadReply(f"it speaks protocol {spoken}, this program speaks {PROTOCOL}")
    found = _record(HELLO_REPLY, payload)
    if found["window"] < 1 or found["max_payload"] <= LOAD.layout.size or found["input_size"] < 1:
        raise BadReply("its HELLO states limits that no device can have")
    values = HELLO_REPLY.unpack(payload)
    board, model = values["board"], values["model"]
    assert isinstance(board, bytes)
    assert isinstance(model, bytes)
    text = board.rstrip(b"\0")
    if not text.isascii() or not text.decode("ascii").isprintable():
        raise BadReply("its board id is not readable text")
    return DeviceInfo(
        board=text.decode("ascii"),
        model_hash=model,
        adaptive=found["adaptive"],
        layers=found["layers"],
        candidates=found["candidates"],
        window=found["window"],
        max_payload=found["max_payload"],
        has_controller=bool(found["features"] & FEATURE_CONTROLLER),
        input_size=found["input_size"],
        output_size=found["output_size"],
        models=max(1, found["models"]),
        has_states=bool(found["features"] & FEATURE_STATES),
        checked=bool(found["features"] & FEATURE_CHECKED),
        damaged=bool(found["features"] & FEATURE_DAMAGED),
        runs_settings=bool(found["features"] & FEATURE_SETTINGS),
        has_second_pass=bool(found["features"] & FEATURE_SECOND_PASS),
        points=found["points"],
        tuned=found["tuned"],
        changes_baud=bool(found["features"] & FEATURE_BAUD),
        restart=found["restart"],
    )


def parse_baud(payload: bytes) -> int:
    """SET_BAUD_REPLY: the rate that the line will have; raises BadReply."""
    baud = _record(SET_BAUD_REPLY, payload)["baud"]
    if baud < 1:
        raise BadReply("it says that its line will have no rate")
    return baud


def parse_load(payload: bytes, info: DeviceInfo) -> int:
    """LOAD_REPLY: bytes received without a gap; raises BadReply."""
    received = _record(LOAD_REPLY, payload)["received"]
    if received > info.input_size:
        raise BadReply(f"it received {received} bytes of an input of {info.input_size}")
    return received


def parse_result(payload: bytes, info: DeviceInfo, policy: RunPolicy, flags: int) -> Inference:
    """RESULT of a RUN with this policy and these flags; raises BadReply."""
    found = _record(RESULT, payload, exact=False)
    if (found["policy"], found["flags"]) != (policy, flags):
        raise BadReply("it answered another RUN than was asked for")
    if (found["adaptive"], found["layers"], found["output_size"]) != (
        info.adaptive,
        info.layers,
        info.output_size,
    ):
        raise BadReply("sizes in its RESULT differ from those in its HELLO")
    counted = info.layers if flags & RUN_COUNTS else 0
    summed = info.layers if flags & RUN_CHECKSUMS else 0
    layout = struct.Struct(f"<{RESULT.layout.size}s{info.adaptive}s{info.output_size}s{counted}Q{summed}I")
    if len(payload) != layout.size:
        raise BadReply(f"its RESULT has {len(payload)} bytes, not {layout.size}")
    _, choices, output, *numbers = layout.unpack(payload)
    point, passes = found["point"], found["passes"]
    if point > info.points or passes not in (1, 2) or (passes == 2 and not info.has_second_pass):
        raise BadReply(f"it answered at point {point} in pass {passes}, which does not exist")
    if any(choice >= info.candidates and (choice != NOT_RUN or point == info.points) for choice in choices):
        raise BadReply("it chose a candidate that does not exist")
    return Inference(
        output=output,
        choices=tuple(-1 if choice == NOT_RUN else choice for choice in choices),
        counts=tuple(numbers[:counted]) if counted else None,
        total=found["total"],
        checksums=tuple(numbers[counted:]) if summed else None,
        point=point,
        passes=passes,
        margin=found["margin"],
    )


def parse_stats(payload: bytes) -> Stats:
    """STATS_REPLY; raises BadReply."""
    return Stats(**_record(STATS_REPLY, payload))


def parse_fault(payload: bytes) -> Fault | None:
    """FAULT_REPLY, or None where there was no fault; raises BadReply."""
    found = _record(FAULT_REPLY, payload)
    if found["faults"] == 0:
        return None
    place = found["place"]
    return Fault(
        count=found["faults"],
        exception=found["exception"],
        status=found["status"],
        pc=found["pc"],
        lr=found["lr"],
        layer=None if place in (FAULT_OUTSIDE, FAULT_FIRST) else place,
        in_inference=place != FAULT_OUTSIDE,
        restarted=found["restart"] == Restart.FAULT,
        hung=found["restart"] == Restart.WATCHDOG and found["exception"] == NMI,
    )


def parse_nak(payload: bytes) -> Refusal:
    """NAK; raises BadReply."""
    found = _record(NAK, payload)
    return Refusal(found["code"], found["request"], found["detail"])


def _record(record: Record, payload: bytes, *, exact: bool = True) -> dict[str, int]:
    """Its numbers; text and hashes are left out."""
    size = record.layout.size
    if len(payload) != size and (exact or len(payload) < size):
        raise BadReply(f"its {record.name.upper()} has {len(payload)} bytes, not {size}")
    return {name: value for name, value in record.unpack(payload).items() if isinstance(value, int)}
