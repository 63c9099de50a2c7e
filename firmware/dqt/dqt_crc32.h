/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors */
#ifndef DQT_CRC32_H
#define DQT_CRC32_H

#include <stdint.h>

/* CRC-32 as zlib's crc32(): start with crc = 0, feed the result back to go on. size may be 0. */
/*@ requires size == 0 || \valid_read(data + (0 .. size - 1)); */
uint32_t dqt_crc32(uint32_t crc, const uint8_t *data, uint32_t size);

#endif
