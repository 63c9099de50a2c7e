"""Whether a model fits a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..boards import Board
from ..errors import UsageError
from ..lowering.kernels import estimates
from ..lowering.plan import Plan
from ..lowering.worst_case import HEADS_SHARE_MAX, WorstCase, worst_case
from ..project.footprint import Footprint, footprint_facts, predict, require_fit
from ..project.optimize import plans_for
from ..project.text_protocol import text_protocol as speak
from ..system.show import Facts, Shown
from .given import FilePath, Model, board_of, graphs_of


@dataclass(frozen=True, repr=False)
class FitReport(Shown):
    """What a model needs of a board. All sizes are bytes, predicted for the whole image, code and stack included.

    Attributes:
        board: The board.
        plans: Of each model: arena, scratch and kernel of each layer.
        footprint: What the image is made of.
        dial: Mean costs that the first model's dial can be set to, of everything at 8x8; none without a dial.
        tuned: Cost and agreement of the first model's tuned settings.
        second_pass: Bytes of RAM that the first model keeps for a second pass; None if it keeps nothing for one.
    """

    board: Board
    plans: tuple[Plan, ...]
    footprint: Footprint
    dial: tuple[float, ...]
    tuned: tuple[tuple[float, float], ...] = ()
    second_pass: int | None = None

    @property
    def flash(self) -> int:
        """Bytes of flash."""
        return self.footprint.flash

    @property
    def ram(self) -> int:
        """Bytes of RAM."""
        return self.footprint.ram

    @property
    def spare(self) -> dict[str, int]:
        """Bytes that stay free in ``flash`` and ``ram``; negative where they do not suffice."""
        parts = self.footprint
        return {"flash": parts.flash_region.size - parts.flash, "ram": parts.ram_region.size - parts.ram}

    @property
    def fits(self) -> bool:
        """Whether the board has enough of both."""
        return min(self.spare.values()) >= 0

    @property
    def estimate(self) -> str:
        """Estimated cycles of an inference of the first model, and what they are; or why there are none."""
        core, plan = self.board.cpu.core, self.plans[0]
        basis = estimates.basis(core)
        if basis is None:
            return f"cycles of {core} are not estimated"
        widest, narrowest = plan.estimated_cycles(0), plan.estimated_cycles(plan.candidate_max - 1)
        unknown = [layer.name for layer in plan.layers if None in layer.cycles]
        without = f"; without {', '.join(unknown)}, of which nothing is known" if unknown else ""
        narrow = f" at the first widths of every layer, {narrowest:,.0f} at the last" if plan.candidate_max > 1 else ""
        return f"about {widest:,.0f} cycles{narrow}: {basis}{without}"

    @property
    def worst_case(self) -> WorstCase | None:
        """The dearest inference of the first model, if it decides for each input by more than a controller."""
        return worst_case(self.plans[0])

    @property
    def decisions(self) -> tuple[str, ...]:
        """Sentences on what deciding costs the first model: worst case, share of the heads, RAM of a second pass."""
        worst = self.worst_case
        if worst is None:
            return ()
        said = [worst.text]
        if worst.heads:
            verdict = "within" if worst.heads_share <= HEADS_SHARE_MAX else "more than"
            said.append(
                f"all heads: {100 * worst.heads_share:.2f} % of a full inference, "
                f"{verdict} the {100 * HEADS_SHARE_MAX:g} % that they should take"
            )
        if self.second_pass is not None:
            said.append(f"second pass: {self.second_pass:,} bytes of RAM are kept for it")
        if self.tuned:
            pairs = ", ".join(f"{cost:.3f} for {agreement:.3f}" for cost, agreement in self.tuned)
            said.append(f"tuned settings, cost for agreement: {pairs}")
        return tuple(said)

    @property
    def predicted(self) -> dict[str, Any]:
        """The footprint, part by part, as the project's manifest has it."""
        return footprint_facts(self.plans, self.footprint)

    @property
    def layers(self) -> tuple[dict[str, Any], ...]:
        """Each layer of each model: name, kernel, shape, macs; flash, ram, scratch in bytes; candidates, bound.

        ``estimated_cycles``: at each candidate, None where they are not known.
        """
        return tuple(
            {
                "name": layer.name,
                "kernel": layer.kernel,
                "shape": layer.shape,
                "macs": layer.macs,
                "flash": layer.weight_bytes,
                "ram": layer.output_size,
                "scratch": layer.scratch,
                "candidates": [f"{w}x{a}" for w, a in layer.widths],
                "estimated_cycles": [None if cycles is None else round(cycles) for cycles in layer.cycles],
                "bound": layer.bound,
            }
            for plan in self.plans
            for layer in plan.layers
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "board": self.board.id,
            "predicted": self.predicted,
            "spare": self.spare,
            "dial": self.dial,
            "estimate": self.estimate,
            "decisions": list(self.decisions),
            "models": [
                {
                    "name": plan.name,
                    "inputs": [terminal.facts for terminal in plan.inputs],
                    "outputs": [terminal.facts for terminal in plan.outputs],
                    "states": len(plan.states),
                }
                for plan in self.plans
            ],
            "layers": list(self.layers),
        }

    def require_fit(self) -> None:
        """Raise DoesNotFitError, with the bytes that are missing, unless the model fits."""
        require_fit(self.board, self.footprint)

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        parts, spare = self.footprint, self.spare
        names = ", ".join(repr(plan.name) for plan in self.plans)
        return f"{names} on {self.board.id}: {'fits' if self.fits else 'does not fit'}", (
            ("flash", f"{self.flash:,} of {parts.flash_region.size:,} bytes, {spare['flash']:,} to spare"),
            ("RAM", f"{self.ram:,} of {parts.ram_region.size:,} bytes, {spare['ram']:,} to spare"),
            ("weights", f"{parts.weights:,} bytes"),
            ("cycles", self.estimate),
            ("arena, stack", f"{parts.buffers.arena:,} and {parts.stack:,} bytes"),
            ("dial", f"{self.dial[0]:.3f} to {self.dial[-1]:.3f}" if self.dial else "none"),
            *(("decisions", sentence) for sentence in self.decisions),
        )


def plan(
    model: Model | Sequence[Model],
    board: Board | FilePath,
    *,
    optimize: Literal["speed", "flash", "ram"] = "speed",
    text_protocol: str | None = None,
) -> FitReport:
    """Say whether a model, or several in one image, fit a board, before anything is compiled.

    Args:
        model: A graph, or the path of its checkpoint; or several, which share kernels and, by turns, the arena.
        board: Id of a board, such as ``"stm32h7"``, or a Board.
        optimize: ``"speed"``: the fastest kernel for each layer that the RAM allows. ``"flash"``: fewer and smaller
            kernels, at up to 1.25 of the estimated cycles. ``"ram"``: the smallest arena, whatever it costs in time.
        text_protocol: What the image calls the first model in MLPerf Tiny's text protocol, as in ``export``.

    Returns:
        Flash and RAM to the byte, layer by layer. A model that does not fit is no error here: ask ``fits``, or call
        ``require_fit()``.

    Raises:
        UsageError: No such board, the host, which has no such limits, or a board without a clock for the text protocol.
        UnsupportedError: A layer that the board's kernels cannot run, or a model that the protocol has no words for.
        BadFileError: The checkpoint is missing or damaged.

    Example:
        ```python
        import dqt_edge as dqt

        report = dqt.plan("digits.safetensors", "stm32h7")
        assert report.fits
        print(report)
        largest = max(report.layers, key=lambda layer: layer["flash"])
        print(largest["name"], largest["flash"])
        ```
    """
    target = board_of(board)
    if target.is_host:
        raise UsageError(
            "the host has no flash and RAM limits to check", where="`board` host", next_step="choose another board"
        )
    graphs = graphs_of(model)
    plans = plans_for(graphs, target, optimize)
    first = graphs[0]
    kept = None
    if first.second_pass:
        without = replace(first, second_pass=False, tuned=())  # settings may ask for what it then lacks
        kept = plans[0].arena_size - plans_for([without], target, optimize)[0].arena_size
    tuned = tuple((point.cost, point.agreement) for point in first.tuned)
    spoken = None if text_protocol is None else speak(text_protocol, plans, target)
    return FitReport(target, plans, predict(plans, check=False, text=spoken), first.dial_targets, tuned, kept)
