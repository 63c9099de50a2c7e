"""The framed protocol between the host and a board, QEMU, Unicorn or a native process."""
