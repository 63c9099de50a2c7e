"""A copy of a Keras file with another configuration, and with its weights where Keras 3 looks for them."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

_WEIGHTS, _CONFIG = "model.weights.h5", "config.json"
_OLD_LAYERS, _LAYERS = "_layer_checkpoint_dependencies", "layers"
"""Group that holds the layers of a model, before Keras 2.14 and since."""


def modernised(path: Path, folder: Path, config: dict[str, Any]) -> Path:
    """Write a copy of ``path`` with ``config`` into ``folder``."""
    import h5py  # noqa: PLC0415 - comes with Keras

    if path.suffix != ".keras":
        copied = Path(shutil.copyfile(path, folder / "model.h5"))
        with h5py.File(copied, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        return copied
    made, weights = folder / "model.keras", folder / _WEIGHTS
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(made, "w") as target:
        with source.open(_WEIGHTS) as packed, weights.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
        with h5py.File(weights, "r+") as file:
            _rename(file, h5py.Group)
        target.writestr(_CONFIG, json.dumps(config))
        target.writestr("metadata.json", source.read("metadata.json"))
        target.write(weights, _WEIGHTS)
    return made


def _rename(group: Any, kind: type) -> None:  # noqa: ANN401 - a group of HDF5
    if _OLD_LAYERS in group and _LAYERS not in group:
        group.move(_OLD_LAYERS, _LAYERS)
    for name in group:
        if isinstance(group.get(name, getlink=False), kind):
            _rename(group[name], kind)
