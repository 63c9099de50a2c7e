"""A device that runs a project, and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..device.client import Client
from ..device.connect import open_client
from ..device.replies import DeviceInfo, in_units
from ..errors import UsageError
from ..graph import Graph, Pair, pair_text
from ..graph.policy import Policy, parse_policy
from ..graph.samples import split_outputs
from ..measure.asking import asked_of, by_layer
from ..project.manifest import Project
from ..system.show import Facts, Shown
from ..tasks import reals, task_of
from .given import Array, FilePath, project_of, sample_codes


@dataclass(frozen=True, repr=False, eq=False)
class Answer(Shown):
    """One inference.

    Attributes:
        output: Output codes, uint8 [outputs]; of several outputs one behind another.
        values: What they stand for, float64 [outputs].
        outputs: The same for each output by name, float64 [height, width, channels].
        widths: Width pair of each adaptive layer, as given or as it was chosen, in the first pass; None where none
            ran, behind an early answer.
        count: What the inference took, in ``unit``; None where the device counts nothing.
        counts: The same for each layer, in the order of execution; of both passes together.
        name: The answer in words, by the model's task: the name or index of a class, or the values.
        point: Name of the decision point that answered; None if the network's end did.
        passes: 1, or 2 where a second pass answered.
        margin: Of the point that answered, or of the first pass's output; 0 where no setting decided.
    """

    output: npt.NDArray[np.uint8]
    values: npt.NDArray[np.float64]
    widths: tuple[Pair | None, ...]
    unit: str
    count: float | None
    counts: tuple[float, ...] | None
    name: str
    outputs: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    point: str | None = None
    passes: int = 1
    margin: int = 0

    @property
    def top(self) -> int:
        """Index of the largest output."""
        return int(self.output.argmax())

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        return f"{self.name!r}", (
            ("largest value", f"{self.values[self.top]:.4g}"),
            ("widths", ",".join("-" if pair is None else pair_text(pair) for pair in self.widths) or "fixed"),
            *([("answered at", self.point)] if self.point else []),
            *([("passes", str(self.passes))] if self.passes > 1 else []),
            (self.unit, "-" if self.count is None else f"{self.count:,.0f}"),
        )


class Device(Shown):
    """A device that runs a project; a context manager, which closes the link.

    Attributes:
        project: What it runs.
        model: The same model, as a graph.
        client: The link itself, for single messages.
    """

    def __init__(self, project: Project, model: Graph, client: Client) -> None:
        self.project, self.model, self.client = project, model, client
        self._streams = False

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the link, and end the process of an emulated device; safe to repeat."""
        self.client.close()

    @property
    def info(self) -> DeviceInfo:
        """What the device said of itself."""
        return self.client.info

    def infer(self, x: Array | Mapping[str, Array], policy: Policy = "dynamic", *, start: bool = False) -> Answer:
        """Run one sample.

        Args:
            x: [height, width, channels]: uint8 are codes, any other type the model's own units. Of several inputs: such
                an array for each, by name.
            policy: ``"dynamic"``, ``"dynamic:0.4"``, ``"agree:0.995"``, a width pair or vector, a ``Setting``; for a
                model without adaptive layers none.
            start: Of a model with states: begin a new stream, as the first inference does in any case; the others go on
                from the one before.

        Raises:
            UsageError, BadFileError: The input or the policy does not belong to the model.
            LostStreamError: The device restarted in the middle of a stream.
            DeviceError: The device does not answer.
        """
        settled = parse_policy(policy, self.model)
        codes = sample_codes(x, self.model)
        begins = start or not self._streams
        found = self.client.infer(codes.tobytes(), **asked_of(self.model, settled), counts=True, start=begins)
        self._streams = True
        output, counter = np.frombuffer(found.output, np.uint8), self.project.board.counter
        counted = self.client.counted
        values = reals(self.model, output)
        return Answer(
            output,
            values,
            tuple(
                None if k < 0 else layer.options[k] for layer, k in zip(self.model.adaptive, found.choices, strict=True)
            ),
            counter.unit,
            in_units(found.total, counter) if counted else None,
            tuple(in_units(ticks, counter) for ticks in by_layer(self.model, found.counts or ())) if counted else None,
            task_of(self.model).describe(values),
            split_outputs(self.model, values),
            self.model.points[found.point].name if found.point < len(self.model.points) else None,
            found.passes,
            found.margin,
        )

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        return f"{self.project.board.id} runs {self.model.name!r}", (
            ("project", str(self.project.folder)),
            ("input, outputs", f"{self.info.input_size:,} and {self.info.output_size:,} bytes"),
            ("controller", "yes" if self.info.has_controller else "no"),
        )


def connect(
    project: Project | FilePath | None = None,
    port: str | None = None,
    *,
    model: str | None = None,
    baud: int | Literal["auto"] | None = None,
) -> Device:
    """Reach a device that runs a built project. QEMU and native processes are started by this.

    Args:
        project: A project, its folder, or None for the last one that the command ``export`` made here.
        port: Serial port, or ``"unicorn:"`` to emulate the board's chip; None finds a board by its USB id.
        model: Name of one of the project's models; None is the first.
        baud: Rate of a serial line, bits a second, or ``"auto"`` for the highest that works; None is the board's own.
            Where it does not work, the line keeps the board's; ``client.baud`` says which it has.

    Returns:
        The device; use it in a ``with`` block.

    Raises:
        WrongModelError: It is another board, or runs another model.
        DeviceError: The port is missing or busy, or nobody answers.
        BadFileError: The image has not been built.
        ToolchainError: QEMU or Unicorn is not installed.
        UsageError: The board has no such port or rate, or the project no such model.

    Example:
        ```python
        import numpy as np
        import dqt_edge as dqt

        project = dqt.export("digits.safetensors", "host", "digits-host")
        dqt.build(project)
        image = np.zeros((8, 8, 1), np.float32)
        with dqt.connect(project) as device:
            answer = device.infer(image)
            print(answer)
            print(answer.widths, device.infer(image, policy="8x8").values)
        ```
    """
    made = project_of(project)
    graph = made.graph(model)
    if port == "":
        raise UsageError("the port has no name", where="`port`", next_step="leave out the `port`, or name one")
    digest, macs, names = made.model(model).digest, inference_macs(graph), graph.device_layers
    return Device(made, graph, open_client(made.board, made.elf, digest, port, macs=macs, layers=names, baud=baud))


def inference_macs(graph: Graph) -> int:
    """Multiply-accumulates of an inference, all layers together."""
    return sum(graph.macs(layer) for layer in graph.all_layers)
