"""Writing an image into a board's flash: what is written where, and one file a runner."""
