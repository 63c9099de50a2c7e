/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Runs of codes, from the first to the last. */
#ifndef DQT_COPY_H
#define DQT_COPY_H

#include <stdint.h>

/* Copies `count` bytes, words at a time where both lie on words; `to` may lie below `from`. Where both are the same
 * place, there is nothing to do. */
static inline void dqt_copy(uint8_t *to, const uint8_t *from, uint32_t count) {
    uint32_t i = to == from ? count : 0u;
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0u) {
        for (; i + 4u <= count; i += 4u) {
            *(uint32_t *)(void *)(to + i) = *(const uint32_t *)(const void *)(from + i);
        }
    }
    for (; i < count; ++i) {
        to[i] = from[i];
    }
}

/* Sets `count` bytes; returns their end. */
static inline uint8_t *dqt_fill(uint8_t *to, uint8_t value, uint32_t count) {
    for (const uint8_t *end = to + count; to < end; ++to) {
        *to = value;
    }
    return to;
}

#endif
