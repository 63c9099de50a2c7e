"""What a RUN asks for, checked against the device's HELLO and packed."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError
from ..graph.points import AGAIN_MAX, NEVER, Setting, stop_words
from .messages import (
    RUN,
    SETTING,
    SETTING_AGAIN_MAX,
    SETTING_BIAS,
    SETTING_STOPS,
    SETTING_WIDTHS,
    RunPolicy,
)
from .replies import DeviceInfo

assert SETTING_AGAIN_MAX == AGAIN_MAX, "a device refuses what a graph allows"


@dataclass(frozen=True)
class Tuned:
    """One of the device's own tuned settings.

    Attributes:
        by: ``cost``: the dearest that costs no more; ``agreement``: the cheapest that agrees as often.
        thousandths: Of the full network's cost, or of all inferences, 0..1000.
    """

    by: Literal["cost", "agreement"]
    thousandths: int


@dataclass(frozen=True)
class Request:
    """A RUN.

    Attributes:
        choices: Candidate index of each adaptive layer; None: the controller decides, or ``setting`` does.
        bias: Added to the controller's logits.
        setting: What decides instead of both.
        flags: A sum of ``RUN_...``.
    """

    choices: tuple[int, ...] | None
    bias: tuple[int, ...] | None
    setting: Setting | Tuned | None
    flags: int

    @property
    def policy(self) -> RunPolicy:
        """Who decides."""
        if isinstance(self.setting, Tuned):
            return RunPolicy.COST if self.setting.by == "cost" else RunPolicy.AGREEMENT
        if self.setting is not None:
            return RunPolicy.SETTING
        return RunPolicy.CONTROLLER if self.choices is None else RunPolicy.VECTOR

    def payload(self, info: DeviceInfo, input_crc: int) -> bytes:
        """Payload of the RUN.

        Args:
            info: Of the device.
            input_crc: Of the inputs that are meant, see ``messages.input_crc``.

        Raises:
            UsageError: It does not fit the model.
        """
        if self.setting is not None:
            count, tail = self._setting(info, self.setting)
        else:
            count, tail = self._widths(info)
        return RUN.pack(policy=self.policy, flags=self.flags, count=count, input_crc=input_crc) + tail

    def _widths(self, info: DeviceInfo) -> tuple[int, bytes]:
        biases = _biases(self.bias, info.candidates, given=self.choices is not None)
        if self.choices is None:
            return len(biases), struct.pack(f"<{len(biases)}i", *biases)
        return len(self.choices), _widths(self.choices, info)

    def _setting(self, info: DeviceInfo, setting: Setting | Tuned) -> tuple[int, bytes]:
        if self.choices is not None or self.bias is not None:
            raise _unfit("widths or a bias stand beside a setting, which has its own", "setting")
        if not info.runs_settings:
            raise _unfit("the model has no decision points, second pass or tuned settings", "setting")
        if isinstance(setting, Tuned):
            if not 0 <= setting.thousandths <= 1000:
                raise _unfit(f"{setting.thousandths} thousandths are not within 0..1000", "setting")
            return setting.thousandths, b""
        return info.points, _packed(setting, info)


def _packed(setting: Setting, info: DeviceInfo) -> bytes:
    """A SETTING and what follows it."""
    thresholds = (*setting.exits, *setting.widen)
    if len(setting.exits) != info.points or len(setting.widen) != info.points:
        raise _unfit(f"the setting is not one for {info.points} decision points", "setting")
    if not all(0 <= each <= NEVER for each in thresholds) or not 0 <= setting.again <= AGAIN_MAX:
        raise _unfit("a threshold of the setting is out of range", "setting")
    stops, parts = stop_words(setting.stops, info.output_size), 0
    tail = struct.pack(f"<{len(thresholds)}I", *thresholds)
    if stops is not None:
        parts |= SETTING_STOPS
        tail += struct.pack(f"<{len(stops)}I", *stops)
    if setting.bias is not None:
        parts |= SETTING_BIAS
        biases = _biases(setting.bias, info.candidates, given=setting.widths is not None)
        tail += struct.pack(f"<{len(biases)}i", *biases)
    if setting.widths is not None:
        parts |= SETTING_WIDTHS
        tail += _widths(setting.widths, info)
    return SETTING.pack(again=setting.again, parts=parts, reserved=0) + tail


def _widths(choices: Sequence[int], info: DeviceInfo) -> bytes:
    vector = list(choices)
    if len(vector) != info.adaptive or not all(0 <= choice <= 0xFF for choice in vector):
        raise UsageError(
            f"the choices {vector} do not fit the model, which has {info.adaptive} adaptive layers",
            where="choices",
            next_step="give one candidate index for each adaptive layer",
        )
    return bytes(vector)


def _biases(bias: Sequence[int] | None, candidates: int, *, given: bool) -> list[int]:
    """Checked biases: none, or one for each candidate. ``given``: the widths are, so a bias is refused."""
    found = list(bias or ())
    if bias is not None and (given or len(found) != candidates or not all(-(2**31) <= b < 2**31 for b in found)):
        raise UsageError(
            f"the biases {found} do not fit the model, whose controller chooses among {candidates} candidates",
            where="bias",
            next_step="give one 32-bit integer for each candidate, and no widths beside them",
        )
    return found


def _unfit(what: str, where: str) -> UsageError:
    return UsageError(
        what, where=where, next_step="give a setting of the model that the device runs; 'dqt-edge check' lists them"
    )
