"""Quantisation- and precision-aware training: the only room, with importers/, where TensorFlow lives.

Modules whose first line says so import without TensorFlow; the others need it.
"""
