"""What the computer gives: files, tools, templates, TensorFlow's start."""
