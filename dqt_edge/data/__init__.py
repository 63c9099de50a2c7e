"""Data sets: reading, splitting, augmenting, and counting right answers. Only reading of images starts TensorFlow."""
