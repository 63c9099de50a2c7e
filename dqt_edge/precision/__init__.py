"""Precision after training: what widths cost, how much each layer suffers, and the best fixed widths for a budget."""
