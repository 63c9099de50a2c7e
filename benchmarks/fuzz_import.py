"""Random Keras networks of all operators: converted by TFLite to int8, imported, compared, and run on every core.

Run by ``make fuzz-import SEEDS=1000``. Each network is compared with TFLite's reference kernels layer by layer: a layer
that reads the same codes may differ by one code. Where the two are further apart, both are judged by the layer in real
numbers, from the file's own scales: ours must be that, rounded once. Tables that compute several layers must give what
these give. Of the first ``--on-devices`` networks, every layer on the host and on every QEMU core that has room must be
the interpreter's. Goes on where an earlier run ended: what is done stands in ``build/fuzz-import/results.jsonl``, one
line a network. A network that TFLite itself cannot convert is counted apart. With ``--summary FILE`` the counts are
written there; docs/results/fuzz_import.json is one, from which a table of docs/operators.md is made. Exit code 1 if
anything differs, or a network is refused.
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
from dqt_edge.system.files import write_atomically
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
    parser.add_argument("--summary", type=Path, help="file for the counts, JSON")
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
    found = counts([done[seed] for seed in seeds])
    _print(found)
    if options.summary is not None:
        write_atomically(options.summary, (json.dumps(found, indent=2) + "\n").encode())
    sys.exit(bool(found["refused"] or found["beyond"] or found["differing"] or found["unequal"]))


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


def counts(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What many networks come to: numbers, and the seeds of those that are not as the others."""
    imported = [r for r in results if "largest" in r]
    layers: Counter[str] = Counter()
    for result in imported:
        layers.update(result["layers"])
    on_boards = [(r["seed"], board, told) for r in imported for board, told in r["devices"].items()]
    runs = Counter(told for _, _, told in on_boards)
    return {
        "seeds": [results[0]["seed"], results[-1]["seed"]],
        "imported": len(imported),
        "unconverted": [r["seed"] for r in results if "unconverted" in r],
        "refused": {str(r["seed"]): r["refused"] for r in results if "refused" in r},
        "layers": dict(layers.most_common()),
        "mixed": sum(r["mixed"] for r in imported),
        "beyond": [r["seed"] for r in imported if r["beyond"]],
        "explained": [r["seed"] for r in imported if r["exact"]],
        "unequal": [r["seed"] for r in imported if not r["fusion"]],
        "on_devices": len({seed for seed, _, _ in on_boards}),
        "boards": sorted({board for _, board, _ in on_boards}),
        "exact_runs": runs[EXACT],
        "too_large": runs[TOO_LARGE],
        "differing": [list(each) for each in on_boards if each[2] not in (EXACT, TOO_LARGE)],
    }


def _print(found: dict[str, Any]) -> None:
    first, last = found["seeds"]
    print(
        f"{last - first + 1} networks: {found['imported']} imported, {len(found['refused'])} refused, "
        f"{len(found['unconverted'])} not converted"
    )
    print(f"layers: {', '.join(f'{n:,} {kind}' for kind, n in found['layers'].items())}")
    print(f"networks with layers that cannot be compared, as real numbers between integers: {found['mixed']}")
    print(f"beyond one code of TFLite in a layer: {len(found['beyond'])} networks {found['beyond'][:20]}")
    seeds = found["explained"]
    print(f"further from TFLite, where ours are the exact result, rounded once: {len(seeds)} networks {seeds[:20]}")
    runs, large = found["exact_runs"], found["too_large"]
    print(f"device runs: {runs} exact, {len(found['differing'])} differ, {large} too large for the board")
    for seed, why in list(found["refused"].items())[:20]:
        print(f"refused, seed {seed}: {why}")
    for seed, board, difference in found["differing"][:20]:
        print(f"seed {seed} on {board}: {difference}")
    if found["unequal"]:
        print(f"tables that compute several layers differ from them: seeds {found['unequal']}")


if __name__ == "__main__":
    main()
