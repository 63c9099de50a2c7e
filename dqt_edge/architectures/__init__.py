"""Structures of networks before they have integers: what can be trained, and what only has a cost."""
