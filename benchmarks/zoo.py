"""Networks that people have, through every reader, beside their originals and on devices.

Run by ``make zoo``; ``--networks`` takes some of them. Each network of ``tests/support/zoo.py`` is saved as ``.keras``,
converted to int8 ``.tflite`` and exported to ``.onnx``, and each file is imported. Reported for each:

- ``layer``: largest difference of a layer from its reference, in codes, given equal inputs: TFLite's reference kernels
  for .tflite (not where these are the less exact ones), the same layer in real numbers for what was calibrated here;
- ``floating``: mean error of the floating-point reading, relative to the mean output of Keras or ONNX Runtime;
- devices: answers that differ from the interpreter's on the host and on emulated cores where the network fits, and
  whether flash and RAM are what was predicted.

Goes on where an earlier run ended: ``docs/results/zoo.json`` holds what is done. Exit code 1 if anything is beyond one
code, differs, or is refused without the sentence that is expected.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from dqt_edge.errors import UnsupportedError
from dqt_edge.graph import nested
from dqt_edge.importers import floating
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.calibrate import calibrate
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.files import read_model
from dqt_edge.importers.network import Network
from dqt_edge.system.files import write_atomically
from dqt_edge.system.tensorflow import start_tensorflow
from tests.support.imported import EXACT, TOO_LARGE, beside_reals, on_device
from tests.support.random_keras import to_tflite
from tests.support.zoo import NETWORKS, ZooNetwork

RESULTS = Path("docs/results/zoo.json")
FORMATS = ("keras", "tflite", "onnx")
BOARDS = ("host", "qemu-m4", "qemu-m55")
CALIBRATION = 16
COMPARED = 4
ON_DEVICE = 2
EXPORTER = "the exporter leaves out constants, which become inputs"
"""What a Normalization becomes in an .onnx file: nothing in the file says what was left out."""
Reals = npt.NDArray[np.float32]


def main() -> None:
    """Run what is not done yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [network.name for network in NETWORKS]
    parser.add_argument("--networks", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--formats", nargs="+", default=FORMATS, choices=FORMATS)
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true", help="also what is done")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start_tensorflow()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    found = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else {}
    console = Console()
    for network in (n for n in NETWORKS if n.name in options.networks):
        for kind in options.formats:
            key = f"{network.name} / {kind}"
            if key in found and not options.again:
                continue
            begun = time.monotonic()
            found[key] = run(network, kind, options.boards)
            write_atomically(options.results, (json.dumps(found, indent=1) + "\n").encode())
            console.print(f"{key}: {found[key]} ({time.monotonic() - begun:.0f} s)", highlight=False)
    chosen = {f"{n} / {k}": found[f"{n} / {k}"] for n in options.networks for k in options.formats}
    console.print(table(chosen))
    sys.exit(int(not all(map(good, chosen.values()))))


def run(network: ZooNetwork, kind: str, boards: tuple[str, ...]) -> dict[str, Any]:
    """One network in one format."""
    import keras  # noqa: PLC0415 - TensorFlow is large

    model = network.build(keras)
    rng = np.random.default_rng(5)
    typical = rng.uniform(0, 1, (CALIBRATION, *model.inputs[0].shape[1:])).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{kind}"
        try:
            _WRITERS[kind](model, typical, path)
        except Exception as error:  # a converter raises whatever it meets
            return {"unconverted": f"{type(error).__name__}: {str(error)[:160]}"}
        try:
            read = read_model(path)
        except UnsupportedError as error:
            reason = network.refusals.get(kind)
            return {"refused": error.what[:400], "expected": bool(reason and reason in error.what), "reason": reason}
        if len(read.inputs) != len(model.inputs):
            return {"unconverted": EXPORTER, "inputs": list(read.inputs[1:])}
        if reason := network.refusals.get(kind):
            return {"refused": "nothing", "expected": False, "reason": reason}
        result: dict[str, Any] = {}
        if not read.integer:
            result["floating"] = _floating_error(read, model, typical[:COMPARED])
            read = calibrate(read, typical.reshape(CALIBRATION, *read.edges[read.input].shape))
        graph = assemble(read)
        source = graph.tensor(graph.input)
        inputs = typical.reshape(CALIBRATION, *source.shape)
        codes = nested.quantize(inputs, source.scale, source.zero_point)
        result |= {"layers": len(graph.layers), "macs": graph.total_macs}
        if kind == "tflite":
            beside = compare(graph, path, codes[:COMPARED])
            result["layer"] = beside.largest_off
        else:
            result["layer"] = max(beside_reals(read, graph, codes[:COMPARED]).values())
        result["devices"] = {
            board: on_device(graph, codes[:ON_DEVICE], board, Path(folder) / board) for board in boards
        }
    return result


def _floating_error(read: Network, model: Any, inputs: Reals) -> float:  # noqa: ANN401 - a Keras model
    """Mean error of all outputs, relative to the mean of Keras' own."""
    given = inputs.reshape(len(inputs), *read.edges[read.input].shape)
    wanted = model(inputs, training=False)
    wanted = wanted if isinstance(wanted, list | tuple) else [wanted]
    worst = 0.0
    for ours, theirs in zip(floating.outputs_of(read.with_end(), given), wanted, strict=True):
        real = np.asarray(theirs).reshape(len(inputs), -1)
        error = np.abs(ours.reshape(len(inputs), -1) - real).mean()
        worst = max(worst, float(error / max(np.abs(real).mean(), 1e-9)))
    return worst


def _write_keras(model: Any, _typical: Reals, path: Path) -> None:  # noqa: ANN401 - a Keras model
    model.save(path)


def _write_tflite(model: Any, typical: Reals, path: Path) -> None:  # noqa: ANN401 - a Keras model
    path.write_bytes(to_tflite(model, typical))


def _write_onnx(model: Any, typical: Reals, path: Path) -> None:  # noqa: ANN401 - a Keras model
    model(typical[:1], training=False)
    model.export(path, format="onnx", verbose=False)


_WRITERS: dict[str, Callable[[Any, Reals, Path], None]] = {
    "keras": _write_keras,
    "tflite": _write_tflite,
    "onnx": _write_onnx,
}


def good(result: dict[str, Any]) -> bool:
    """Whether nothing is wrong with a network."""
    if "refused" in result:
        return bool(result["expected"])
    if "unconverted" in result:
        return True
    exact = all(found in (EXACT, TOO_LARGE) for found in result["devices"].values())
    return exact and result["layer"] <= 1 and result.get("floating", 0) < 1e-3


def table(found: dict[str, dict[str, Any]]) -> Table:
    """For people."""
    made = Table("network / format", "layers", "MMAC", "layer", "floating", *BOARDS)
    for name, result in found.items():
        if "layers" not in result:
            made.add_row(name, next(iter(result)), "", "", "", *[""] * len(BOARDS))
            continue
        error = f"{result['floating']:.1e}" if "floating" in result else ""
        devices = [result["devices"].get(board, "") for board in BOARDS]
        made.add_row(name, str(result["layers"]), f"{result['macs'] / 1e6:.1f}", str(result["layer"]), error, *devices)
    return made


if __name__ == "__main__":
    main()
