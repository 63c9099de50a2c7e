"""From data to a trained model."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..architectures.models import spec_of
from ..data.dataset import require_training
from ..errors import BadFileError, UsageError
from ..graph import Graph, Pair, checkpoint
from ..system.files import write_atomically
from ..system.show import Facts, Shown
from ..system.tensorflow import start_tensorflow
from ..tasks import stated
from ..training.design import design_of
from ..training.initial import Initial
from ..training.options import DEFAULT_CANDIDATES, Options, parse_candidates, parse_points
from ..training.pace import Step
from .given import Data, FilePath, checkpoint_path, dataset_of

if TYPE_CHECKING:
    from ..training.initial import Earlier
    from ..training.tensorboard import Board

Row = dict[str, Any]
KERAS_SUFFIXES = (".keras", ".h5")
MODEL_SUFFIXES = (*KERAS_SUFFIXES, ".onnx", ".tflite")


@dataclass(frozen=True, repr=False)
class Trained(Shown):
    """What a training run made.

    Attributes:
        log: A row for each epoch: phase, loss, the task's figure of each policy (shares in per cent), cost.
        best_epoch: The epoch that was kept, counted from 1.
        budget: The budget of the run.
        files: What was written: checkpoint, log, and a picture of it where the extra ``report`` is installed.
        chief: False for a worker of a distributed run that another one leads: it has no graph and writes nothing.
        lowered: The model, or None; see :attr:`graph`.
    """

    log: tuple[Row, ...]
    best_epoch: int
    budget: float
    files: tuple[Path, ...]
    chief: bool
    lowered: Graph | None

    @property
    def graph(self) -> Graph:
        """The trained model; raises UsageError where there is none."""
        if self.lowered is None:
            raise UsageError(
                "this run made no graph",
                where="training",
                next_step="train with `view` centred, and read the graph from the chief of the workers",
            )
        return self.lowered

    @property
    def results(self) -> Mapping[str, Mapping[str, Any]]:
        """Policy -> figures of the task, samples, bitops_ratio ... on the held-out samples, in integers."""
        found: Mapping[str, Mapping[str, Any]] = {} if self.lowered is None else self.lowered.provenance["keras"]
        return found

    @property
    def over_budget(self) -> bool:
        """Whether the controller spends more on the held-out samples than the budget."""
        dynamic = self.results.get("dynamic")
        return dynamic is not None and dynamic["bitops_ratio"] > self.budget

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": None if self.lowered is None else self.lowered.name,
            "results": {name: dict(found) for name, found in self.results.items()},
            "budget": self.budget,
            "over_budget": self.over_budget,
            "best_epoch": self.best_epoch,
            "log": [dict(row) for row in self.log],
            "files": [str(path) for path in self.files],
        }

    def facts(self) -> tuple[str, Facts]:
        """See :class:`Shown`."""
        rows = [
            (
                name,
                ", ".join(f"{figure.title} {figure.text}" for figure in stated(found))
                + f", {found['bitops_ratio']:.3f} BitOPs",
            )
            for name, found in self.results.items()
        ]
        name = "no graph" if self.lowered is None else repr(self.lowered.name)
        return f"{name}, best epoch {self.best_epoch} of {len(self.log)}", rows


def train(
    data: Data = Options.data,
    model: str | os.PathLike[str] | Any = Options.model,  # noqa: ANN401 - a Keras model
    *,
    out: FilePath | None = None,
    resume: bool = False,
    init: str | None = None,
    candidates: str | Sequence[Pair] = DEFAULT_CANDIDATES,
    budget: float = Options.budget,
    epochs: int = Options.epochs,
    seed: int = Options.seed,
    batch: int = Options.batch,
    learning_rate: float = Options.learning_rate,
    beta: float = Options.beta,
    consistency: float = Options.consistency,
    full_weight: float = Options.full_weight,
    balance: float = Options.balance,
    focus: float = Options.focus,
    diversity: float = Options.diversity,
    shift: int | None = None,
    flip: bool = False,
    warmup: int | None = None,
    validation: float = Options.validation,
    narrow_share: float = Options.narrow_share,
    view: Literal["centred", "paper", "plain"] = Options.view,
    scales: Literal["learned", "ema"] = Options.scales,
    image_size: int | None = None,
    channels: int = Options.channels,
    crop_area: float = Options.crop_area,
    points: bool | str | Sequence[str] = False,
    point_weight: float = Options.point_weight,
    controller: Literal["auto", "own", "none"] = Options.controller,
    task: str | None = None,
    loss: str | Callable[[Any, Any], Any] | None = None,
    distribute: Literal["auto", "none", "mirrored", "workers"] = "auto",
    save_every: float = 5.0,
    tensorboard: FilePath | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
    on_step: Callable[[Step], None] = lambda _: None,
    on_epoch: Callable[[Row], None] = lambda _: None,
) -> Trained:
    """Train a model whose precision adapts to each input. The same seed and data give the same model.

    Args:
        data: ``"digits"``, ``"cifar10"``, an ``.npz`` file, a folder of images, or arrays ``(x, y)`` or
            ``(x, y, x_test, y_test)``: images [n, h, w] or [n, h, w, c] and class numbers [n], or the targets of
            another task; of an autoencoder ``(x,)``.
        model: Name of a model, such as ``"tiny"``; a ``.keras`` or ``.h5`` file, or a float ``.onnx`` or ``.tflite``
            one; or a Keras model in memory, whose weights the run starts with.
        out: Checkpoint to write, ``.safetensors``. Beside it come a log, a picture of it, and the state of the run.
            None: nothing is written.
        resume: Go on where a stopped run with the same ``out`` left off.
        init: Weights to start with: a ``.keras``, ``.h5``, ``.onnx`` or ``.tflite`` file, or the checkpoint of an
            earlier run.
        candidates: Width pairs of the adaptive layers, 8x8 among them: text such as ``"8x8,4x4,2x4"``, or pairs.
        budget: Mean BitOPs allowed, as a part of everything at 8x8, 0..1.
        epochs: Passes over the training set, 4 or more; with ``init`` 1 or more.
        seed: The same seed repeats a run on the same machine.
        batch: Samples of a step.
        learning_rate: Peak of the cosine schedule.
        beta: Weight of the budget; 0 enforces none, as in the paper.
        consistency: Weight of the fixed-width passes.
        full_weight: Weight of the 8-bit pass among those.
        balance: 0 weighs all samples alike, 1 all classes.
        focus: Reward for precision where narrowing hurts.
        diversity: Reward for choices that differ between inputs.
        shift: Largest random shift of a training image, pixels; None is 1 for digits and 0 for other data.
        flip: Mirror training images at random.
        warmup: Epochs in floating point first; None is a quarter of them, with ``init`` none.
        validation: Part of the training samples that is kept to choose by, up to 0.5.
        narrow_share: Part of each batch that narrow passes see, up to 1; less is faster.
        view: How narrow views are made; ``"paper"`` and ``"plain"`` only for comparison, without a graph.
        scales: Trained scales and clips, or averages of what is seen.
        image_size: Height and width that the images of a folder get, pixels.
        channels: Of the images of a folder: 1 for grey, 3 for colour.
        crop_area: Least part of a folder's training image that a random crop shows; 1 crops none.
        points: Decision points, behind which an easy input is answered early: True for those that the named model is
            known to suit, or the layers behind which they lie, as names or text such as ``"conv1,sum"``.
        point_weight: Weight of each point's loss.
        controller: Whether one is trained: ``"auto"`` where there are no points, ``"own"`` always, ``"none"`` never.
            Without one, the widths are chosen afterwards.
        task: What the outputs stand for: ``"classifier"``, ``"binary"``, ``"regression"``, ``"reconstruction"`` or
            ``"map"``; None follows from the targets and the network.
        loss: ``"cross-entropy"``, ``"binary"``, ``"mse"`` or ``"mae"``; None is the usual one of the task. Or a
            function of targets and outputs, TensorFlow tensors in the data's unit, to one number or one a sample.
        distribute: One device, all GPUs, or the workers of TF_CONFIG.
        save_every: Minutes between savings of the state within an epoch.
        tensorboard: Folder for TensorBoard: the numbers of the log, as they come, in a folder of it with the name of
            ``out``, or else of the model.
        on_stage: Called with the name of each stage as it begins.
        on_step: Called behind each step with where the run is.
        on_epoch: Called with the row of each epoch, which the log on disk has by then.

    Returns:
        The graph, how good it is on the held-out samples, and the log.

    Raises:
        UsageError: A value out of range, an unknown name, a budget below the least widths, or a model whose outputs
            are not the classes of the data. As far as it can be known, before TensorFlow starts.
        BadFileError: The data is missing or damaged, or ``out`` cannot be written.
        UnsupportedError: A layer of the Keras model that cannot be trained.
        ToolchainError: TensorFlow is not installed.
        MismatchError: Keras and the interpreter disagree in a code; nothing is written.

    Example:
        ```python
        import dqt_edge as dqt

        trained = dqt.train("digits", "tiny-plain", epochs=4, batch=256, candidates="8x8,4x4")
        print(trained)
        print(trained.results["8x8"]["accuracy"])
        dqt.save(trained.graph, "tiny.safetensors")
        ```
    """
    named = isinstance(model, str | os.PathLike)
    name = os.fspath(model) if named else str(getattr(model, "name", "model"))
    if not named or Path(name).suffix in MODEL_SUFFIXES:
        init = init or name
    options = Options(
        data=os.fspath(data) if isinstance(data, str | os.PathLike) else "arrays",
        model=name, candidates=parse_candidates(candidates), budget=budget, epochs=epochs, seed=seed, batch=batch,
        learning_rate=learning_rate, beta=beta, consistency=consistency, full_weight=full_weight, balance=balance,
        focus=focus, diversity=diversity, shift=shift, flip=flip, init=init, warmup=warmup, validation=validation,
        narrow_share=narrow_share, view=view, scales=scales, image_size=image_size, channels=channels,
        crop_area=crop_area, points=parse_points(points), point_weight=point_weight, controller=controller,
        task=task, loss="given" if callable(loss) else loss,
    )  # fmt: skip
    if resume and out is None:
        raise UsageError(
            "there is no run to go on with", where="parameter `resume`", next_step="name the checkpoint with `out`"
        )
    path = None if out is None else checkpoint_path(out)
    folder = None if tensorboard is None else _folder(tensorboard, path, name)
    if named and Path(name).suffix not in MODEL_SUFFIXES:
        spec_of(name, 2)  # refuses an unknown name before the data is read
    on_stage("reading data")
    dataset = dataset_of(data, options.validation, shape=options.image_shape, crop_area=options.crop_area)
    require_training(dataset)
    initial = early_initial(options.init, task)
    if options.init is None or initial is not None:
        design_of(options, dataset, initial if isinstance(initial, Initial) else None)
    on_stage("starting TensorFlow")
    start_tensorflow()
    from ..training.distribution import find_devices

    devices = find_devices(distribute)  # before anything else of TensorFlow
    if initial is None:
        initial = initial_of(init if named or init != name else model, task)
    from ..training.finish import finished_graph
    from ..training.loop import train as run_training

    on_stage("training")
    with _state_folder(path) as where, _Records(path, folder, on_epoch) as records:
        outcome = run_training(
            options,
            where,
            dataset=dataset,
            initial=initial,
            resume=resume,
            on_begin=records.begin if devices.chief else None,
            on_step=on_step if devices.chief else None,
            on_epoch=records.epoch if devices.chief else None,
            devices=devices,
            save_every=save_every,
            loss=loss if callable(loss) else None,
        )
    log, best = tuple(outcome.log), outcome.best_epoch
    if not devices.chief:
        return Trained(log, best, budget, (), chief=False, lowered=None)
    graph = None
    if options.view == "centred":
        on_stage("measuring")
        graph = finished_graph(outcome, options)
    written = () if path is None else _write(path, outcome.log, graph)
    return Trained(log, best, budget, written, chief=True, lowered=graph)


def initial_of(init: str | Any | None, task: str | None = None) -> Initial | Earlier | None:  # noqa: ANN401 - a Keras model
    """What a run starts with: the path of a model file or of an earlier checkpoint, or a Keras model in memory.

    A sigmoid at the end stays where the task needs its value.
    """
    from ..training.design import NUMBERS
    from ..training.from_model import read_trainable, trainable
    from ..training.state import read_earlier

    if init is None:
        return None
    if isinstance(init, str):
        path = Path(init)
        return read_earlier(path) if path.suffix == ".safetensors" else read_trainable(path, keep_end=task in NUMBERS)
    from .importing import keras_network

    network = keras_network(init)
    return trainable(network.with_end() if task in NUMBERS else network, str(init.name))


def early_initial(init: str | None, task: str | None) -> Initial | Earlier | None:
    """What can be read without TensorFlow of what a run starts with; None where that is nothing.

    Raises:
        BadFileError: The file does not exist, or is damaged.
    """
    if init is None or Path(init).suffix not in (".safetensors", *MODEL_SUFFIXES):
        return None
    path = Path(init)
    if path.suffix in KERAS_SUFFIXES:
        if not path.exists():
            raise BadFileError("the model file does not exist", where=init, next_step="check the path")
        return None
    return initial_of(init, task)


def _folder(tensorboard: FilePath, out: Path | None, model: str) -> Path:
    """Where TensorBoard's events of a run go."""
    return Path(tensorboard) / (Path(model).stem if out is None else out.stem)


class _Records:
    """What is on the disk when an epoch ends: the log, and TensorBoard's events."""

    def __init__(self, out: Path | None, folder: Path | None, on_epoch: Callable[[Row], None]) -> None:
        self.out, self.folder, self.on_epoch = out, folder, on_epoch
        self.log: list[Row] = []
        self.board: Board | None = None

    def __enter__(self) -> _Records:
        return self

    def __exit__(self, *_: object) -> None:
        if self.board is not None:
            self.board.close()

    def begin(self, log: list[Row]) -> None:
        """Take the epochs that are done already."""
        self.log = log
        if self.folder is not None:
            from ..training.tensorboard import Board

            self.board = Board(self.folder)
            self.board.begin(log)

    def epoch(self, row: Row) -> None:
        """Write an epoch, then tell of it."""
        from ..training.finish import write_log

        self.log.append(row)
        if self.out is not None:
            write_log(self.out.with_suffix(".csv"), self.log)
        if self.board is not None:
            self.board.epoch(row)
        self.on_epoch(row)


@contextlib.contextmanager
def _state_folder(path: Path | None) -> Iterator[Path]:
    """Path beside which the state of the run lies; without an output, for as long as it runs."""
    if path is not None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "run.safetensors"


def _write(path: Path, log: list[Row], graph: Graph | None) -> tuple[Path, ...]:
    """Log, picture and checkpoint."""
    from ..report.run_picture import run_picture
    from ..training.finish import write_log

    written = [path.with_suffix(".csv")]
    write_log(written[0], log)
    picture = run_picture(log, {} if graph is None else graph.provenance["keras"])
    if picture is not None:
        written.append(path.with_suffix(".svg"))
        write_atomically(written[-1], picture.encode())
    if graph is not None:
        checkpoint.save(graph, path)
        written.insert(0, path)
    return tuple(written)
