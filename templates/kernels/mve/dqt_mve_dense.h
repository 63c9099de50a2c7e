/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Dense layers on MVE: what their micro-kernels share. Where weights lie and what is padded: dqt-edge's page
 * 'layout'. */
#ifndef DQT_MVE_DENSE_H
#define DQT_MVE_DENSE_H

#include "dqt_mve.h"

/* Where weights are read next, and what all tiles share. */
typedef struct {
    const uint8_t *weights; /* high nibbles; bytes; or two bits: advanced */
    const uint8_t *low;     /* low nibbles: advanced by the kernels that read them */
    const uint8_t *column;  /* views of the activations, whole blocks; any alignment */
    uint32_t blocks;        /* of a tile, 1 or more */
    uint32_t keep;          /* mask of the weight view; of 5 to 7 bits: of the low nibbles, in both halves of a byte */
    uint32_t centre;        /* centring * sum of the views */
} dqt_mve_dense;

_Static_assert(__builtin_offsetof(dqt_mve_dense, column) == 8 && __builtin_offsetof(dqt_mve_dense, centre) == 20,
               "the micro-kernels address it by number");

/* Twice-accumulators of `tiles` tiles, 1 or more, without biases: four words of each.
 * By the bits of the weights: nibbles at 8, at 5 to 7, at 2 to 4; bytes at 8; two bits. */
typedef void dqt_mve_dense_sum(dqt_mve_dense *dense, uint32_t tiles, uint32_t *raw);
dqt_mve_dense_sum dqt_mve_dense_whole, dqt_mve_dense_masked, dqt_mve_dense_high;
dqt_mve_dense_sum dqt_mve_dense_bytes, dqt_mve_dense_two_bits;

#endif
