"""What each choice of the method is worth: the same run with one choice changed, on the whole test set.

Run by ``python -m benchmarks.ablation --recipe recipes/ablation.toml --data FILE.npz``. Each variant trains like
``dqt-edge train``; a run that was stopped goes on when the command is given again. Accuracies are of the Keras forward
of the integers, because only centred views have an integer path. Writes ``build/ablation/results.json`` and prints a
table.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from dqt_edge.api.training import initial_of
from dqt_edge.errors import DqtError
from dqt_edge.graph import pair_text
from dqt_edge.system.files import read_toml, write_atomically
from dqt_edge.system.tensorflow import start_tensorflow
from dqt_edge.training.options import Options, parse_candidates

FOLDER = Path("build/ablation")
VARIANTS: dict[str, dict[str, Any]] = {
    "ours": {},
    "views as in the paper": {"view": "paper"},
    "plain views": {"view": "plain"},
    "averaged scales": {"scales": "ema"},
    "no consistency loss": {"consistency": 0.0},
    "beta 0": {"beta": 0.0},
    "no focus, no diversity": {"focus": 0.0, "diversity": 0.0},
    "beta 0, no focus, no diversity": {"beta": 0.0, "focus": 0.0, "diversity": 0.0},
}
"""Name -> options that differ. The last is the paper's loss, Eq. 11 of arXiv 2508.09176 with its budget term off."""


def main() -> None:
    """Train what was asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, required=True, help="TOML file of training options")
    parser.add_argument("--data", required=True, help="as of dqt-edge train")
    parser.add_argument("--init", help="as of dqt-edge train")
    parser.add_argument("--samples", type=int, help="training samples, stratified; without it all")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args()
    try:
        start_tensorflow()
        recipe = read_toml(given.recipe)
        pairs = parse_candidates(recipe.pop("candidates"))
        given.folder.mkdir(parents=True, exist_ok=True)
        data = part_of(given.data, given.samples, given.folder)
        results = {}
        for name in given.variants:
            options = Options(**{**recipe, "candidates": pairs, "data": data, "init": given.init, **VARIANTS[name]})
            results[name] = result_of(name, options, given.folder)
            write_atomically(given.folder / "results.json", (json.dumps(results, indent=1) + "\n").encode())
            print(f"{name}: {summary(results[name])}", flush=True)
    except DqtError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    show(results, Console())


def part_of(data: str, samples: int | None, folder: Path) -> str:
    """Name of the data, or of a file with that many of its training samples."""
    if samples is None:
        return data
    from dqt_edge.data.load import load_data  # noqa: PLC0415 - Keras takes a while
    from dqt_edge.data.sources import stratified  # noqa: PLC0415

    path = folder / f"{Path(data).stem}-{samples}.npz"
    if not path.exists():
        whole = load_data(data, 0.001)
        kept = stratified(whole.y_train, min(samples, len(whole.y_train)), np.random.default_rng(0))
        kind = np.uint8 if (whole.input_scale, whole.input_zero_point) == (1.0, 0) else np.float32
        x, x_test = (images.astype(kind) for images in (whole.x_train[kept], whole.x_test))
        classes = np.array(whole.classes)
        np.savez(path, x=x, y=whole.y_train[kept], x_test=x_test, y_test=whole.y_test, classes=classes)
    return str(path)


def result_of(name: str, options: Options, folder: Path) -> dict[str, Any]:
    """Train a variant, or go on with it, and measure it on the held-out set."""
    from dqt_edge.training import dial  # noqa: PLC0415 - TensorFlow is started by main
    from dqt_edge.training.distribution import Devices  # noqa: PLC0415
    from dqt_edge.training.loop import train  # noqa: PLC0415
    from dqt_edge.training.steps import Steps  # noqa: PLC0415
    from dqt_edge.training.validation import DIAL_FILL, in_parts  # noqa: PLC0415

    out = folder / f"{name.replace(' ', '-').replace(',', '')}.safetensors"
    outcome = train(options, out, initial=initial_of(options.init), resume=True)
    model, test, validation, devices = outcome.model, outcome.dataset.test, outcome.dataset.validation, Devices()
    pairs = options.candidates
    steps = Steps(model, options, 1, devices, outcome.purpose.objective)
    result: dict[str, Any] = {"options": options.as_json(), "samples": len(test.labels)}
    for index, pair in enumerate(pairs):
        (logits,) = in_parts([partial(steps.predict_fixed, steps.all_at(index))], steps, test, devices)
        result[pair_text(pair)] = float(np.mean(logits.argmax(-1) == test.labels))
    if model.controller is None:
        return result

    def at(bias: npt.NDArray[np.floating]) -> dict[str, float]:
        """What the controller reaches with that bias."""
        logits, choices = in_parts([partial(steps.predict_dynamic, bias.astype(np.float32))], steps, test, devices)
        costs = steps.fixed + steps.table[np.arange(choices.shape[1]), choices].sum(axis=1)
        vectors = len(np.unique(choices, axis=0))
        return {
            "accuracy": float(np.mean(logits.argmax(-1) == test.labels)),
            "bitops_ratio": float(costs.mean()),
            "vectors": vectors,
        }

    (decided,) = in_parts([steps.decide], steps, validation, devices)
    lift = dial.lift_for(decided, pairs, steps.table, steps.fixed, DIAL_FILL * options.budget)
    result["dynamic"] = at(lift * dial.direction(pairs))
    result["as trained"] = at(dial.training_bias(steps.budget_position, pairs))
    return result


def summary(result: dict[str, Any]) -> str:
    """Accuracies of a variant in one line."""
    fixed = [f"{key} {100 * value:.2f} %" for key, value in result.items() if isinstance(value, float)]
    chosen = [
        f"{key} {100 * value['accuracy']:.2f} % at {value['bitops_ratio']:.3f}"
        for key, value in result.items()
        if key in ("dynamic", "as trained")
    ]
    return ", ".join(fixed + chosen)


def show(results: dict[str, dict[str, Any]], console: Console) -> None:
    """Print the table."""
    first = next(iter(results.values()))
    fixed = [key for key, value in first.items() if isinstance(value, float)]
    columns = ("variant", *fixed, "at the budget", "BitOPs", "vectors", "as trained", "BitOPs")
    table = Table(*columns, title=f"Accuracy on {first['samples']:,} test samples, per cent")
    for name, result in results.items():
        cells = [f"{100 * result[key]:.2f}" for key in fixed]
        for key in ("dynamic", "as trained"):
            found = result.get(key)
            cells += ["-", "-"] if found is None else [f"{100 * found['accuracy']:.2f}", f"{found['bitops_ratio']:.3f}"]
            cells += [f"{found['vectors']:,}"] if found and key == "dynamic" else []
        table.add_row(name, *cells)
    console.print(table)


if __name__ == "__main__":
    main()
