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
from dqt_edge.project.footprint import make_buffers
from dqt_edge.project.render import c_environment, kernel_files
from dqt_edge.system.resources import data_folder

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
PORT = """
#include <stdint.h>
#include "dqt_run.h"
#include "dqt_port.h"
#include "dqt_frame.h"
const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;
uint64_t dqt_port_counter(void) { static uint32_t now; return ++now; }
const dqt_model_data *dqt_test_model(void) { return &dqt_model; }
"""


class _Model(ctypes.Structure):
    _fields_ = [
        ("layers", ctypes.c_void_p),
        ("buffers", ctypes.c_void_p * 10),
        ("input", ctypes.c_uint32),
        ("input_size", ctypes.c_uint32),
        ("output", ctypes.c_uint32),
        ("output_size", ctypes.c_uint32),
    ]


class NativeModel:
    """A graph compiled for this computer.

    ``run`` returns the output codes, the choices, and the CRC-32 of each layer's output.
    """

    def __init__(self, graph: Graph, folder: Path, *, sanitize: bool = False) -> None:
        self.plan: Plan = make_plan(graph, load_board("host"))
        self.graph = graph
        env = c_environment()
        files = {
            "port.c": PORT,
            "dqt_weights.h": env.get_template("weights.h.j2").render(plan=self.plan),
            "dqt_weights.c": env.get_template("weights.c.j2").render(plan=self.plan),
            "dqt_model.c": env.get_template("model.c.j2").render(plan=self.plan, buffers=make_buffers(self.plan)),
            "dqt_kernels.h": env.get_template("kernels.h.j2").render(plan=self.plan, kernels=self.plan.kernels),
        }
        files |= {Path(name).name: text for name, text in kernel_files(self.plan.kernels, self.plan.board.cpu).items()}
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        firmware = data_folder("firmware")
        library = folder / "model.so"
        sources = [str(folder / name) for name in files if name.endswith(".c")]
        sources += [str(firmware / path) for path in ("dqt/dqt_run.c", "dqt/dqt_dial.c", "app/dqt_frame.c")]
        command = ["cc", "-std=c11", "-O2", "-fno-strict-aliasing", "-shared", "-fPIC", *WARNINGS, "-I", str(folder)]
        command += [
            "-I",
            str(firmware / "dqt"),
            "-I",
            str(firmware / "app"),
            "-o",
            str(library),
            *sources,
        ]
        if sanitize:
            command[1:1] = ["-fsanitize=undefined", "-fno-sanitize-recover=all", "-static-libubsan"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.library = ctypes.CDLL(str(library))
        self.library.dqt_test_model.restype = ctypes.POINTER(_Model)
        self.model = self.library.dqt_test_model().contents

    def _array(self, index: int, c_type: type, count: int, offset: int = 0) -> np.ndarray:
        address = self.model.buffers[index] + offset
        return np.ctypeslib.as_array((c_type * count).from_address(address))

    def run(
        self, codes: np.ndarray, choices: np.ndarray | None, bias: Sequence[int] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        model, layers = self.model, len(self.plan.layers)
        self._array(0, ctypes.c_uint8, model.input_size, model.input)[:] = codes.ravel()
        pointer = None if choices is None else np.ascontiguousarray(choices, np.uint8).tobytes()
        biases = None if bias is None else (ctypes.c_int32 * len(bias))(*bias)
        self.library.dqt_model_run(pointer, biases, 1)
        output = self._array(0, ctypes.c_uint8, model.output_size, model.output).copy()
        chosen = self._array(4, ctypes.c_uint8, max(self.plan.adaptive_count, 1)).copy()[: self.plan.adaptive_count]
        return output, chosen, self._array(3, ctypes.c_uint32, layers).copy()
