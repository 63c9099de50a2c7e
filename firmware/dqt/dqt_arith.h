/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The arithmetic that every kernel shares; dqt-edge's page 'arithmetic' is its definition. Plain C, exact on every
 * core. Comments that begin with an at sign are contracts (ACSL), which dqt-edge's page 'evidence' has proved. */
#ifndef DQT_ARITH_H
#define DQT_ARITH_H

#include "dqt_layer.h"
#include "dqt_product.h"

/* Whether a product of 64 bits takes a library: Armv6-M, which has Thumb 1 only. */
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
#define DQT_SHORT_PRODUCTS 1
#else
#define DQT_SHORT_PRODUCTS 0
#endif

/* Left shift of a signed value; the exporter has proved that the result fits. */
static inline int32_t dqt_shift_left(int32_t value, uint32_t shift) {
    return (int32_t)((uint32_t)value << shift);
}

/* View of an activation code at 8 - shift bits: rounded, saturating. code 0..255, shift 0..6. */
/*@ requires code <= 255 && shift <= 6; */
static inline uint8_t dqt_activation_view(uint32_t code, uint32_t shift) {
    const uint32_t rounded = (code + ((1u << shift) >> 1)) >> shift;
    const uint32_t top = 255u >> shift;
    return (uint8_t)(rounded < top ? rounded : top);
}

/* Accumulator in halves of (weight scale * activation scale).
 * products: sum of view products; sum: sum of activation views; shifts: 8 - bits, 0..6; weight_zero: dqt_mac's. */
static inline int32_t dqt_twice(int32_t products, int32_t sum, uint32_t weight_shift, uint32_t activation_shift,
                                int32_t weight_zero, int32_t bias_twice) {
    const int32_t factor = (int32_t)((1u << weight_shift) - 1u) - 2 * weight_zero;
    const int32_t centring = factor * dqt_shift_left(sum, activation_shift);
    return dqt_shift_left(products, weight_shift + activation_shift + 1u) + centring + bias_twice;
}

/* Code of a twice-accumulator: one multiplication, one rounding (half up), one clamp. multiplier > 0, shift 1..62. */
/*@ requires multiplier >= 1 && 1 <= shift <= 62 && low <= 255 && high <= 255; */
static inline uint8_t dqt_requantize_one(int32_t twice, int32_t multiplier, uint32_t shift, uint32_t low,
                                         uint32_t high) {
#if DQT_SHORT_PRODUCTS
    return (uint8_t)dqt_product_code(twice, multiplier, shift, low, high);
#else
    const int64_t product = (int64_t)twice * multiplier + (int64_t)((uint64_t)1 << (shift - 1u));
    const int64_t code = product >> shift;
    if (code < (int64_t)low) {
        return (uint8_t)low;
    }
    return (uint8_t)(code > (int64_t)high ? high : (uint32_t)code);
#endif
}

/* As above, for channel c of a layer. */
static inline uint8_t dqt_requantize_channel(const dqt_requantize *rq, int32_t twice, uint32_t c) {
    const uint32_t shift = rq->shift == 0 ? 32u : rq->shift[c];
    return dqt_requantize_one(twice, rq->multiplier[c], shift, rq->low, rq->high);
}

#endif
