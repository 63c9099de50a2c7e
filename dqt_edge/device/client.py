"""Talks to a device in requests and replies. Repeats what was lost, and goes on after a restart of the device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ..errors import (
    DamagedImageError,
    DeviceError,
    FaultError,
    LostStreamError,
    PortError,
    ProtocolError,
    RefusedError,
    SilentDeviceError,
    UsageError,
    WrongModelError,
)
from ..graph.points import Setting
from .link import Link, Patience
from .messages import RUN_CHECKSUMS, RUN_COUNTS, RUN_START, SELECT, SET_BAUD, Nak, Restart, Type, input_crc
from .pace import Pace
from .replies import (
    BadReply,
    DeviceInfo,
    Fault,
    Inference,
    Refusal,
    Stats,
    parse_baud,
    parse_fault,
    parse_hello,
    parse_result,
    parse_stats,
)
from .requests import Request, Tuned
from .transport import Transport
from .upload import Upload

_T = TypeVar("_T")
OPERATIONS = ("hello", "load", "run", "stats", "reset")
CHUNK_MAX = 0xFFFF
RATE_SECONDS = 2.0
"""How long a device is asked for another rate of its line."""
RATE_HELLOS = 4
"""Answers that must come whole at a new rate before it is kept."""
FAULT_SECONDS = 0.5
"""How long a device that did not answer is asked for its fault."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds, by operation.

    ``hello`` to ``reset`` are how long a round trip is thought to take before one was observed: a request is repeated
    after that time, and later after twice the longest of late; then at twice the time each. See ``pace.Pace``.

    Attributes:
        run: As long as an inference is thought to take.
        least: Shortest time after which a request is repeated.
        silence: Time without any answer after which the device counts as silent, at least: where one operation once
            took long, that is eight times as long, or twice as long as it is thought to take.
        quiet: Longest silence that ends a burst of garbage; twice the usual round trip, if that is less.
        restart: Pause after a RESET before the device is asked again.
    """

    hello: float = 0.5
    load: float = 0.25
    run: float = 0.25
    stats: float = 0.5
    reset: float = 0.5
    least: float = 0.01
    silence: float = 8.0
    quiet: float = 0.02
    restart: float = 0.05


@dataclass(frozen=True)
class Retries:
    """Most tries: ``damaged`` of answers to one request in a row that came damaged, ``sample`` of LOAD and RUN."""

    damaged: int = 16
    sample: int = 4


class Client:
    """A device behind a transport. Closing the client closes the transport.

    Every method may raise DeviceError: SilentDeviceError (names timeout and tries), ProtocolError (garbage or
    an invalid message), RefusedError (a NAK), or what the transport raises when the link is gone.
    """

    def __init__(self, transport: Transport, timeouts: Timeouts | None = None, retries: Retries | None = None) -> None:
        self._transport = transport
        self._timeouts = timeouts or Timeouts()
        self._retries = retries or Retries()
        self._link = Link(transport, self._timeouts.quiet)
        guesses = {name: getattr(self._timeouts, name) for name in OPERATIONS}
        self._paces = {name: Pace(guess, self._timeouts.least) for name, guess in guesses.items()}
        self._chunk = CHUNK_MAX
        self._info: DeviceInfo | None = None
        self._restarts = 0
        self._input_crc = 0
        self._layers: tuple[str, ...] = ()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the transport, behind giving its line the board's rate again; safe to repeat."""
        if self._link.rate.is_raised:
            with contextlib.suppress(DeviceError):
                self._link.rest()
                payload = SET_BAUD.pack(baud=self._link.rate.home)
                self._ask(Type.SET_BAUD, "stats", parse_baud, payload, silence=FAULT_SECONDS)
                self._link.go_home()
        self._transport.close()

    @property
    def baud(self) -> int:
        """Rate of the serial line now, bits a second; 0 where there is none that could be changed."""
        return self._link.rate.now

    def raise_baud(self, baud: int) -> str:
        """Ask for another rate of the serial line, and keep it if the device answers at it.

        Args:
            baud: Bits a second, from the board's rate on.

        Returns:
            Why it did not work, in words; empty if it did. If not, the line has the board's rate.

        Raises:
            DeviceError: The device does not answer at the board's rate any more.
        """
        link, self._info = self._link, self.info
        link.rest()
        if not link.rate.home:
            return "the device is not on a serial line"
        if not self._info.changes_baud:
            return "the device has one rate only"
        before = link.rate.now
        try:  # the adapter first: the device need not know if it cannot
            link.rate.change(baud)
            link.rate.change(before)
        except PortError as error:
            link.go_home()
            return f"the adapter does not take it: {error.what}"
        link.rate.doubt()
        try:
            patience = Patience(self._paces["hello"], self._retries.damaged, RATE_SECONDS)
            self._ask(Type.SET_BAUD, "hello", parse_baud, SET_BAUD.pack(baud=baud), patience=patience)
            link.change_rate(baud)
            for _ in range(RATE_HELLOS):
                self._ask(Type.HELLO, "hello", parse_hello, patience=replace(patience, damaged=2))
        except RefusedError as error:
            return error.what
        except (SilentDeviceError, ProtocolError, PortError) as error:
            link.go_home()
            self.hello()
            return error.what
        return "" if link.rate.now == baud else f"no answer at {baud:,} baud"

    @property
    def info(self) -> DeviceInfo:
        """What the device says of itself; asks it at the first use."""
        return self._info if self._info is not None else self.hello()

    @property
    def counted(self) -> bool:
        """Whether the device's counter means what its board file says; an emulator may have none."""
        return self._transport.counts

    def expect_run(self, seconds: float) -> None:
        """Say how long an inference is thought to take, before the first one."""
        self._paces["run"].guess = max(seconds, self._timeouts.run)

    def name_layers(self, names: Sequence[str]) -> None:
        """Say how the layers are called, by their number on the device, for messages of faults."""
        self._layers = tuple(names)

    @property
    def samples_repeated(self) -> int:
        """Inferences that were started again, because bytes were lost or the device restarted."""
        return self._restarts

    def hello(self) -> DeviceInfo:
        """Ask the device who it is.

        Raises:
            WrongModelError: It is not the device, or not the model, that answered the first time.
            DamagedImageError: What is in its flash is not what was built.
        """
        self._link.rest()
        return self._hello()

    def _hello(self) -> DeviceInfo:
        if self._info is None:
            self._link.start()
        info = self._ask(Type.HELLO, "hello", parse_hello)
        if self._info is not None and info != self._info:  # a restarted device serves its first model: select again
            info = self._select(self._info.board, self._info.model_hash, info)
        self._info = self._sound(info)
        return info

    def expect(self, model_hash: bytes, board: str) -> DeviceInfo:
        """Make sure that the device is this board and runs this model; of several models, let it serve this one.

        Raises:
            WrongModelError: It is another board, or has no such model.
        """
        info = self.info
        if (info.model_hash, info.board) != (model_hash, board):
            info = self._info = self._select(board, model_hash, info)
        return info

    def _select(self, board: str, model_hash: bytes, info: DeviceInfo) -> DeviceInfo:
        """Select the models of the image one after the other, until the wanted one answers."""
        if info.board == board and info.models > 1:
            for index in range(info.models):
                found = self._ask(Type.SELECT, "hello", parse_hello, SELECT.pack(model=index))
                if found.model_hash == model_hash:
                    return self._sound(found)
        raise self._wrong(board, model_hash, info)

    def load(self, codes: bytes) -> None:
        """Send the inputs, one behind another: ``info.input_size`` uint8 codes in (height, width, channel) order."""
        self._link.rest()
        self._load(codes)

    def _load(self, codes: bytes) -> None:
        info = self.info
        if len(codes) != info.input_size:
            raise UsageError(
                f"the input has {len(codes)} codes, the model takes {info.input_size}",
                where=self._transport.name,
                next_step="use data of the shape that the model was trained on",
            )
        self._input_crc = input_crc(info.model_hash, codes)
        upload = Upload(self._link, info, self._patience("load"), codes, self._chunk)
        try:
            upload.run()
        finally:
            self._chunk = upload.next_size

    def run(
        self,
        choices: Sequence[int] | None = None,
        *,
        bias: Sequence[int] | None = None,
        setting: Setting | Tuned | None = None,
        counts: bool = False,
        checksums: bool = False,
        start: bool = False,
    ) -> Inference:
        """One inference on the inputs that were loaded, which it consumes.

        Args:
            choices: Candidate index of each adaptive layer; None: the device's controller decides.
            bias: Added to the controller's logits before it decides, int32, one for each candidate; None: nothing.
            setting: Decides instead of both; a device whose model has tuned settings can be asked for one of those.
            counts: Ask for counter ticks of each layer.
            checksums: Ask for a CRC-32 of each layer's output.
            start: Begin a new stream: states become what they are before the first inference. Must be true of the first
                inference of a model with states; says nothing to one without.

        Raises:
            UsageError: ``choices`` has not one entry for each adaptive layer, ``bias`` not one for each candidate, or
                the setting is none of the model's.
            RefusedError: INPUT_INCOMPLETE: no complete input was loaded, or the device restarted since. OTHER_INPUT:
                what lies there is not what this client loaded last. NO_STREAM: no stream was begun, or the device
                restarted since.
        """
        self._link.rest()
        outcome = self._run(_request(choices, bias, setting, counts, checksums, start))
        if isinstance(outcome, Refusal):
            raise self._link.refused(Type.RUN, outcome)
        return outcome

    def infer(
        self,
        codes: bytes,
        choices: Sequence[int] | None = None,
        *,
        bias: Sequence[int] | None = None,
        setting: Setting | Tuned | None = None,
        counts: bool = False,
        checksums: bool = False,
        start: bool = False,
    ) -> Inference:
        """:meth:`load` and :meth:`run`; both again if the device restarts or falls silent meanwhile.

        Raises:
            LostStreamError: No stream was begun; or in the middle of one the device restarted, or an answer was lost
                for good, so that its states are gone or not known. Begin a new stream.
            FaultError: It restarts because its program faults or hangs.
        """
        self._link.rest()
        request = _request(choices, bias, setting, counts, checksums, start)
        trouble: DeviceError | None = None
        again = start or not self.info.has_states
        for attempt in range(self._retries.sample):
            if attempt:
                self._restarts += 1
                self._hello()  # waits until it is back, and makes sure that it is the same device and model
            try:
                self._load(codes)
            except ProtocolError as error:
                trouble = error
                if self._link.quality.trouble:
                    break
                continue
            except SilentDeviceError as error:
                raise self._explained(error) from error
            try:
                outcome = self._run(request)
            except (SilentDeviceError, ProtocolError) as error:
                if not again:
                    raise self._lost_stream() from error
                trouble = error
                if isinstance(error, SilentDeviceError) or self._link.quality.trouble:
                    break
                continue
            if isinstance(outcome, Inference):
                return outcome
            if outcome.code == Nak.NO_STREAM and not again:
                raise self._lost_stream()
            trouble = self._link.refused(Type.RUN, outcome)
            if outcome.code not in (Nak.INPUT_INCOMPLETE, Nak.OTHER_INPUT):
                break
        assert trouble is not None, "at least one try"
        raise self._explained(trouble)

    def stats(self) -> Stats:
        """Counters since the device's last start."""
        self._link.rest()
        return self._ask(Type.STATS, "stats", parse_stats)

    def fault(self, *, silence: float | None = None) -> Fault | None:
        """Where the device's program last faulted since power-on; None if it did not, as far as it knows.

        ``silence`` is how long to wait for an answer, in seconds; None is as long as for any other.
        """
        self._link.rest()
        return self._ask(Type.FAULT, "stats", parse_fault, silence=silence)

    def reset(self) -> DeviceInfo:
        """Restart the device and wait until it answers again. Counters and a loaded input are lost."""
        self._link.rest()
        self._ask(Type.RESET, "reset", bytes)
        self._link.go_home()
        self._link.settle(self._timeouts.restart)
        return self.hello()

    def _run(self, request: Request) -> Inference | Refusal:
        info = self.info
        payload = request.payload(info, self._input_crc)
        answer = self._link.request(Type.RUN, payload, self._patience("run"))
        if isinstance(answer, Refusal):
            return answer
        try:
            return parse_result(answer, info, request.policy, request.flags)
        except BadReply as error:
            raise self._link.nonsense(str(error)) from error

    def _ask(
        self,
        kind: Type,
        name: str,
        parse: Callable[[bytes], _T],
        payload: bytes = b"",
        *,
        silence: float | None = None,
        patience: Patience | None = None,
    ) -> _T:
        answer = self._link.request(kind, payload, patience or self._patience(name, silence))
        if isinstance(answer, Refusal):
            raise self._link.refused(kind, answer)
        try:
            return parse(answer)
        except BadReply as error:
            raise self._link.nonsense(str(error)) from error

    def _patience(self, name: str, silence: float | None = None) -> Patience:
        pace = self._paces[name] if silence is None else Pace(silence / 2, self._timeouts.least)
        least = self._timeouts.silence if silence is None else silence
        return Patience(pace, self._retries.damaged, least)

    def _explained(self, trouble: DeviceError) -> DeviceError:
        """The same trouble, or the fault or hang that it comes from, if the device is there to tell."""
        with contextlib.suppress(DeviceError):
            fault = self.fault(silence=FAULT_SECONDS)
            if fault is not None and fault.restarted:
                return FaultError(
                    f"the device restarts because its program faults: {fault.told(self._layers)}",
                    where=self._transport.name,
                    next_step="find the address in the project's build/model.elf with arm-none-eabi-addr2line, "
                    "and report it; docs/protocol.md explains the numbers",
                )
            info = self._ask(Type.HELLO, "hello", parse_hello, silence=FAULT_SECONDS)
            if info.restart == Restart.WATCHDOG:
                place = "" if fault is None or not fault.hung else f": {fault.told(self._layers)}"
                return FaultError(
                    f"the device restarts because its program hangs, which its watchdog ends{place}",
                    where=self._transport.name,
                    next_step="export with a longer time-out of the watchdog if an inference may take that long; "
                    "otherwise report it",
                )
        return trouble

    def _lost_stream(self) -> LostStreamError:
        return LostStreamError(
            "the device holds no stream: none was begun, or it restarted or fell silent in the middle of one",
            where=self._transport.name,
            next_step="run the samples again from the first; check the board's power supply and cable",
        )

    def _sound(self, info: DeviceInfo) -> DeviceInfo:
        if info.damaged:
            part = "image" if info.checked else "model's weights"
            raise DamagedImageError(
                f"in the device's flash, the CRC of the {part} is not what it was built with",
                where=self._transport.name,
                next_step="flash the project again; if that does not help, the flash memory is worn out",
            )
        return info

    def _wrong(self, board: str, model_hash: bytes, info: DeviceInfo) -> WrongModelError:
        return WrongModelError(
            f"the device is {info.board!r} with model {info.model_hash.hex()[:12]}, "
            f"not {board!r} with model {model_hash.hex()[:12]}",
            where=self._transport.name,
            next_step="flash this project with 'dqt-edge flash', or profile the project that the device runs",
        )


def _request(
    choices: Sequence[int] | None,
    bias: Sequence[int] | None,
    setting: Setting | Tuned | None,
    counts: bool,
    checksums: bool,
    start: bool,
) -> Request:
    flags = RUN_COUNTS * counts | RUN_CHECKSUMS * checksums | RUN_START * start
    vector = None if choices is None else tuple(choices)
    return Request(vector, None if bias is None else tuple(bias), setting, flags)
