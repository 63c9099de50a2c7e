"""From a Plan to a C project on disk, and from that to an image."""
