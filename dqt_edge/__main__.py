"""``python -m dqt_edge``."""

from .cli import main

main()
