"""What does precision buy? Accuracy and mean cost of a model under several policies, in the integers of a device.

Needs digits.safetensors in the current folder. No device and no compiler.
"""

import dqt_edge as dqt

graph = dqt.load("digits.safetensors")
for policy in ("8x8", "4x4", "2x4", "dynamic"):
    found = dqt.validate(graph, "digits", policy=policy, count=60)
    print(f"{policy:8} accuracy {found.accuracy:.3f} at {found.bitops_ratio:.3f} of the 8x8 BitOPs")
