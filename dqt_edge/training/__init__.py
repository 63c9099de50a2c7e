"""Quantisation- and precision-aware training: the only room, with importers/, where TensorFlow lives.

``data``, ``options``, ``spec`` and ``models`` import without TensorFlow; everything else needs it.
"""
