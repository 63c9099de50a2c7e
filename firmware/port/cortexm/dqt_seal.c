/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Whether the image in flash is the one that was linked. The build writes its size and CRC-32 over the seal (seal.py);
 * the linker script puts the seal right behind the vectors, so that an image that is cut off still has it. */
#include "dqt_cortexm.h"
#include "dqt_crc32.h"
#include "dqt_port.h"

typedef struct {
    uint32_t size; /* bytes of the image, from the vectors to the initial values of variables, this seal included */
    uint32_t crc;  /* CRC-32 (zlib) of all of them but those of this seal */
} dqt_seal;

/* "DQTSEAL0": what seal.py looks for, and what an image holds that nobody sealed. */
#define UNSEALED_SIZE 0x53545144u
#define UNSEALED_CRC 0x304C4145u

/* volatile: its value is not known when this is compiled. */
__attribute__((section(".dqt_seal"), used)) static const volatile dqt_seal seal = {UNSEALED_SIZE, UNSEALED_CRC};

extern const uint8_t __image_start[], __image_end[];

uint32_t dqt_cortexm_image_crc(void) {
    return seal.crc;
}

dqt_image_state dqt_port_check_image(void) {
    const uint32_t start = (uint32_t)__image_start;
    const uint32_t behind = (uint32_t)&seal + sizeof seal;
    const uint32_t end = (uint32_t)__image_end;
    const uint32_t size = seal.size;
    const uint32_t wanted = seal.crc;
    if (size == UNSEALED_SIZE && wanted == UNSEALED_CRC) {
        return DQT_IMAGE_UNSEALED;
    }
    if (size != end - start) {
        return DQT_IMAGE_DAMAGED;
    }
    uint32_t crc = dqt_crc32(0, __image_start, (uint32_t)&seal - start);
    crc = dqt_crc32(crc, (const uint8_t *)behind, end - behind);
    return crc == wanted ? DQT_IMAGE_WHOLE : DQT_IMAGE_DAMAGED;
}
