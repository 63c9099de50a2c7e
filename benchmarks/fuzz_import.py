"""Random Keras networks of all operators: converted by TFLite to int8, imported, compared, and run on every core.

Run by ``make fuzz-import SEEDS=1000``. Each network is compared with TFLite's reference kernels layer by layer: a layer
that reads the same codes may differ by one code. Where the two are further apart, both are judged by the layer in real
numbers, from the file's own scales: ours must be that, rounded once. Tables that compute several layers must give what
these give. Of the first ``--on-devices`` networks, every layer on the host and on every QEMU core that has room must be
the interpreter's. Goes on where an earlier run ended: what is done stands in ``build/fuzz-import/results.jsonl``, one
line a network. A network that TFLite itself cannot convert is counted apart. Exit code 1 if anything differs, or a
network is refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from dqt_edge.errors import BadFileError, DqtError
from dqt_edge.graph import Graph, interpreter
from dqt_edge.importers.assemble import assemble
from dqt_edge.importers.comparison import compare
from dqt_edge.importers.files import read_model
from dqt_edge.system.tensorflow import start_tensorflow
from tests.support.imported import BOARDS, EXACT, TOO_LARGE, Runs, on_board
from tests.support.random_keras import inputs_of, random_keras, to_tflite

RESULTS = Path("build/fuzz-import/results.jsonl")
CALIBRATION = 24
COMPARED = 16
ON_DEVICE = 2
GROUP = 8
"""Networks that share an image."""
Codes = npt.NDArray[np.uint8]


def main() -> None:
    """Run the seeds and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--on-devices", type=int, default=200, help="networks that run on every board")
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start_tensorflow()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    done = {line["seed"]: line for line in _lines(options.results)}
    seeds = range(options.first, options.first + options.seeds)
    left = [seed for seed in seeds if seed not in done]
    groups = [left[i : i + GROUP] for i in range(0, len(left), GROUP)]
    with options.results.open("a", encoding="utf-8") as file:
        for group in track(groups, "random networks"):
            runs: Runs = {}
            for seed in group:
                done[seed], run = try_import(seed)
                if run is not None and seed - options.first < options.on_devices:
                    runs[str(seed)] = run
            for board in options.boards if runs else ():
                with tempfile.TemporaryDirectory() as folder:
                    for key, told in on_board(runs, board, Path(folder)).items():
                        done[int(key)]["devices"][board] = told
            file.writelines(json.dumps(done[seed]) + "\n" for seed in group)
            file.flush()
    sys.exit(_report([done[seed] for seed in seeds]))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def try_import(seed: int) -> tuple[dict[str, Any], tuple[Graph, Codes] | None]:
    """One network: ``unconverted``, ``refused``, or its layers with the largest difference; and what devices run."""
    import keras  # noqa: PLC0415 - TensorFlow is large

    found: dict[str, Any] = {"seed": seed}
    model = random_keras(keras, seed)
    typical = inputs_of(model, seed, CALIBRATION)
    try:
        content = to_tflite(model, typical)
    except Exception as error:  # the converter raises whatever it meets
        return found | {"unconverted": f"{type(error).__name__}: {str(error)[:200]}"}, None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seed_{seed}.tflite"
        path.write_bytes(content)
        try:
            network = read_model(path)
            graph, single = assemble(network), assemble(network, fuse=False)
        except DqtError as error:
            return found | {"refused": error.what}, None
        shape = graph.tensor(graph.input).shape
        codes = np.random.default_rng((seed, 2)).integers(0, 256, (COMPARED, *shape), dtype=np.uint8)
        try:
            beside = compare(single, path, codes)
        except BadFileError as error:
            return found | {"unconverted": error.what[:200]}, None
        outputs = [interpreter.run(g, codes).outputs for g in (graph, single)]
        found["fusion"] = bool((outputs[0] == outputs[1]).all())
        found["layers"] = dict(Counter(type(layer).__name__ for layer in graph.layers))
        found["largest"] = beside.largest_alone
        found["beyond"] = [layer.name for layer in beside.beyond]
        found["exact"] = {layer.name: layer.note for layer in beside.layers if layer.explained}
        found["mixed"] = any(not layer.comparable for layer in beside.layers)
    found["devices"] = {}
    return found, (graph, codes[:ON_DEVICE])


def _report(results: list[dict[str, Any]]) -> int:
    """Print the counts; the exit code."""
    unconverted = [r for r in results if "unconverted" in r]
    refused = [r for r in results if "refused" in r]
    imported = [r for r in results if "largest" in r]
    beyond = [r for r in imported if r["beyond"]]
    inexact = [r["seed"] for r in imported if r["exact"]]
    differing = [(r["seed"], b, d) for r in imported for b, d in r["devices"].items() if d not in (EXACT, TOO_LARGE)]
    runs = Counter(d for r in imported for d in r["devices"].values())
    layers: Counter[str] = Counter()
    for result in imported:
        layers.update(result["layers"])
    print(
        f"{len(results)} networks: {len(imported)} imported, {len(refused)} refused, {len(unconverted)} not converted"
    )
    print(f"layers: {', '.join(f'{n:,} {kind}' for kind, n in layers.most_common())}")
    mixed = sum(r["mixed"] for r in imported)
    print(f"networks with layers that cannot be compared, as real numbers between integers: {mixed}")
    print(f"beyond one code of TFLite in a layer: {len(beyond)} networks {[r['seed'] for r in beyond][:20]}")
    print(f"further from TFLite, where ours are the exact result, rounded once: {len(inexact)} networks {inexact[:20]}")
    print(f"device runs: {runs[EXACT]} exact, {len(differing)} differ, {runs[TOO_LARGE]} too large for the board")
    for result in refused[:20]:
        print(f"refused, seed {result['seed']}: {result['refused']}")
    for seed, board, difference in differing[:20]:
        print(f"seed {seed} on {board}: {difference}")
    unequal = [r["seed"] for r in imported if not r["fusion"]]
    if unequal:
        print(f"tables that compute several layers differ from them: seeds {unequal}")
    return int(bool(refused or beyond or differing or unequal))


if __name__ == "__main__":
    main()
