"""Importers: networks made elsewhere, as a Graph.

A reader (``tflite.py``, ``keras.py``) makes a :class:`~dqt_edge.importers.network.Network`, in integers or in floating
point. ``calibrate.py`` gives a floating-point network its integers, and ``assemble.py`` makes the Graph.
"""
