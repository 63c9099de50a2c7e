"""Export, build, connect: one answer with its widths, then a few samples beside the interpreter.

Needs digits.safetensors in the current folder, and a C compiler: the device is a process of this computer. For a board,
put its id in the place of "host".
"""

from sklearn.datasets import load_digits

import dqt_edge as dqt

image = load_digits().images[0][..., None] / 16  # a zero, 8x8x1, 0..1
project = dqt.export("digits.safetensors", "host", "digits-host")
dqt.build(project)
with dqt.connect(project) as device:
    answer = device.infer(image)
    print(f"class {answer.name}, widths {answer.widths}")
result = dqt.profile(project, "digits", count=8)
result.require_agreement()
print(f"{result.session.samples} samples, accuracy {result.accuracy:.3f}, {result.mismatches} answers differ")
