"""Reads files in Intel HEX. ``zig_tools.py``, which stands alone, writes them."""

from __future__ import annotations

DATA, END, UPPER = 0, 1, 4
"""Types of records: bytes, the end, and the upper half of addresses."""


def hex_bytes(content: bytes, address: int) -> bytes:
    """Bytes of a file in Intel HEX from an address on, up to the first gap.

    Raises:
        ValueError: A record is damaged.
    """
    found: dict[int, int] = {}
    upper = 0
    for line in content.decode("ascii").split():
        record = bytes.fromhex(line.removeprefix(":"))
        if not line.startswith(":") or len(record) != record[0] + 5 or sum(record) & 0xFF:
            raise ValueError(f"a record of Intel HEX is damaged: {line}")
        at, kind, data = int.from_bytes(record[1:3], "big"), record[3], record[4:-1]
        if kind == UPPER:
            upper = int.from_bytes(data, "big") << 16
        elif kind == DATA:
            found.update((upper + at + i, byte) for i, byte in enumerate(data))
        elif kind == END:
            break
    result = bytearray()
    while address + len(result) in found:
        result.append(found[address + len(result)])
    return bytes(result)
