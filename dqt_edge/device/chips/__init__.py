"""Unmodified images on an emulated core, against register models of chips written from the vendors' manuals."""
