/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Depthwise convolution on cores with MVE: what the kernel and its micro-kernels share.
 *
 * A strip of four input rows is laid out for sixteen channels as columns of 64 bytes, [channel][row], of signed bytes:
 * views less 128. Four columns of one channel are one vector, gathered as words; it holds a 3x3 window whole, and at
 * horizontal stride 1 four of them, 2x2, distinguished by where the weights lie in theirs.
 *
 * Weights lie in tables of five columns, 0, w0, w1, w2, 0: from the second column on for a window at the left, from
 * the first for one at the right. Table 0 has the kernel's rows at the top, table 1 one lower. */
#ifndef DQT_MVE_DEPTHWISE_H
#define DQT_MVE_DEPTHWISE_H

#include "dqt_mve.h"

/* Columns of the patch: pairs of outputs at horizontal stride 1, else fours. */
static inline uint32_t dqt_mve_patch_columns(const dqt_window *window) {
    const uint32_t width = window->out_width;
    return window->stride_x == 1u ? (width + 1u) / 2u * 2u + 2u : (width + 3u) / 4u * 8u + 2u;
}

/* Bytes of scratch: two tables, a vector of padding, and the patch. */
static inline uint32_t dqt_mve_depthwise_scratch(const dqt_window *window) {
    return 2u * DQT_MVE_TABLE + DQT_MVE_LANES + dqt_mve_patch_columns(window) * DQT_MVE_COLUMN;
}

/* Output width from which this way takes fewer instructions than that of dqt_mve_map.h, at 8 bits of weights. */
#define DQT_MVE_WINDOWS_WIDTH 9u

/* Four rows of codes, and the bytes from one pixel to the next; 0 in the padding. */
typedef struct {
    const uint8_t *from[4];
    uint32_t step[4];
} dqt_mve_rows;

/* Write `count` columns, 0 or more, of `live` channels, 1..16 and more; what lies beyond is not read. */
void dqt_mve_columns(const dqt_mve_rows *rows, uint8_t *to, uint32_t count, uint32_t live, const dqt_mve_pair *pair);

/* Outputs of one channel in a strip, four at a time. Masks: four bits for each output that exists, from bit 0. */
typedef struct {
    const uint8_t *patch;    /* of the channel, 4-byte aligned */
    const uint8_t *weights;  /* of the channel in table 0, 4-byte aligned */
    uint8_t *output;         /* moves on by `step` for each four outputs */
    const uint32_t *offsets; /* of the four from `output` */
    uint32_t step;
    uint32_t count; /* fours, 0 or more, with `mask` */
    uint32_t mask;
    uint32_t last;      /* mask of one more four, or 0 for none */
    int32_t bias_twice; /* with what 128 * (sum of weights) adds */
    int32_t multiplier; /* shift 32 */
} dqt_mve_depthwise;

/* pair: fours are 2x2 at stride 1; wide: four in a row at horizontal stride 2. Codes are 0..255. */
void dqt_mve_depthwise_pair(const dqt_mve_depthwise *job);
void dqt_mve_depthwise_wide(const dqt_mve_depthwise *job);

/* The layer, at 8 bits of weights and any of activations. scratch: dqt_mve_depthwise_scratch bytes, 8-byte aligned. */
void dqt_mve_depthwise_windows(const dqt_layer *layer, uint8_t *arena, uint8_t *scratch, uint32_t candidate);

#endif
