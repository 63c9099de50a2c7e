"""Run by the Python of BakeNN's own environment: a .tflite file to C, and what its output must be.

``peer_bakenn.py MODEL.tflite FOLDER NAME overlay|portable`` prints one line of JSON: arena bytes and the CRC-32 of the
output by BakeNN's integer reference, or ``error``.
"""

import json
import re
import sys
import zlib
from pathlib import Path

import bakenn
import numpy as np
from bakenn.backend.portable_c.selection import CBackendOptions, KernelPolicy

DEFINE = re.compile(r"#define BKNN_\w+ \S+$")


def main() -> None:
    """See the module."""
    model, folder, name, kernels = sys.argv[1:]
    options = CBackendOptions()
    if kernels == "overlay":
        options = CBackendOptions(KernelPolicy.STATIC_PRIORITY, enable_cmsis_nn=True, target=bakenn.CORTEX_M4)
    try:
        compiled = bakenn.compile_tflite(model, folder, name=name, backend_options=options)
    except bakenn.BakeNNError as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return
    header = (Path(folder) / f"bknn_{name}.h").read_text(encoding="utf-8")
    words = {line.split()[1]: line.split()[2] for line in header.splitlines() if DEFINE.match(line)}
    prefix = f"BKNN_{name.upper()}_"
    rank = int(words[f"{prefix}INPUT_RANK"].rstrip("u"))
    shape = tuple(int(words[f"{prefix}INPUT_DIM_{i}"].rstrip("u")) for i in range(rank))
    place = np.arange(int(np.prod(shape)), dtype=np.uint64) * 0x9E3779B1 & 0xFFFFFFFF
    codes = (place >> 24).astype(np.uint8).view(np.int8).reshape(shape)
    output = np.ascontiguousarray(bakenn.run_reference(compiled.plan, codes))
    arena = int(words[f"{prefix}ARENA_SIZE"].rstrip("u"))
    print(json.dumps({"arena": arena, "crc": zlib.crc32(output.tobytes()), "version": "1.0.0"}))


if __name__ == "__main__":
    main()
