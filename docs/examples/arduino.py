"""The C library of a model as an Arduino library.

Needs digits.safetensors in the current folder.
"""

import dqt_edge as dqt

library = dqt.export_library("digits.safetensors", "qemu-m4", "arduino", "dqt_digits")
print(f"wrote {library.folder}: {library.next_step}")
