"""The generated C of a model as a shared library: the kernels' bits at native speed, without the app around them."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph
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


class _Result(ctypes.Structure):
    _fields_ = [
        ("output", ctypes.POINTER(ctypes.c_uint8)),
        ("output_size", ctypes.c_uint32),
        ("top", ctypes.c_uint32),
        ("choices", ctypes.POINTER(ctypes.c_uint8)),
        ("choice_count", ctypes.c_uint32),
    ]


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
        files["test.c"] = PORT % {"symbol": names.symbol, "upper": names.upper}
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
