/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What the kernels without DSP share on Armv6-M. */
#ifndef DQT_SCALAR_THUMB1_H
#define DQT_SCALAR_THUMB1_H

#include "dqt_scalar.h"

#define DQT_SCALAR_SUMS (DQT_TILE * DQT_SCALAR_PIXELS)

/* Outputs of a tile from its sums, [channel][pixel], which are overwritten. The job's channels and outputs
 * advance. */
void dqt_scalar_finish(dqt_scalar_job *job, uint32_t sums[DQT_SCALAR_SUMS]);

/* Sums of one tile, before they are unpacked. */
typedef struct {
    const uint32_t *weights;   /* operands; advanced */
    uint32_t sums[6];          /* of products with a weight operand, [operand][pixel]; packed: four */
    const dqt_scalar_run *run; /* the first of the runs; then the NULL behind them */
} dqt_scalar_tile;

_Static_assert(__builtin_offsetof(dqt_scalar_tile, run) == 28, "the micro-kernels address the tile by number");

/* All runs up to the next NULL (dqt_scalar_sums_thumb1.S). */
void dqt_scalar_sum_wide(dqt_scalar_tile *tile);
void dqt_scalar_sum_packed(dqt_scalar_tile *tile);

/* dqt_product_scale and dqt_scalar_saturate in 19 to 21 instructions; the byte is the code. low, high: of the
 * multiplier.
 */
static inline uint32_t dqt_scalar_code(uint32_t twice, uint32_t low, uint32_t high) {
    uint32_t a, b, c;
    const uint32_t half = 0x8000u;
    __asm__(".syntax unified\n"
            "uxth %[a], %[t]\n asrs %[t], #16\n"
            "mov %[b], %[a]\n muls %[b], %[low], %[b]\n lsrs %[b], #16\n add %[b], %[half]\n"
            "mov %[c], %[t]\n muls %[c], %[low], %[c]\n adds %[b], %[c]\n"
            "muls %[a], %[high], %[a]\n uxth %[c], %[b]\n adds %[a], %[c]\n"
            "muls %[t], %[high], %[t]\n asrs %[b], #16\n adds %[t], %[b]\n asrs %[a], #16\n adds %[t], %[a]\n"
            "cmp %[t], #255\n bls 1f\n asrs %[t], #31\n mvns %[t], %[t]\n1:\n"
            : [t] "+l"(twice), [a] "=&l"(a), [b] "=&l"(b), [c] "=&l"(c)
            : [low] "l"(low), [high] "l"(high), [half] "h"(half)
            : "cc");
    return twice;
}

#endif
