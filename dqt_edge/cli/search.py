"""``dqt-edge search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..graph import Graph
    from ..precision.counts import Counts
    from ..precision.curve import CurvePoint, Search
    from ..report.search import Facts


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", required=True, metavar="NAME|FILE", help="Test data; its training part, if any, calibrates.")
@click.option("--calibration", metavar="NAME|FILE", help="Data that chooses the widths, instead.")
@click.option("--samples", default=512, show_default=True, type=click.IntRange(min=2), help="Calibration samples.")
@click.option("--n", "count", type=click.IntRange(min=1), help="Number of test samples. Default: all.")
@click.option("--candidates", metavar="PAIRS", help="Pairs offered to every layer. Default: the checkpoint's own.")
@click.option(
    "--budget",
    metavar="LIST",
    help="Parts of the 8x8 BitOPs, such as 0.5 or 0.8,0.5,0.3.  [default: 0.8,0.6,0.5,0.4,0.3]",
)
@click.option(
    "--instructions", metavar="LIST", help="Budgets in counts of --board instead, or in parts of those at 8x8."
)
@click.option("--board", help="Board whose counts are the budget: an id such as qemu-m4, or a board file (.toml).")
@click.option(
    "--loss", type=click.Choice(["kl", "mse"]), default="kl", show_default=True, help="kl: class scores; mse: others."
)
@click.option(
    "--trials", default=24, show_default=True, type=click.IntRange(min=0), help="Neighbours tried for each budget."
)
@click.option("--biases/--no-biases", default=True, help="Give a width a bias of its own where that helps.")
@click.option("--out", type=click.Path(path_type=Path), help="Checkpoint to write, fixed at the first budget's widths.")
@click.option("--keep-widths", is_flag=True, help="Let OUT keep all widths, to be chosen with --policy.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for search.json, search.svg and search.png.")
def search(**options: Any) -> None:  # noqa: ANN401 - handed on by name
    """Find the best fixed widths within a budget, without training.

    Narrows each layer alone on calibration samples, without labels; picks a width for each layer so that the losses add
    up to the least within the budget; tries neighbours of that; and prints accuracy against budget on the test samples.

    \b
    Examples:
      dqt-edge search resnet8.safetensors --data test.npz --candidates 8x8,4x8,4x4 --budget 0.5 --out half.safetensors
      dqt-edge search resnet8.safetensors --data test.npz --candidates 8x8,4x4 --board qemu-m4 --instructions 0.9,0.8
      dqt-edge search kws.safetensors --data kws.npz --budget 0.8,0.6,0.4,0.3 --report build/kws
    """
    from rich.console import Console
    from rich.progress import Progress

    from ..report import search as reports
    from ..report.page import make_folder
    from .train import check_output

    out, folder = options["out"], options["report"]
    if out is not None:
        check_output(out)
    if folder is not None:
        make_folder(folder)
    console = Console()
    with Progress(console=console, transient=True) as bar:
        work = _Work(bar, **options)
        try:
            work.run()
        except KeyboardInterrupt:
            if work.facts is None or not work.facts.points:
                raise
            work.interrupted()
    assert work.facts is not None
    reports.show(work.facts, console)
    if folder is not None:
        click.echo(f"wrote {', '.join(map(str, reports.write(work.facts, folder)))}")
    found = next((point for point in work.facts.points if point.origin == "search"), None)
    if found is not None:
        work.finish(found)
    if work.facts.interrupted:
        raise click.Abort


class _Work:
    """The search, step by step; ``facts`` hold what is known so far."""

    def __init__(self, bar: Progress, checkpoint: Path, **options: Any) -> None:  # noqa: ANN401
        from ..graph.checkpoint import load
        from ..graph.policy import parse_pairs
        from ..precision import candidates as widths

        self.bar, self.checkpoint, self.options = bar, checkpoint, options
        self.facts: Facts | None = None
        self.searched: Search
        graph = load(checkpoint)
        given = options["candidates"]
        pairs = None if given is None else parse_pairs(given, "--candidates")
        self.graph: Graph = widths.without_controller(graph) if pairs is None else widths.offer(graph, pairs)
        widths.require_choice(self.graph)
        self.budgets = _budgets(options)

    def run(self) -> None:
        """Calibrate, measure, search, and judge; raises what the parts raise."""
        import dataclasses

        import numpy as np

        from ..graph import pair_text
        from ..precision import sensitivity
        from ..precision.candidates import widest
        from ..precision.curve import Search, require
        from ..report.search import Facts

        calibration, test, labels, overlap = self._samples()
        counts = self._counts(calibration)
        base = tuple(widest(layer) for layer in self.graph.adaptive)
        whole = 1.0 if counts is None else counts.total(self.graph, base)
        budgets = [budget * whole if budget <= 1 else budget for budget in self.budgets]
        require(self.graph, budgets, counts)
        loss, correct = self.options["loss"], self.options["biases"]
        task = self.bar.add_task("layers alone", total=sensitivity.evaluations(self.graph, correct=correct))
        self.graph, found = sensitivity.measure(
            self.graph, calibration, loss=loss, correct=correct, progress=lambda: self.bar.advance(task)
        )
        self.facts = Facts(
            self.graph.name,
            str(self.options["data"]),
            loss,
            len(calibration),
            len(test),
            overlap,
            tuple(layer.name for layer in self.graph.adaptive),
            found,
            self.options["board"],
            counts,
        )
        self.searched = found_by = Search(self.graph, calibration, found, loss=loss, counts=counts, correct=correct)
        trials = self.options["trials"]
        task = self.bar.add_task("budgets", total=len(self.budgets) * (trials + 1))
        unjudged = found_by.uniform()
        points: list[CurvePoint] = []
        for i, budget in enumerate(budgets):
            unjudged.insert(i, found_by.solve(budget, trials, lambda: self.bar.advance(task)))
            self.bar.update(task, completed=(i + 1) * (trials + 1))
        task = self.bar.add_task("accuracy", total=len(unjudged) * len(test))
        known: dict[Any, float] = {}
        for point in unjudged:
            if point.pairs not in known:
                self.bar.update(
                    task, description=f"accuracy at {point.bitops_ratio:.2f} ({pair_text(point.pairs[0])}...)"
                )
                known[point.pairs] = self._accuracy(test, np.asarray(labels), point.pairs, task)
            points.append(dataclasses.replace(point, accuracy=known[point.pairs]))
            self.facts = dataclasses.replace(self.facts, points=tuple(points))

    def _accuracy(self, test: Any, labels: Any, pairs: Any, task: Any) -> float:  # noqa: ANN401
        from ..precision.curve import accuracy

        graph = self.searched.graph_of(pairs)
        return accuracy(graph, test, labels, pairs, lambda n: self.bar.advance(task, n))

    def _samples(self) -> tuple[Any, Any, Any, bool]:
        """Calibration codes, test codes and labels, and whether the first are taken from the test set."""
        from ..data.load import codes, load_data

        data = load_data(self.options["data"])
        other = self.options["calibration"]
        source = data if other is None else load_data(other)
        most, count = self.options["samples"], self.options["count"]
        if len(source.x_train):
            return codes(source.x_train[:most], self.graph), *self._test(data, 0, count), False
        if other is not None:
            return codes(source.x_test[:most], self.graph), *self._test(data, 0, count), False
        most = min(most, len(data.x_test) // 2)
        click.echo(f"note: no training data and no --calibration, so the first {most} test samples choose the widths, "
                   "and the others judge them", err=True)  # fmt: skip
        return codes(data.x_test[:most], self.graph), *self._test(data, most, count), True

    def _test(self, data: Any, first: int, count: int | None) -> tuple[Any, Any]:  # noqa: ANN401
        from ..data.load import codes

        last = None if count is None else first + count
        return codes(data.x_test[first:last], self.graph), data.y_test[first:last]

    def _counts(self, calibration: Any) -> Counts | None:  # noqa: ANN401
        if self.options["board"] is None:
            return None
        from ..boards import load_board
        from ..measure import layer_counts as instructions
        from ..project.export import default_folder

        board = load_board(self.options["board"])
        task = self.bar.add_task(f"counts on {board.id}", total=instructions.runs(self.graph))
        folder = default_folder(self.checkpoint.with_stem(f"{self.checkpoint.stem}-search"), board)
        return instructions.measure(self.graph, board, folder, calibration, lambda: self.bar.advance(task))

    def interrupted(self) -> None:
        """Mark what was found so far as incomplete."""
        import dataclasses

        assert self.facts is not None
        self.facts = dataclasses.replace(self.facts, interrupted=True)

    def finish(self, found: CurvePoint) -> None:
        """Print the vector of the first budget, and write the checkpoint."""
        from ..graph import vector_text
        from ..graph.checkpoint import save
        from ..precision.candidates import freeze

        click.echo(f"widths for --policy: {vector_text(found.pairs)}")
        out = self.options["out"]
        if out is None:
            return
        facts = {"source": self.checkpoint.name, "budget": found.budget, "bitops_ratio": found.bitops_ratio}
        facts |= {"widths": vector_text(found.pairs), "loss": found.loss, "accuracy": found.accuracy}
        if not self.options["keep_widths"]:
            save(freeze(self.searched.graph_of(found.pairs), found.pairs, {"search": facts}), out)
        else:
            save(self.graph, out)
        click.echo(f"wrote {out}")


def _budgets(options: dict[str, Any]) -> list[float]:
    """Budgets of --budget or --instructions, the first of which decides what is written."""
    from ..errors import UsageError

    text, counted, board = options["budget"], options["instructions"], options["board"]
    if text is not None and counted is not None:
        raise UsageError("two kinds of budget", where="--budget, --instructions", next_step="give one of them")
    if (counted is None) != (board is None):
        raise UsageError(
            "a budget in instructions needs a board, and the other way round",
            where="--instructions, --board",
            next_step="give both, such as --instructions 0.8 --board qemu-m4",
        )
    option = "--budget" if counted is None else "--instructions"
    found = []
    for part in (counted or text or "0.8,0.6,0.5,0.4,0.3").split(","):
        try:
            value = float(part)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf") or (counted is None and value > 1):
            raise UsageError(
                f"{part!r} is no budget",
                where=option,
                next_step="give numbers such as 0.8,0.5" + ("" if counted is None else ", or counts such as 9000000"),
            )
        found.append(value)
    return found
