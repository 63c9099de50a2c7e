/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Runs of codes, from the first to the last. */
#ifndef DQT_COPY_H
#define DQT_COPY_H

#include <stdint.h>

/* Copies `count` bytes, words at a time where both lie on words or the core reads them anywhere; `to` may lie below
 * `from`. Where both are the same place, there is nothing to do. */
static inline void dqt_copy(uint8_t *to, const uint8_t *from, uint32_t count) {
#if defined(__ARM_FEATURE_MVE)
    __asm__ volatile("wlstp.8 lr, %[count], 2f\n"
                     "1:\n"
                     "vldrb.u8 q0, [%[from]], #16\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [to] "+r"(to), [from] "+r"(from)
                     : [count] "r"(count)
                     : "q0", "lr", "memory");
#else
    const uint8_t *end = to + count;
    if (to == from) {
        return;
    }
#if defined(__ARM_FEATURE_UNALIGNED)
    for (const uint8_t *words = to + (count & ~3u); to < words; to += 4, from += 4) {
        uint32_t word;
        __builtin_memcpy(&word, from, sizeof word);
        __builtin_memcpy(to, &word, sizeof word);
    }
#else
    if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0u) {
        for (const uint8_t *words = to + (count & ~3u); to < words; to += 4, from += 4) {
            *(uint32_t *)(void *)to = *(const uint32_t *)(const void *)from;
        }
    }
#endif
    while (to < end) {
        *to++ = *from++;
    }
#endif
}

/* Sets `count` bytes; returns their end. */
static inline uint8_t *dqt_fill(uint8_t *to, uint8_t value, uint32_t count) {
#if defined(__ARM_FEATURE_MVE)
    uint8_t *next = to;
    __asm__ volatile("vdup.8 q0, %[value]\n"
                     "wlstp.8 lr, %[count], 2f\n"
                     "1:\n"
                     "vstrb.8 q0, [%[next]], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [next] "+r"(next)
                     : [count] "r"(count), [value] "r"(value)
                     : "q0", "lr", "memory");
    return to + count;
#else
    const uint8_t *end = to + count;
#if defined(__ARM_FEATURE_UNALIGNED)
    const uint32_t word = value * 0x01010101u;
    for (const uint8_t *words = to + (count & ~3u); to < words; to += 4) {
        __builtin_memcpy(to, &word, sizeof word);
    }
#endif
    while (to < end) {
        *to++ = value;
    }
    return to;
#endif
}

#endif
