/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Kernels for cores with MVE (Helium): what they share.
 *
 * Weights are offset-binary bytes, u = w + 128, and activations are codes; both keep their master's place when a width
 * is narrow: the bits below the view are 0. Then one formula serves every width pair,
 *
 *     twice = 2 * sum(u * a) + (2^(8 - weight_bits) - 257) * sum(a) + bias_twice
 *
 * and a width is two masks. (2 * (w & ~m) + m is twice the centred weight, m = 2^(8 - bits) - 1, and u & ~m is
 * (w & ~m) + 128.) Sums wrap modulo 2^32; the exporter has proved that the result fits.
 *
 * Planes of MVE layers (dqt-edge's page 'layout'): a block is four channels by sixteen K, padded with zero bytes, which
 * are weights of no effect whatever the activation. */
#ifndef DQT_MVE_H
#define DQT_MVE_H

#include "dqt_arith.h"
#include "dqt_limits.h"

#include <arm_mve.h>

/* How a width pair reads activations and weights. */
typedef struct {
    uint8_t rounding, keep; /* half a step of the activation view, and the mask of its bits */
    uint8_t weight_keep;    /* mask of the bits of the weight view */
    uint8_t weight_bits;
    int32_t centring; /* 2^(8 - weight_bits) - 257 */
} dqt_mve_pair;

/* bits: 2..8 each. */
static inline dqt_mve_pair dqt_mve_choose(const dqt_width *width) {
    const uint32_t drop = 8u - width->activation_bits;
    const uint32_t weight_drop = 8u - width->weight_bits;
    return (dqt_mve_pair){
        .rounding = (uint8_t)((1u << drop) >> 1),
        .keep = (uint8_t)(0xFFu << drop),
        .weight_keep = (uint8_t)(0xFFu << weight_drop),
        .weight_bits = width->weight_bits,
        .centring = (int32_t)(1u << weight_drop) - 257,
    };
}

/* Whole blocks of `count` K. */
static inline uint32_t dqt_mve_blocks(uint32_t count) {
    return (count + DQT_MVE_LANES - 1u) / DQT_MVE_LANES;
}

/* Write the views of `count` codes; returns their sum added to `sum`. Any alignment; count 0 is allowed. */
static inline uint32_t dqt_mve_view(uint8_t *to, const uint8_t *from, uint32_t count, const dqt_mve_pair *pair,
                                    uint32_t sum) {
    const uint8x16_t rounding = vdupq_n_u8(pair->rounding);
    const uint8x16_t keep = vdupq_n_u8(pair->keep);
    __asm__ volatile("wlstp.8 lr, %[count], 2f\n"
                     "1:\n"
                     "vldrb.u8 q0, [%[from]], #16\n"
                     "vqadd.u8 q0, q0, %q[rounding]\n"
                     "vand q0, q0, %q[keep]\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "vaddva.u8 %[sum], q0\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [sum] "+Te"(sum), [from] "+r"(from), [to] "+r"(to)
                     : [count] "r"(count), [rounding] "w"(rounding), [keep] "w"(keep)
                     : "q0", "lr", "memory");
    return sum;
}

/* Write `count` bytes of one value; count 0 is allowed. */
static inline void dqt_mve_fill(uint8_t *to, uint32_t value, uint32_t count) {
    __asm__ volatile("vdup.8 q0, %[value]\n"
                     "wlstp.8 lr, %[count], 2f\n"
                     "1:\n"
                     "vstrb.8 q0, [%[to]], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [to] "+r"(to)
                     : [count] "r"(count), [value] "r"(value)
                     : "q0", "lr", "memory");
}

/* Residual, bias, requantisation, clamp and store of `count` accumulators that the micro-kernel left.
 * channel: of the first; place: index of its output element. Reads and writes exactly `count` elements. */
void dqt_mve_finish(const dqt_mac *mac, const int32_t *bias_twice, uint8_t *arena, const int32_t *raw, uint32_t channel,
                    uint32_t count, uint32_t place);

#endif
