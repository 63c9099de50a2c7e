"""What bad Keras files are made of: archives, configurations and HDF5, each with one thing changed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .case import Case

Config = dict[str, Any]
H5 = "model.h5"
Members = dict[str, bytes]


def layer(kind: str, name: str, **extra: Any) -> Config:
    """A layer of Keras."""
    return {"class_name": kind, "config": {"name": name}, "module": "keras.layers", **extra}


def model(*layers: Any, **extra: Any) -> Config:
    """A model of these layers."""
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}, **extra}


def dense(**config: Any) -> Config:
    """A dense layer with more in its configuration."""
    made = layer("Dense", "d")
    made["config"] |= config
    return made


@cache
def weights() -> bytes:
    import h5py  # noqa: PLC0415 - an optional package

    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made["layers/d/vars/0"] = np.zeros((4, 3), np.float32)
        made["layers/d/vars/1"] = np.zeros(3, np.float32)
    return file.getvalue()


def members_of(config: Any = None) -> Members:
    found = model(layer("InputLayer", "i"), dense(units=3)) if config is None else config
    return {
        "metadata.json": json.dumps({"keras_version": "3.14.0"}).encode(),
        "config.json": json.dumps(found).encode(),
        "model.weights.h5": weights(),
    }


def packed(members: Members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def good() -> bytes:
    return packed(members_of())


def archive(edit: Callable[[Members], object], told: str) -> Case:
    """An archive whose members were changed."""

    def make() -> bytes:
        members = members_of()
        edit(members)
        return packed(members)

    return Case(make, told)


def raw(edit: Callable[[bytes], bytes], told: str) -> Case:
    return Case(lambda: edit(good()), told)


def config_case(config: Any, told: str) -> Case:
    """Another configuration."""
    return Case(lambda: packed(members_of(config)), told)


def text_case(edit: Callable[[bytes], bytes], told: str) -> Case:
    """The configuration changed as text."""
    return archive(lambda m: m.update({"config.json": edit(m["config.json"])}), told)


def hdf5(edit: Callable[[Any], object], told: str, name: str = H5) -> Case:
    """A whole model in HDF5, changed by h5py; or, by the name of an archive, its weights."""

    def make() -> bytes:
        import h5py  # noqa: PLC0415 - an optional package

        file = io.BytesIO(weights())
        with h5py.File(file, "r+") as opened:
            if name == H5:
                opened.attrs["model_config"] = json.dumps(model(dense(units=3)))
                opened.attrs["keras_version"] = "3.14.0"
            edit(opened)
        return file.getvalue() if name == H5 else packed(members_of() | {"model.weights.h5": file.getvalue()})

    return Case(make, told, name)


def arrays(edit: Callable[[Any], object], told: str) -> Case:
    """The weights of an archive."""
    return hdf5(edit, told, "")
