"""What Python knows of each kernel: one file a family, and a catalogue of them all."""
