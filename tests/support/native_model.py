"""The generated C of a model as a shared library: the kernels' bits at native speed, without the app around them."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph, Setting
from dqt_edge.graph.points import stop_words
from dqt_edge.lowering.plan import Plan, make_plan
from dqt_edge.project.render import ModelNames, kernel_files, model_files
from dqt_edge.system.resources import data_folder

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
PORT = """
#include "dqt_crc32.h"
#include "dqt_%(symbol)s.h"
static uint8_t arena[%(upper)s_ARENA_SIZE] DQT_ALIGN;
static bool note(void *context, const dqt_event *event) {
    ((uint32_t *)context)[event->layer] = dqt_crc32(0, event->output, event->output_size);
    return true;
}
uint8_t *test_input(void) { return dqt_input(&%(symbol)s, arena); }
dqt_status test_run(const uint8_t *choices, const int32_t *bias, uint32_t *checksums, dqt_result *result) {
    const dqt_options options = {choices, bias, note, checksums};
    return dqt_run(&%(symbol)s, arena, &options, result);
}
"""
DECIDES = """
typedef struct {
    uint32_t point, passes, margin, top;
} answer;
dqt_status test_decide(const dqt_setting *setting, uint32_t *checksums, dqt_result *result, answer *found) {
    const dqt_options options = {NULL, NULL, note, checksums};
    dqt_decided decided;
    const dqt_status status = dqt_decide(&%(symbol)s_points, arena, setting, &options, &decided);
    *result = decided.result;
    *found = (answer){decided.point, decided.passes, decided.margin, decided.result.top};
    return status;
}
dqt_status test_tuned(bool by_cost, uint32_t thousandths, dqt_setting *setting) {
    return (by_cost ? dqt_tuned_cost : dqt_tuned_agreement)(&%(symbol)s_points, thousandths, setting);
}
"""


class _Result(ctypes.Structure):
    _fields_ = [
        ("output", ctypes.POINTER(ctypes.c_uint8)),
        ("output_size", ctypes.c_uint32),
        ("top", ctypes.c_uint32),
        ("choices", ctypes.POINTER(ctypes.c_uint8)),
        ("choice_count", ctypes.c_uint32),
    ]


class _Answer(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("point", "passes", "margin", "top")]


class CSetting(ctypes.Structure):
    """``dqt_setting`` of a ``Setting``, which keeps the arrays alive that it points to."""

    _fields_ = [
        ("widths", ctypes.POINTER(ctypes.c_uint8)),
        ("bias", ctypes.POINTER(ctypes.c_int32)),
        ("exits", ctypes.POINTER(ctypes.c_uint32)),
        ("widen", ctypes.POINTER(ctypes.c_uint32)),
        ("stops", ctypes.POINTER(ctypes.c_uint32)),
        ("again", ctypes.c_uint32),
    ]

    @classmethod
    def of(cls, setting: Setting, classes: int) -> CSetting:
        def array(kind: type, values: Sequence[int] | None) -> object:
            return None if values is None else (kind * len(values))(*values)

        return cls(
            array(ctypes.c_uint8, setting.widths),
            array(ctypes.c_int32, setting.bias),
            array(ctypes.c_uint32, setting.exits),
            array(ctypes.c_uint32, setting.widen),
            array(ctypes.c_uint32, stop_words(setting.stops, classes)),
            setting.again,
        )


@dataclass(frozen=True)
class Decided:
    """What ``dqt_decide()`` gave."""

    status: int
    output: bytes = b""
    choices: tuple[int, ...] = ()
    point: int = 0
    passes: int = 0
    margin: int = 0
    top: int = 0
    checksums: tuple[int, ...] = ()


class NativeModel:
    """A graph compiled for this computer.

    ``run`` returns the output codes, the choices, and the CRC-32 of each layer's output.
    """

    def __init__(self, graph: Graph, folder: Path, *, sanitize: bool = False) -> None:
        self.plan: Plan = make_plan(graph, load_board("host"))
        self.graph = graph
        names = ModelNames.of(self.plan)
        files = {Path(name).name: text for name, text in model_files(self.plan, names).items()}
        files |= {Path(name).name: text for name, text in kernel_files(self.plan.kernels, self.plan.board.cpu).items()}
        text = PORT + (DECIDES if self.plan.points else "")
        files["test.c"] = text % {"symbol": names.symbol, "upper": names.upper}
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        library, runtime = folder / "model.so", data_folder("firmware") / "dqt"
        sources = [str(folder / name) for name in files if name.endswith(".c")]
        sources += map(str, sorted(runtime.glob("*.c")))
        command = ["cc", "-std=c11", "-O2", "-fno-strict-aliasing", "-shared", "-fPIC", *WARNINGS]
        command += ["-I", str(folder), "-I", str(runtime), "-o", str(library), *sources]
        if sanitize:
            command[1:1] = ["-fsanitize=undefined", "-fno-sanitize-recover=all", "-static-libubsan"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.library = ctypes.CDLL(str(library))
        self.library.test_input.restype = ctypes.c_void_p

    def run(
        self, codes: np.ndarray, choices: np.ndarray | None, bias: Sequence[int] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ctypes.memmove(self.library.test_input(), np.ascontiguousarray(codes, np.uint8).tobytes(), self.plan.input_size)
        given = None if choices is None else np.ascontiguousarray(choices, np.uint8).tobytes()
        biases = None if bias is None else (ctypes.c_int32 * len(bias))(*bias)
        checksums = (ctypes.c_uint32 * len(self.plan.layers))()
        result = _Result()
        status = self.library.test_run(given, biases, checksums, ctypes.byref(result))
        assert status == 0, f"dqt_run() says {status}"
        output = np.ctypeslib.as_array(result.output, (result.output_size,)).copy()
        chosen = np.array([result.choices[i] for i in range(result.choice_count)], np.uint8)
        return output, chosen, np.array(checksums, np.uint32)

    def decide(self, codes: np.ndarray, setting: Setting | CSetting) -> Decided:
        """One inference at a setting; ``checksums`` in the order of the device's numbers."""
        ctypes.memmove(self.library.test_input(), np.ascontiguousarray(codes, np.uint8).tobytes(), self.plan.input_size)
        given = setting if isinstance(setting, CSetting) else CSetting.of(setting, self.plan.output_size)
        checksums = (ctypes.c_uint32 * len(self.plan.layers))()
        result, found = _Result(), _Answer()
        status = self.library.test_decide(ctypes.byref(given), checksums, ctypes.byref(result), ctypes.byref(found))
        if status != 0:
            return Decided(status)
        return Decided(
            status,
            bytes(result.output[: result.output_size]),
            tuple(result.choices[: result.choice_count]),
            found.point,
            found.passes,
            found.margin,
            found.top,
            tuple(checksums),
        )
