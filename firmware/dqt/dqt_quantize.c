/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Numbers to codes and back, in integers. Not used by the network itself. */
#include "dqt_tables.h"
#include "dqt_product.h"

/* (a * b + 2^(shift-1)) >> shift for b > 0 and shift 1..62, saturated to int32. In 32-bit words: cores that lack a long
 * multiplication would call a library. */
/*@ requires b >= 1 && 1 <= shift <= 62; */
static int32_t scaled(int32_t a, int32_t b, uint32_t shift) {
    const uint32_t low = (uint32_t)a * (uint32_t)b;
    int32_t high = dqt_product_scale(a, b) - (int32_t)(low >> 31); /* of the product: 2^-62 .. 2^62 */
    if (shift > 32u) {
        return (high + (int32_t)(1u << (shift - 33u))) >> (shift - 32u);
    }
    const uint32_t rounded = low + (1u << (shift - 1u));
    high += rounded < low;
    if (shift == 32u) {
        return high;
    }
    const int32_t limit = (int32_t)(1u << (shift - 1u)); /* the result fits if high lies within -limit .. limit - 1 */
    if (high >= limit) {
        return INT32_MAX;
    }
    return high < -limit ? INT32_MIN : (int32_t)((uint32_t)high << (32u - shift) | rounded >> shift);
}

/*@ requires \valid_read(scale) && scale->to_code >= 1 && 1 <= scale->to_code_shift <= 62; */
uint8_t dqt_quantize(const dqt_scale *scale, int32_t number) {
    const int32_t steps = scaled(number, scale->to_code, scale->to_code_shift);
    if (steps < -(int32_t)scale->zero_point) {
        return 0;
    }
    return (uint8_t)(steps > 255 - scale->zero_point ? 255 : steps + scale->zero_point);
}

/*@ requires \valid_read(scale) && scale->to_number >= 1 && 1 <= scale->to_number_shift <= 62; */
int32_t dqt_dequantize(const dqt_scale *scale, uint8_t code) {
    return scaled((int32_t)code - scale->zero_point, scale->to_number, scale->to_number_shift);
}
