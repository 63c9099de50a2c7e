"""dqt-edge: neural networks whose integer precision adapts to each input, on microcontrollers."""

__version__ = "0.1.0"
