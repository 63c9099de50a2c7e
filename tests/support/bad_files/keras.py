"""Bad .keras and .h5 files, read up to where Keras itself would load them: archive, configuration, weights.

What Keras then finds wrong is told as its own words, by a process of its own; see ``tests/importers/test_keras_*.py``.
"""

from __future__ import annotations

import io
import json
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from dqt_edge.importers.keras.files import looked_at
from dqt_edge.importers.keras.opened import private_copy

from .case import Case, Format
from .keras_config import CODE, FORM, TEXT
from .keras_parts import H5, archive, arrays, good, hdf5, layer, members_of, model, packed, raw, weights


def _read(path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        copy, _ = private_copy(path, Path(name))
        looked_at(copy, Path(name), path)


def _twice() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in [*members_of().items(), ("config.json", b"{}")]:
                archive.writestr(name, content)
    return file.getvalue()


def _claimed(content: bytes, size: int) -> bytes:
    """An archive in whose directory the configuration claims another size, packed and unpacked."""
    return _in_directory(content, 20, 2 * size.to_bytes(4, "little"))


def _in_directory(content: bytes, offset: int, value: bytes) -> bytes:
    """Other bytes in the configuration's entry of the directory."""
    name = b"config.json"
    place = content.index(b"PK\x01\x02")
    while content[place + 46 : place + 46 + len(name)] != name:
        place = content.index(b"PK\x01\x02", place + 4)
    return content[: place + offset] + value + content[place + offset + len(value) :]


def _bomb() -> bytes:
    """200 MB of zeros in 200 kB: the same megabyte, packed once."""
    packer, size = zlib.compressobj(9, zlib.DEFLATED, -15), 1 << 20
    megabyte = packer.compress(bytes(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    content = packed(members_of() | {"config.json": 200 * megabyte + b"\x03\0"})
    return _in_directory(_in_directory(content, 10, b"\x08\0"), 24, (200 * size).to_bytes(4, "little"))


ARCHIVE = {
    "an empty file": raw(lambda c: b"", "it is not an archive of Keras"),
    "a page of text": raw(lambda c: b"<html>" * 99, "it is not an archive of Keras"),
    "an archive of nothing": raw(lambda c: packed({}), "it is not an archive of Keras"),
    "an HDF5 file by the name of an archive": raw(lambda c: weights(), "it is not an archive of Keras"),
    "an archive by the name of HDF5": Case(good, "it is not an HDF5 file", H5),
    "cut off within a member": raw(lambda c: c[: len(c) // 2], "its archive is damaged (File is not a zip file)"),
    "cut off within the directory": raw(lambda c: c[:-60], "its archive is damaged"),
    "cut off before the last byte": raw(lambda c: c[:-1], "its archive is damaged"),
    "without a configuration": archive(lambda m: m.pop("config.json"), "no item named 'config.json'"),
    "a configuration above the archive": archive(
        lambda m: m.update({"../config.json": m.pop("config.json")}), "no item named 'config.json'"
    ),
    "a configuration by its whole path": archive(
        lambda m: m.update({"/config.json": m.pop("config.json")}), "no item named 'config.json'"
    ),
    "without weights": archive(lambda m: m.pop("model.weights.h5"), "no item named 'model.weights.h5'"),
    "weights above the archive": archive(
        lambda m: m.update({"../model.weights.h5": m.pop("model.weights.h5")}), "no item named 'model.weights.h5'"
    ),
    "two configurations": Case(_twice, "its archive holds config.json twice"),
    "a flipped bit in the configuration": raw(
        lambda c: c.replace(b'"Dense"', b'"Eense"'), "Bad CRC-32 for file 'config.json'"
    ),
    "a member that claims 4 GB": raw(lambda c: _claimed(c, 0xFFFFFFF0), "unpacks to 4,29"),
    "a member that claims too little": raw(lambda c: _claimed(c, 9), "config.json"),
    "a bomb": Case(_bomb, "its archive unpacks to 209,"),
    "a member of another name in the directory": raw(
        lambda c: c[: c.rindex(b"config.json")] + b"Config.json" + c[c.rindex(b"config.json") + 11 :],
        "no item named 'config.json'",
    ),
    "a member of another name in its header": raw(
        lambda c: c.replace(b"config.json", b"Config.json", 1), "File name in directory 'config.json' and header"
    ),
    "a member that is locked": raw(lambda c: _in_directory(c, 8, b"\x01\0"), "'config.json'"),
    "a member of an unknown compression": raw(lambda c: _in_directory(c, 10, b"\x63\0"), "That compression method"),
    "a member of an archive of tomorrow": raw(lambda c: _in_directory(c, 6, b"\xff\0"), "version 25.5"),
    "a member behind the end": raw(lambda c: _in_directory(c, 42, b"\xff\xff\xff\x7f"), "its archive is damaged"),
    "metadata that are no JSON": archive(lambda m: m.update({"metadata.json": b"{"}), "metadata.json: Expecting"),
    "metadata with a key twice": archive(
        lambda m: m.update({"metadata.json": b'{"keras_version": "2.1", "keras_version": "3.1"}'}),
        "metadata.json: it has 'keras_version' twice",
    ),
}


def _link(file: Any) -> None:
    import h5py  # noqa: PLC0415 - an optional package

    file["far"] = h5py.ExternalLink("secret", "/x")


def _soft_link(file: Any) -> None:
    import h5py  # noqa: PLC0415 - an optional package

    file["soft"] = h5py.SoftLink("/layers/d/vars/0")


def _virtual(file: Any) -> None:
    import h5py  # noqa: PLC0415 - an optional package

    layout = h5py.VirtualLayout((8,), "f8")
    layout[:] = h5py.VirtualSource("secret", "x", (8,))
    file.create_virtual_dataset("virtual", layout)


def _outside(file: Any) -> None:
    file.create_dataset("stolen", (8,), "f8", external=[("/etc/passwd", 0, 64)])


def _endless(file: Any) -> None:
    file["layers/d/again"] = file["layers"]


def _by_two_names(file: Any) -> None:
    file["y"] = file["layers/d/vars/0"]


def _large(file: Any) -> None:
    file.create_dataset("zeros", (1 << 26,), "f4", chunks=(1 << 16,), compression="gzip")


def _endless_size(file: Any) -> None:
    file.create_dataset("zeros", (1 << 40, 1 << 20), "f8", chunks=(1, 1 << 10))


WEIGHTS = {
    "weights that are no HDF5": archive(
        lambda m: m.update({"model.weights.h5": b"x" * 999}), "its weights cannot be r"
    ),
    "weights cut off": archive(
        lambda m: m.update({"model.weights.h5": m["model.weights.h5"][:700]}), "its weights cannot be read"
    ),
    "weights behind a link to a file": arrays(_link, "its part '/far' is a link"),
    "weights behind a link": arrays(_soft_link, "its part '/soft' is a link"),
    "weights of another file": arrays(_virtual, "its array '/virtual' lies in another file"),
    "weights that are the system's passwords": arrays(_outside, "its array '/stolen' lies in another file"),
    "a group within itself": arrays(_endless, "'/layers/d/again' is there twice"),
    "weights by two names": arrays(_by_two_names, "is there twice"),
    "256 MB of nothing": arrays(_large, "its arrays unpack to 268,"),
    "2^60 values of nothing": arrays(_endless_size, "its arrays unpack to 9,223,"),
}

HDF5 = {
    "an empty HDF5 file": Case(lambda: b"", "it is not an HDF5 file", H5),
    "an HDF5 file of a header": Case(lambda: b"\x89HDF\r\n\x1a\n", "it is no archive", H5),
    "an HDF5 file cut off": Case(lambda: weights()[:500], "it is no archive", H5),
    "weights without a model": hdf5(lambda f: f.attrs.__delitem__("model_config"), "weights without the model"),
    "a model that is a number": hdf5(
        lambda f: f.attrs.__setitem__("model_config", 7), "its configuration is no object"
    ),
    "a model that is many numbers": hdf5(
        lambda f: f.attrs.__setitem__("model_config", np.arange(9)), "its configuration cannot be read"
    ),
    "a model that is no JSON": hdf5(
        lambda f: f.attrs.__setitem__("model_config", "{'a': 1}"), "its configuration cannot be read (Expecting prop"
    ),
    "a model that is no UTF-8": hdf5(
        lambda f: f.attrs.__setitem__("model_config", np.bytes_(b"\xff\xfe")), "can't decode byte 0xff"
    ),
    "a lambda in HDF5": hdf5(
        lambda f: f.attrs.__setitem__("model_config", json.dumps(model(layer("Lambda", "run")))),
        "'run' (Lambda): it holds code",
    ),
    "an old function of TensorFlow": hdf5(
        lambda f: f.attrs.__setitem__(
            "model_config",
            json.dumps(model(layer("TFOpLambda", "op") | {"config": {"name": "op", "function": "io.read_file"}})),
        ),
        "'op' (TFOpLambda): it is TensorFlow's function io.read_file",
    ),
    "an old layer without its configuration": hdf5(
        lambda f: f.attrs.__setitem__("model_config", json.dumps(model({"class_name": "Conv2D"}))),
        "config/layers[0] has no config",
    ),
    "a link to a file in HDF5": hdf5(_link, "its part '/far' is a link"),
    "an array of another file in HDF5": hdf5(_outside, "its array '/stolen' lies in another file"),
}

KERAS = Format(
    "keras",
    "model.keras",
    good,
    _read,
    {**ARCHIVE, **TEXT, **FORM, **CODE, **WEIGHTS, **HDF5},
    least=50,
    around=lambda: {"secret": b"nothing for strangers"},
)
