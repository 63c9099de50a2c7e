"""Data sets: reading, splitting, augmenting, choosing samples and checking them. Imports without TensorFlow."""
