"""What a training run needs to go on after a stop: one file, written whole or not at all, every few minutes.

All randomness of a step follows from the seed and the numbers of epoch and step, so weights, optimizer, log and
position are the whole state, and a resumed run ends with the same bits as one that was never stopped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadFileError, UsageError
from ..system.files import write_atomically
from .initial import Earlier
from .options import Options

Arrays = dict[str, npt.NDArray[Any]]
FORMAT = 2
FILE_MAX = 4 << 30


@dataclass
class State:
    """Position and values of a run.

    Attributes:
        epoch: Epochs done.
        variables: The model's variables, by name.
        optimizer: The current phase's optimizer variables, by index.
        best: The model's variables at the best epoch so far; empty before there is one.
        best_score: Its score; compared as a list.
        fused: Additions that are fused.
        log: One row for each epoch done.
        step: Steps done of the epoch behind those.
        totals: Loss and accuracy summed over these steps.
        nested: Whether the nested phase has begun: scales are set, and the optimizers are its own.
    """

    epoch: int = 0
    variables: Arrays = field(default_factory=dict)
    optimizer: Arrays = field(default_factory=dict)
    best: Arrays = field(default_factory=dict)
    best_score: list[float] = field(default_factory=list)
    fused: list[str] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    step: int = 0
    totals: list[float] = field(default_factory=list)
    nested: bool = False


def state_file(out: Path) -> Path:
    """Where the state of a run with that output lies."""
    return out.with_name(f"{out.name}.state") / "state.safetensors"


def save_state(path: Path, state: State, options: Options, samples: int) -> None:
    """Write atomically.

    Args:
        path: See :func:`state_file`.
        state: What to write.
        options: Of the run.
        samples: Size of the training set.

    Raises:
        BadFileError: The folder cannot be made or written.
    """
    from safetensors.numpy import save  # noqa: PLC0415 - keeps the command line's start fast

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFileError(
            f"cannot make the folder of the training state: {error.strerror or error}",
            where=str(path.parent),
            next_step="check that the folder of `out` exists and is writable",
        ) from error
    groups = {"variables": state.variables, "optimizer": state.optimizer, "best": state.best}
    arrays = {f"{group}/{name}": np.asarray(a, order="C") for group, part in groups.items() for name, a in part.items()}
    manifest = {
        "format": FORMAT,
        "options": options.as_json(),
        "samples": samples,
        "step": state.step,
        "totals": state.totals,
        "nested": state.nested,
        "epoch": state.epoch,
        "best_score": state.best_score,
        "fused": state.fused,
        "log": state.log,
    }
    write_atomically(path, save(arrays, {"dqt_edge_state": json.dumps(manifest, sort_keys=True)}))


def load_state(path: Path, options: Options, samples: int) -> State | None:
    """State of an earlier run with the same options on as many training samples; None where there is none.

    Raises:
        BadFileError: The file is damaged.
        UsageError: It belongs to a run with other options, or other data.
    """
    from safetensors import safe_open  # noqa: PLC0415 - keeps the command line's start fast

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            manifest = json.loads(file.metadata()["dqt_edge_state"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}")
        groups: dict[str, Arrays] = {"variables": {}, "optimizer": {}, "best": {}}
        for name, array in arrays.items():
            group, _, rest = name.partition("/")
            groups[group][rest] = array
        found, wanted = manifest["options"], options.as_json()
        state = State(
            int(manifest["epoch"]),
            **groups,
            best_score=[float(v) for v in manifest["best_score"]],
            fused=[str(v) for v in manifest["fused"]],
            log=list(manifest["log"]),
            step=int(manifest["step"]),
            totals=[float(v) for v in manifest["totals"]],
            nested=bool(manifest["nested"]),
        )
        seen = int(manifest["samples"])
    except Exception as error:  # safetensors raises its own, undocumented types
        raise BadFileError(
            f"the training state is damaged ({type(error).__name__}: {error})",
            where=str(path),
            next_step="delete its folder and train from the start, without `resume`",
        ) from error
    changed = sorted(name for name in wanted if found.get(name) != wanted[name])
    if changed:
        name = changed[0]
        raise UsageError(
            f"the stopped run had `{name}` {found.get(name)}, now it is {wanted[name]}",
            where=str(path),
            next_step="resume with the same values, or train from the start without `resume`",
        )
    if seen != samples:
        raise UsageError(
            f"the stopped run had {seen:,} training samples, now there are {samples:,}",
            where=str(path),
            next_step="give the same data, or train from the start without `resume`",
        )
    return state


def read_earlier(out: Path) -> Earlier:
    """The network of the finished run that wrote a checkpoint, from the state beside it.

    Raises:
        BadFileError: The state is missing, damaged, or has no best epoch yet.
    """
    from safetensors import safe_open  # noqa: PLC0415 - keeps the command line's start fast

    path = state_file(out)
    if not path.is_file():
        raise BadFileError(
            "there is no training state beside this checkpoint",
            where=str(path),
            next_step="give the `out` of a training run of this machine, with its folder <out>.state",
        )
    try:
        with safe_open(path, framework="numpy") as file:
            best = [name for name in file.keys() if name.startswith("best/")]  # noqa: SIM118 - not a mapping
            values = {name.partition(".")[2]: file.get_tensor(name) for name in best}
    except Exception as error:  # safetensors raises its own, undocumented types
        raise BadFileError(
            f"the training state is damaged ({type(error).__name__}: {error})",
            where=str(path),
            next_step="train that run again",
        ) from error
    if not values:
        raise BadFileError(
            "the earlier run is not finished: it has no best epoch", where=str(path), next_step="`resume` it first"
        )
    return Earlier(str(out), values)
