"""Which boards does a model fit, and what would have to change for the others?

Needs digits.safetensors in the current folder, such as tests/files/digits.safetensors of a checkout.
"""

import dqt_edge as dqt

ranking = dqt.rank_boards("digits.safetensors", ["stm32h7", "qemu-m4", "qemu-m0"])
for fit in ranking.boards:
    free = "-" if fit.report is None else f"{fit.report.spare['flash']:,} bytes of flash"
    print(f"{fit.board.id:10} {'fits' if fit.fits else 'too small'}, {free} to spare")
    for change in fit.changes:
        print(f"           {change}")
