"""The Python face: on arrays as on files, with the same errors as the commands."""
