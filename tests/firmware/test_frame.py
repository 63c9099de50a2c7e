"""The C frame code equals the Python frame code, byte for byte, under sanitizers."""

from __future__ import annotations

import random
import subprocess
import zlib
from pathlib import Path

import pytest
from cobs import cobs

from dqt_edge.system.resources import data_folder

from .stand_in import SANITIZERS, WARNINGS

SEED = 20261123
LENGTHS = (1, 2, 3, 10, 253, 254, 255, 256, 507, 508, 509, 510, 1000)
CAPACITY = 1000

PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include "dqt_crc32.h"
#include "dqt_frame.h"

/* Lines "e SIZE HEX" (encode), "c ..." (CRC), "d ..." (feed to the one decoder); a line of answer each. */
static uint8_t data[70000];

int main(void) {
    static uint8_t buffer[1000];
    dqt_decoder decoder;
    dqt_decoder_init(&decoder, buffer, sizeof buffer);
    char command;
    unsigned size;
    while (scanf(" %c %u ", &command, &size) == 2) {
        for (unsigned i = 0; i < size; i++) {
            unsigned value;
            if (scanf("%2x", &value) != 1) {
                return 1;
            }
            data[i] = (uint8_t)value;
        }
        if (command == 'c') {
            uint32_t half = size / 2u;
            printf("%08x", (unsigned)dqt_crc32(dqt_crc32(0, data, half), data + half, size - half));
        } else if (command == 'e') {
            uint8_t *exact = malloc(size); /* the sanitizer sees every byte too far */
            dqt_encoder encoder;
            int byte;
            for (uint32_t i = 0; i < size; i++) {
                exact[i] = data[i];
            }
            dqt_encoder_init(&encoder, exact, size);
            while ((byte = dqt_encoder_next(&encoder)) >= 0) {
                printf("%02x", (unsigned)byte);
            }
            free(exact);
        } else {
            for (uint32_t i = 0; i < size; i++) {
                dqt_decode_result result = dqt_decoder_feed(&decoder, data[i]);
                if (result == DQT_DECODE_BAD) {
                    printf("bad ");
                } else if (result == DQT_DECODE_FRAME) {
                    printf("=");
                    for (uint32_t j = 0; j < decoder.size; j++) {
                        printf("%02x", (unsigned)buffer[j]);
                    }
                    printf(" ");
                }
            }
        }
        printf("\\n");
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frame")
    (folder / "main.c").write_text(PROGRAM)
    app, library = data_folder("firmware") / "app", data_folder("firmware") / "dqt"
    command = ["gcc", "-std=c11", "-O1", "-g", *WARNINGS, *SANITIZERS, f"-I{app}", f"-I{library}"]
    sources = [folder / "main.c", app / "dqt_frame.c", library / "dqt_crc32.c"]
    command += [*map(str, sources), "-o", str(folder / "frame")]
    subprocess.run(command, check=True, timeout=600)
    return folder / "frame"


def ask(program: Path, command: str, items: list[bytes]) -> list[str]:
    text = "".join(f"{command} {len(item)} {item.hex()}\n" for item in items)
    done = subprocess.run([program], input=text, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def samples(generator: random.Random) -> list[bytes]:
    """Contents of all lengths round COBS's blocks: without zeros, with few, with many, and only zeros."""
    found = []
    for length in LENGTHS:
        full = bytes(generator.randrange(1, 256) for _ in range(length))
        few = bytearray(full)
        few[generator.randrange(length)] = 0
        edges = bytes([0]) + full[1:-1] + bytes([0])
        found += [full, bytes(few), edges, bytes(generator.choices((0, 7, 255), k=length)), bytes(length)]
    return found


def test_crc_is_zlibs(program: Path) -> None:
    items = samples(random.Random(SEED))
    assert ask(program, "c", items) == [f"{zlib.crc32(item):08x}" for item in items]


def test_encoding_is_the_cobs_packages(program: Path) -> None:
    items = samples(random.Random(SEED + 1))
    assert ask(program, "e", items) == [(cobs.encode(item) + b"\0").hex() for item in items]


def reference(stream: bytes) -> str:
    """What the decoder must say about a stream, by the cobs package."""
    words = []
    for block in stream.split(b"\0")[:-1]:
        if not block:
            continue
        try:
            content = cobs.decode(block)
        except cobs.DecodeError:
            content = bytes(CAPACITY + 1)
        words.append("=" + content.hex() + " " if len(content) <= CAPACITY else "bad ")
    return "".join(words)


def test_decoding_is_the_cobs_packages(program: Path) -> None:
    generator = random.Random(SEED + 2)
    streams = [cobs.encode(item) + b"\0" for item in samples(generator)]
    streams += [bytes(generator.choices(range(256), (8,) + (1,) * 255, k=300)) + b"\0" for _ in range(200)]
    streams += [bytes(generator.choices((0, 1, 2, 3), k=100)) + b"\0" for _ in range(200)]
    assert ask(program, "d", streams) == [reference(stream) for stream in streams]


@pytest.mark.parametrize("excess", [1, 2, 300, 60000])
def test_a_frame_that_is_too_long_is_dropped_and_the_next_is_read(program: Path, excess: int) -> None:
    longest, over = bytes([9]) * CAPACITY, bytes([9]) * (CAPACITY + excess)
    stream = cobs.encode(longest) + b"\0" + cobs.encode(over) + b"\0" + cobs.encode(b"next") + b"\0"
    assert ask(program, "d", [stream]) == [f"={longest.hex()} bad ={b'next'.hex()} "]
