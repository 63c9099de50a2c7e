"""From a Graph to a Plan: packed weights, arena offsets, exact bounds, kernels, predicted sizes."""
