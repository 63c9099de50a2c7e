"""Heads for a finished network: decision points behind its layers, which learn while the network stays what it is."""
