/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The four functions that gcc may call without being asked, even with -ffreestanding. The empty assembly in each loop
 * keeps the compiler from recognising the loop and replacing it by a call to the very function. */
#include <stddef.h>
#include <stdint.h>

typedef uint32_t __attribute__((may_alias)) word;

#define KEEP_LOOP() __asm__ volatile("" : : : "memory")

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *target = to;
    const uint8_t *source = from;
    if ((((uintptr_t)target | (uintptr_t)source) & 3u) == 0) {
        for (; size >= 4u; size -= 4u) {
            *(word *)(void *)target = *(const word *)(const void *)source;
            target += 4;
            source += 4;
            KEEP_LOOP();
        }
    }
    for (; size > 0; size--) {
        *target++ = *source++;
        KEEP_LOOP();
    }
    return to;
}

__attribute__((used)) void *memmove(void *to, const void *from, size_t size) {
    uint8_t *target = to;
    const uint8_t *source = from;
    if ((uintptr_t)target - (uintptr_t)source >= size) { /* wraps to a large number when target < source */
        for (size_t i = 0; i < size; i++) {
            target[i] = source[i];
            KEEP_LOOP();
        }
    } else {
        for (size_t i = size; i > 0; i--) {
            target[i - 1u] = source[i - 1u];
            KEEP_LOOP();
        }
    }
    return to;
}

__attribute__((used)) void *memset(void *to, int value, size_t size) {
    uint8_t *target = to;
    const uint8_t byte = (uint8_t)value;
    for (; size > 0 && ((uintptr_t)target & 3u) != 0; size--) {
        *target++ = byte;
        KEEP_LOOP();
    }
    for (; size >= 4u; size -= 4u) {
        *(word *)(void *)target = byte * 0x01010101u;
        target += 4;
        KEEP_LOOP();
    }
    for (; size > 0; size--) {
        *target++ = byte;
        KEEP_LOOP();
    }
    return to;
}

__attribute__((used)) int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *left = a;
    const uint8_t *right = b;
    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
        KEEP_LOOP();
    }
    return 0;
}
