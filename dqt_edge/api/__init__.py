"""The functions of ``import dqt_edge``, one module a step. Each imports what it needs when it is called."""
