"""Runs samples on a device, compares every answer with the interpreter's, and reports."""
