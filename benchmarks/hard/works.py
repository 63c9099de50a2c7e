"""Works that are interrupted: what was there before, what is done, and what may be there afterwards."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import dqt_edge as dqt
from dqt_edge.boards import load_board
from dqt_edge.data.load import load_data
from dqt_edge.device.connect import open_client
from dqt_edge.errors import DqtError
from dqt_edge.graph import Graph, checkpoint, interpreter
from dqt_edge.project.build import build
from dqt_edge.project.export import export
from dqt_edge.project.manifest import Project, find_project
from tests.support.digits import digits_graph, other_graph
from tests.support.tflite_models import small_network

SAMPLES = 40
SAVES, IMPORTS = 40, 10
EPOCHS, TRAINED_ON = 4, 200


class Work(ABC):
    """Something that takes the place of an older one.

    ``old`` and ``new`` are models; a work that begins anew has no ``old``.
    """

    name: str
    share = 1.0
    """Of the points at which works are killed."""
    settled_every = 1
    """It is done again behind every so many kills."""
    only_killed = False
    """Too slow for full disks and the like."""

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Make what was there before."""

    @abstractmethod
    def do(self, folder: Path) -> None:
        """The work itself, in a process that may be killed."""

    def busy(self, folder: Path) -> None:
        """What is done in a process that is killed: the work, or one so short that it is done many times."""
        self.do(folder)

    @abstractmethod
    def state(self, folder: Path) -> str:
        """``old`` or ``new``; anything else says what is wrong."""

    def settle(self, folder: Path) -> str:
        """Do it again, undisturbed; what is there then."""
        self.do(folder)
        return self.state(folder)

    @staticmethod
    def strays(folder: Path, known: set[str]) -> str | None:
        """Visible files that belong to nobody; hidden ones are known to be left."""
        found = {path.name for path in folder.iterdir() if not path.name.startswith(".")} - known
        return f"left {sorted(found)}" if found else None


def _whole(path: Path, old: Graph, new: Graph) -> str:
    try:
        found = checkpoint.load(path)
    except DqtError as error:
        return f"neither: {error}"
    return "new" if found == new else "old" if found == old else "another model"


class Save(Work):
    """``save``: a checkpoint over another one."""

    name = "save"

    @cached_property
    def old(self) -> Graph:
        """What was there."""
        graph: Graph = digits_graph()
        return graph

    @cached_property
    def new(self) -> Graph:
        """What is saved."""
        graph: Graph = other_graph()
        return graph

    def prepare(self, folder: Path) -> None:
        """A checkpoint."""
        dqt.save(self.old, folder / "m.safetensors")

    def do(self, folder: Path) -> None:
        """Another one."""
        dqt.save(self.new, folder / "m.safetensors")

    def busy(self, folder: Path) -> None:
        """Old and new by turns."""
        for _ in range(SAVES):
            dqt.save(self.old, folder / "m.safetensors")
            dqt.save(self.new, folder / "m.safetensors")

    def state(self, folder: Path) -> str:
        """By loading it."""
        return self.strays(folder, {"m.safetensors"}) or _whole(folder / "m.safetensors", self.old, self.new)


class Import(Save):
    """``import``: a model of TFLite to a checkpoint."""

    name = "import"

    @cached_property
    def content(self) -> bytes:
        """The model file."""
        return bytes(small_network().encode())

    @cached_property
    def new(self) -> Graph:
        """What comes of it."""
        return dqt.import_model(self.content)

    def do(self, folder: Path) -> None:
        """Import and save."""
        dqt.save(dqt.import_model(self.content), folder / "m.safetensors")

    def busy(self, folder: Path) -> None:
        """Old and imported by turns."""
        for _ in range(IMPORTS):
            dqt.save(self.old, folder / "m.safetensors")
            self.do(folder)


class Export(Save):
    """``export``: a project over that of another model."""

    name = "export"

    def prepare(self, folder: Path) -> None:
        """A project."""
        export(self.old, load_board("qemu-m4"), folder / "p")

    def do(self, folder: Path) -> None:
        """Another one."""
        export(self.new, load_board("qemu-m4"), folder / "p")

    def busy(self, folder: Path) -> None:
        """Once."""
        self.do(folder)

    def state(self, folder: Path) -> str:
        """By the digests of its files, and its model."""
        return self.strays(folder, {"p"}) or self.project_state(folder / "p")

    def project_state(self, folder: Path) -> str:
        """Of one project."""
        try:
            project = find_project(folder)
            graph = project.graph()
        except DqtError as error:
            return f"neither: {error}"
        for name, digest in project.manifest["files"].items():
            path = folder / name
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                return f"neither: {name} is not the project's"
        return "new" if graph == self.new else "old" if graph == self.old else "another model"


class Build(Export):
    """``build``: an image of a project that was built for another model."""

    share = 0.5  # two boards are built for

    def __init__(self, board: str) -> None:
        self.name, self.board = f"build for {board}", load_board(board)

    def prepare(self, folder: Path) -> None:
        """The old model's image, and the new model's project."""
        export(self.old, self.board, folder / "p")
        build(folder / "p", cross=not self.board.is_host)
        export(self.new, self.board, folder / "p")

    def do(self, folder: Path) -> None:
        """The image of what is exported now."""
        build(folder / "p", cross=not self.board.is_host)

    def state(self, folder: Path) -> str:
        """By running it, if there is one; an image that is not there yet counts as old."""
        project = find_project(folder / "p")
        return self.image_state(project) if project.elf.exists() else "old"

    def image_state(self, project: Project) -> str:
        """Whose answer an image gives."""
        rng = np.random.default_rng(1)
        codes = rng.integers(0, 256, self.new.tensor(self.new.input).shape).astype(np.uint8)
        told = list[str]()
        for name, graph in (("new", self.new), ("old", self.old)):
            want = interpreter.run(graph, codes[None], "dynamic").outputs[0].tobytes()
            try:
                with open_client(self.board, project.elf, checkpoint.model_hash(graph)) as client:
                    return name if client.infer(codes.tobytes()).output == want else "neither: a wrong answer"
            except DqtError as error:
                told.append(str(error))
        return f"neither: {told[0]}"


class Profile(Work):
    """``profile --log``: a session that is resumed is what an undisturbed one is."""

    name = "profile --log"

    def __init__(self, folder: Path) -> None:
        self.project = export(replace(digits_graph(), name="digits"), load_board("host"), folder / "p").project
        build(self.project.folder, cross=False)
        data = load_data("digits")
        self.x, self.y = data.x_test[:SAMPLES], data.y_test[:SAMPLES]
        self.whole = folder / "whole"
        self._run(self.whole, resume=False)

    def _run(self, log: Path, *, resume: bool) -> None:
        dqt.profile(self.project, (self.x, self.y), log=log, resume=resume)

    def prepare(self, folder: Path) -> None:
        """Nothing."""

    def do(self, folder: Path) -> None:
        """A session, or the rest of one."""
        self._run(folder / "log", resume=(folder / "log").exists())

    @staticmethod
    def _records(log: Path) -> list[dict[str, Any]]:
        """Without times, which differ from run to run."""
        lines = log.read_bytes().split(b"\n")[:-1]
        found = [json.loads(line) for line in lines]
        return [{k: v for k, v in record.items() if k not in ("total", "counts", "crc")} for record in found]

    def state(self, folder: Path) -> str:
        """Whether its whole lines are the first ones of an undisturbed log."""
        log = folder / "log"
        if not log.exists():
            return "old"
        found, whole = self._records(log), self._records(self.whole)
        if found != whole[: len(found)]:
            return "neither: its records are not those of an undisturbed one"
        return "new" if len(found) == len(whole) else "old"


class Train(Work):
    """``train``: a run over an older checkpoint, which goes on where it was killed.

    Undisturbed it is trained once, in a process of its own, and every run must end with that model.
    """

    name = "train"
    settled_every = 5  # which takes TensorFlow's start each
    only_killed = True

    def __init__(self, folder: Path) -> None:
        self.old, self.first = digits_graph(), folder / "first"
        data = load_data("digits")
        self.x, self.y = data.x_train[:TRAINED_ON], data.y_train[:TRAINED_ON]
        self.first.mkdir()

    @cached_property
    def new(self) -> Graph:
        """What an undisturbed run makes."""
        return checkpoint.load(self.first / "m.safetensors")

    def prepare(self, folder: Path) -> None:
        """A checkpoint of another model; and once, the run that nothing disturbs."""
        if not any(self.first.iterdir()):
            self._apart(self.first)
        dqt.save(self.old, folder / "m.safetensors")

    def do(self, folder: Path) -> None:
        """Train, or go on."""
        out = folder / "m.safetensors"
        resume = (folder / "m.safetensors.state").exists()
        dqt.train((self.x, self.y), out=out, epochs=EPOCHS, save_every=0.0, resume=resume)

    def settle(self, folder: Path) -> str:
        """Go on, in another process."""
        self._apart(folder)
        return self.state(folder)

    def _apart(self, folder: Path) -> None:
        """In a process of its own: others are forked from this one, in which TensorFlow may not have begun."""
        process = multiprocessing.get_context("fork").Process(target=self.do, args=(folder,))
        process.start()
        process.join()
        assert process.exitcode == 0, f"exit code {process.exitcode}"

    def state(self, folder: Path) -> str:
        """By loading it; log and picture come before the model, and the state stays."""
        known = {f"m.{end}" for end in ("safetensors", "safetensors.state", "csv", "svg")}
        return self.strays(folder, known) or _whole(folder / "m.safetensors", self.old, self.new)
