/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Products of 64 bits on cores that multiply 32 bits by 32 to the low 32 only (Armv6-M), where a compiler would call a
 * library for them and for shifts of 64 bits. Four products of halves; exact. Any core can run them. */
#ifndef DQT_PRODUCT_H
#define DQT_PRODUCT_H

#include <stdint.h>

/* (twice * multiplier + 2^31) >> 32 for any twice and 0 < multiplier < 2^31. The carry from the lowest product is in
 * its high half alone, because 2^31 has nothing in the low ones. Nothing here leaves int32: high * low is at most
 * 32767 * 65535, to which 65534 and 2^15 just fit. */
/*@ requires multiplier >= 1; */
static inline int32_t dqt_product_scale(int32_t twice, int32_t multiplier) {
    const int32_t low = (int32_t)((uint32_t)twice & 0xFFFFu);
    const int32_t high = twice >> 16;
    const int32_t multiplier_low = (int32_t)((uint32_t)multiplier & 0xFFFFu);
    const int32_t multiplier_high = multiplier >> 16;
    const uint32_t lowest = (uint32_t)low * (uint32_t)multiplier_low;
    const int32_t first = high * multiplier_low + (int32_t)(lowest >> 16) + 0x8000;
    const int32_t second = low * multiplier_high + (int32_t)((uint32_t)first & 0xFFFFu);
    return high * multiplier_high + (first >> 16) + (second >> 16);
}

/* clamp((twice * multiplier + 2^(shift-1)) >> shift, low, high). 0 < multiplier < 2^31, shift 1..62, 0 <= low <= high
 * <= 255. */
/*@ requires multiplier >= 1 && 1 <= shift <= 62 && low <= 255 && high <= 255;
    ensures \result <= 255; */
static inline uint32_t dqt_product_code(int32_t twice, int32_t multiplier, uint32_t shift, uint32_t low,
                                        uint32_t high) {
    const uint32_t bottom = (uint32_t)twice * (uint32_t)multiplier; /* the low word of the product */
    /* The high word, rounded half up, counts one too many where the low word is 2^31 or more. */
    int32_t top = dqt_product_scale(twice, multiplier) - (int32_t)(bottom >> 31);
    uint32_t code;
    if (shift > 32u) {
        top = (top + (int32_t)(1u << (shift - 33u))) >> (shift - 32u);
        code = (uint32_t)top;
    } else {
        const uint32_t rounded = bottom + (1u << (shift - 1u));
        top += rounded < bottom;
        code = (uint32_t)top;
        if (shift < 32u) {
            code = top >> shift != 0 ? 256u : (uint32_t)top << (32u - shift) | rounded >> shift;
        }
    }
    if (top < 0 || code < low) {
        return low;
    }
    return code > high ? high : code;
}

#endif
