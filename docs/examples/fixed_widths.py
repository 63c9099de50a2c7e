"""Find the best fixed widths within half of the cost, without training, and write a checkpoint with them.

Needs digits.safetensors in the current folder.
"""

import dqt_edge as dqt

found = dqt.search("digits.safetensors", "digits", budget=0.5, samples=32, count=40, trials=0)
print(f"widths {found.policy}, {found.best.bitops_ratio:.3f} of the 8x8 BitOPs, accuracy {found.best.accuracy:.3f}")
dqt.save(found.graph, "half.safetensors")
