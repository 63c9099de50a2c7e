"""Every function of dqt.h, every status, at the ends of every range: the library called through its own names."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dqt_edge.boards import load_board
from dqt_edge.graph import Graph, interpreter
from dqt_edge.lowering.plan import Plan
from dqt_edge.lowering.terminal import FixedScale, Terminal
from dqt_edge.project.export import export
from tests.support.random_graphs import random_codes

OK, STOPPED, BAD_ARGUMENT, BAD_CHOICE, NO_CONTROLLER, NO_DIAL, BAD_WEIGHTS = range(7)
RED = b"\xa7" * 64


class Event(ctypes.Structure):
    _fields_ = [
        ("model", ctypes.c_void_p),
        ("layer", ctypes.c_uint32),
        ("candidate", ctypes.c_uint32),
        ("output", ctypes.POINTER(ctypes.c_uint8)),
        ("output_size", ctypes.c_uint32),
    ]


HOOK = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.POINTER(Event))


class Options(ctypes.Structure):
    _fields_ = [
        ("choices", ctypes.c_char_p),
        ("bias", ctypes.POINTER(ctypes.c_int32)),
        ("hook", HOOK),
        ("context", ctypes.c_void_p),
    ]


class Result(ctypes.Structure):
    _fields_ = [
        ("output", ctypes.POINTER(ctypes.c_uint8)),
        ("output_size", ctypes.c_uint32),
        ("top", ctypes.c_uint32),
        ("choices", ctypes.POINTER(ctypes.c_uint8)),
        ("choice_count", ctypes.c_uint32),
    ]


class Scale(ctypes.Structure):
    _fields_ = [
        ("to_code", ctypes.c_int32),
        ("to_number", ctypes.c_int32),
        ("to_code_shift", ctypes.c_uint8),
        ("to_number_shift", ctypes.c_uint8),
        ("zero_point", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8),
    ]


@dataclass
class Loaded:
    """A model as a shared library. The arena ends where red bytes begin."""

    graph: Graph
    plan: Plan
    library: ctypes.CDLL
    model: ctypes.c_void_p

    def __post_init__(self) -> None:
        self.room = ctypes.create_string_buffer(self.plan.arena_size + len(RED) + 8)
        self.arena = -(-ctypes.addressof(self.room) // 8) * 8
        ctypes.memmove(self.arena + self.plan.arena_size, RED, len(RED))
        for name in ("dqt_input", "dqt_arena_size", "dqt_candidate_count", "dqt_has_controller", "dqt_bias_count"):
            getattr(self.library, name).restype = ctypes.c_void_p if name == "dqt_input" else ctypes.c_uint32

    def run(self, codes: np.ndarray, options: Options | None = None, arena: int | None = None) -> tuple[int, Result]:
        place = self.library.dqt_input(self.model, ctypes.c_void_p(self.arena))
        ctypes.memmove(place, codes.tobytes(), codes.size)
        result = Result()
        where = ctypes.c_void_p(self.arena if arena is None else arena)
        status = self.library.dqt_run(
            self.model, where, ctypes.byref(options) if options else None, ctypes.byref(result)
        )
        assert ctypes.string_at(self.arena + self.plan.arena_size, len(RED)) == RED
        return status, result


def load(graph: Graph, folder: Path, patch: tuple[bytes, bytes] | None = None) -> Loaded:
    made, plan, _ = export(graph, load_board("host"), folder / "p")
    symbol = made.model().symbol
    sources = [str(p) for part in ("dqt", "kernels", "model") for p in sorted((made.folder / part).glob("*.c"))]
    if patch:
        table = made.folder / "model" / f"dqt_{symbol}.c"
        text = table.read_bytes()
        assert patch[0] in text
        table.write_bytes(text.replace(*patch, 1))
    includes = [f"-I{made.folder / part}" for part in ("dqt", "kernels", "model")]
    library = folder / "model.so"
    flags = ["-std=c11", "-O1", "-fno-strict-aliasing", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    command = ["cc", *flags, "-static-libubsan", "-shared", "-fPIC", *includes, *sources, "-o", str(library)]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    return Loaded(graph, plan, loaded, ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(loaded, symbol))))


@pytest.fixture(scope="module")
def tiny(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load(graph, tmp_path_factory.mktemp("face"))


def test_a_run_without_options_is_the_controllers(tiny: Loaded) -> None:
    for codes in random_codes(1, tiny.graph, 3):
        want = interpreter.run(tiny.graph, codes[None], "dynamic")
        status, result = tiny.run(codes)
        assert status == OK
        assert bytes(result.output[: result.output_size]) == want.outputs[0].tobytes()
        assert list(result.choices[: result.choice_count]) == want.choices[0].tolist()
        assert result.top == want.outputs[0].argmax()


def test_bad_arguments_run_nothing(tiny: Loaded) -> None:
    codes = random_codes(2, tiny.graph, 1)[0]
    library = tiny.library
    before = bytes(tiny.room)
    arena = ctypes.c_void_p(tiny.arena)
    assert library.dqt_run(None, arena, None, None) == BAD_ARGUMENT
    assert library.dqt_run(tiny.model, None, None, None) == BAD_ARGUMENT
    for offset in range(1, 8):
        assert library.dqt_run(tiny.model, ctypes.c_void_p(tiny.arena + offset), None, None) == BAD_ARGUMENT
    assert library.dqt_check_weights(None) == BAD_ARGUMENT
    assert library.dqt_dial(None, 400, (ctypes.c_int32 * 8)()) == BAD_ARGUMENT
    assert library.dqt_dial(tiny.model, 400, None) == BAD_ARGUMENT
    assert bytes(tiny.room) == before
    assert tiny.run(codes)[0] == OK
    assert library.dqt_run(tiny.model, arena, None, None) == OK, "the result may be left out"


def test_a_choice_that_no_layer_has_is_refused(tiny: Loaded) -> None:
    codes = random_codes(3, tiny.graph, 1)[0]
    adaptive = tiny.graph.adaptive
    for i, layer in enumerate(adaptive):
        count = len(layer.candidates)
        assert tiny.library.dqt_candidate_count(tiny.model, i) == count
        for wrong in (count, 255):
            choices = bytes(wrong if k == i else 0 for k in range(len(adaptive)))
            ran = []
            hook = HOOK(lambda _context, _event, ran=ran: ran.append(1) or True)
            assert tiny.run(codes, Options(choices=choices, hook=hook))[0] == BAD_CHOICE
            assert ran == []
    assert tiny.library.dqt_candidate_count(tiny.model, len(adaptive)) == 0
    assert tiny.library.dqt_candidate_count(tiny.model, 2**32 - 1) == 0


def test_the_hook_hears_of_each_layer_with_its_output(tiny: Loaded) -> None:
    codes = random_codes(4, tiny.graph, 1)[0]
    for policy in ("dynamic", tuple(layer.candidates[-1] for layer in tiny.graph.adaptive)):
        want = interpreter.run(tiny.graph, codes[None], policy, keep_tensors=True)
        heard = []

        def note(_context: object, event: object, heard: list = heard) -> bool:
            e = event.contents
            heard.append((e.layer, e.candidate, bytes(e.output[: e.output_size])))
            return True

        choices = None if policy == "dynamic" else bytes(want.choices[0].astype(np.uint8))
        assert tiny.run(codes, Options(choices=choices, hook=HOOK(note)))[0] == OK
        layers = tiny.graph.all_layers
        positions = {layer.name: i for i, layer in enumerate(tiny.graph.adaptive)}
        controller = {layer.name for layer in tiny.graph.controller.layers}
        expected = [i for i, layer in enumerate(layers) if choices is None or layer.name not in controller]
        assert [layer for layer, _, _ in heard] == expected
        for layer, candidate, output in heard:
            name = layers[layer].name
            assert candidate == (want.choices[0][positions[name]] if name in positions else 0)
            if layers[layer].output in want.tensors:
                assert output == want.tensors[layers[layer].output][0].tobytes(), name


@pytest.mark.parametrize("at", [0, 3])
def test_a_hook_may_stop(tiny: Loaded, at: int) -> None:
    codes = random_codes(5, tiny.graph, 1)[0]
    heard = []
    hook = HOOK(lambda _context, event: heard.append(event.contents.layer) or event.contents.layer != at)
    status, result = tiny.run(codes, Options(hook=hook))
    assert (status, heard) == (STOPPED, list(range(at + 1)))
    assert not result.output, "no result was written"
    assert tiny.run(codes)[0] == OK, "and nothing is left over"


def test_a_model_without_a_controller_wants_choices(graph: Graph, tmp_path: Path) -> None:
    used = {graph.input, *(layer.output for layer in graph.layers)}
    tensors = tuple(t for t in graph.tensors if t.name in used)
    loaded = load(replace(graph, controller=None, tensors=tensors), tmp_path)
    codes = random_codes(6, graph, 1)[0]
    assert not loaded.library.dqt_has_controller(loaded.model)
    assert loaded.run(codes)[0] == NO_CONTROLLER
    assert loaded.run(codes, Options(choices=bytes(len(graph.adaptive))))[0] == OK
    assert loaded.library.dqt_dial(loaded.model, 400, (ctypes.c_int32 * 8)()) == NO_DIAL


def test_weights_are_checked(tiny: Loaded, tmp_path: Path) -> None:
    assert tiny.library.dqt_check_weights(tiny.model) == OK
    constant = tiny.plan.constants[0]
    value = f"0x{int(constant.values[0]):08x}u".encode()
    damaged = load(tiny.graph, tmp_path, (value, f"0x{int(constant.values[0]) ^ 1:08x}u".encode()))
    assert damaged.library.dqt_check_weights(damaged.model) == BAD_WEIGHTS


def scales() -> list[FixedScale]:
    values = [2.0**-45, 1e-9, 0.0039, 1 / 255, 1 / 3, 0.999999, 1.0, 1.5, 777.7, 2.0**14 - 1]
    found = [Terminal((1, 1, 1), value, zero).fixed for value in values for zero in (0, 3, 128, 255)]
    assert all(found)
    return [scale for scale in found if scale is not None]


def half_up(value: Fraction) -> int:
    return int((value + Fraction(1, 2)).__floor__())


def test_numbers_become_codes_and_codes_numbers(tiny: Loaded) -> None:
    """Exactly what the factors say, for every code and for numbers at the ends and in between."""
    rng = np.random.default_rng(7)
    tiny.library.dqt_quantize.restype = ctypes.c_uint8
    numbers = [0, 1, -1, 2**31 - 1, -(2**31), 65536, -65536, *map(int, rng.integers(-(2**31), 2**31, 200))]
    wide, shifts = rng.integers(-(2**31), 2**31, 200), rng.integers(0, 31, 200)
    numbers += [int(number) >> int(shift) for number, shift in zip(wide, shifts, strict=True)]
    for fixed in scales():
        scale = Scale(fixed.to_code, fixed.to_number, fixed.to_code_shift, fixed.to_number_shift, fixed.zero_point, 0)
        for code in range(256):
            want = half_up(Fraction((code - fixed.zero_point) * fixed.to_number, 1 << fixed.to_number_shift))
            want = min(max(want, -(2**31)), 2**31 - 1)
            assert tiny.library.dqt_dequantize(ctypes.byref(scale), code) == want, (fixed, code)
        for number in numbers:
            want = half_up(Fraction(number * fixed.to_code, 1 << fixed.to_code_shift)) + fixed.zero_point
            assert tiny.library.dqt_quantize(ctypes.byref(scale), number) == min(max(want, 0), 255), (fixed, number)


def test_the_factors_are_the_scale_to_31_bits() -> None:
    for value in (2.0**-45, 1e-9, 1 / 255, 0.1, 1.0, 3.14159, 16383.0):
        fixed = Terminal((1, 1, 1), value, 0).fixed
        assert fixed is not None
        for factor, shift, want in (
            (fixed.to_number, fixed.to_number_shift, Fraction(value) * 65536),
            (fixed.to_code, fixed.to_code_shift, 1 / (Fraction(value) * 65536)),
        ):
            assert 2**30 <= factor < 2**31
            assert 1 <= shift <= 62
            assert abs(Fraction(factor, 1 << shift) / want - 1) <= Fraction(1, 2**31)
    for value in (1e-30, 1e9):
        assert Terminal((1, 1, 1), value, 0).fixed is None


def test_a_scale_that_cannot_be_held_is_said_so_in_the_header(graph: Graph, tmp_path: Path) -> None:
    tensors = tuple(replace(t, scale=1e9) if t.name == graph.input else t for t in graph.tensors)
    made = export(replace(graph, tensors=tensors), load_board("host"), tmp_path / "p").project
    header = (made.folder / "model" / "dqt_tiny.h").read_text()
    assert "tiny_input_scale" not in header
    assert "cannot serve it" in header
    assert "tiny_output_scale" in header
