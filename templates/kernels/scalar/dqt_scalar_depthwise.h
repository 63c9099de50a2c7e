/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Depthwise 3x3 convolution on cores without the DSP extension: what its parts share. */
#ifndef DQT_SCALAR_DEPTHWISE_H
#define DQT_SCALAR_DEPTHWISE_H

#include "dqt_scalar.h"

#define DQT_SCALAR_TAPS 3u

/* Twice the centred weights, row by row, shifted left by what activation views have less than 8 bits. */
typedef struct {
    int32_t weights[DQT_SCALAR_TAPS * DQT_SCALAR_TAPS];
    int32_t bias_twice, multiplier;
} dqt_scalar_depthwise_channel;

_Static_assert(sizeof(dqt_scalar_depthwise_channel) == DQT_SCALAR_DEPTHWISE_CHANNEL_SIZE,
               "the exporter counts scratch with it");

/* Where everything is for one run of the layer. The exporter counts its sizes. */
typedef struct {
    const dqt_mac *mac;
    const uint8_t *input;
    uint32_t plain;                         /* 1: shift 32, limits 0 and 255 */
    uint32_t columns;                       /* of a row of a plane */
    uint32_t mask;                          /* 2^(8 - weight bits) - 1 */
    uint32_t narrow;                        /* 8 - activation bits */
    dqt_scalar_depthwise_channel *channels; /* of a tile */
    uint8_t *planes;                        /* a ring of three rows, by row and channel */
} dqt_scalar_depthwise;

/* Fill a place of the ring with padded row `row` (0 is the first row of the padding). `live`: channels from `first`. */
void dqt_scalar_depthwise_expand(const dqt_scalar_depthwise *d, uint32_t row, uint8_t *to, uint32_t first,
                                 uint32_t live);

/* A row of `count` outputs of channel c, to every step-th byte. rows: of its plane, with columns for whole
 * DQT_SCALAR_OUTPUTS outputs; from: the channel. By horizontal stride. */
typedef void dqt_scalar_depthwise_row(const dqt_scalar_depthwise *d, const uint8_t *const rows[DQT_SCALAR_TAPS],
                                      const dqt_scalar_depthwise_channel *from, uint32_t c, uint32_t count,
                                      uint32_t step, uint8_t *output);
dqt_scalar_depthwise_row dqt_scalar_depthwise_1;
dqt_scalar_depthwise_row dqt_scalar_depthwise_2;

/* Armv6-M: a block of outputs before requantisation, as dqt_scalar_depthwise_thumb1.S has it on its stack. */
typedef struct {
    uint32_t sums[DQT_SCALAR_OUTPUTS]; /* twice-accumulators */
    const uint8_t *rows[DQT_SCALAR_TAPS];
    const dqt_scalar_depthwise_channel *from;
    uint32_t low, high; /* of its multiplier */
    const dqt_scalar_depthwise *d;
    uint32_t c;
} dqt_scalar_depthwise_block;

_Static_assert(sizeof(void *) != 4 || (__builtin_offsetof(dqt_scalar_depthwise_channel, bias_twice) == 36 &&
                                       __builtin_offsetof(dqt_scalar_depthwise_block, rows) == 24 &&
                                       __builtin_offsetof(dqt_scalar_depthwise_block, c) == 52 &&
                                       __builtin_offsetof(dqt_scalar_depthwise, plain) == 8),
               "dqt_scalar_depthwise_thumb1.S has these numbers");

/* `count` codes, 1..DQT_SCALAR_OUTPUTS, of any requantisation, to every step-th byte; returns the place of the next. */
uint8_t *dqt_scalar_depthwise_store(const dqt_scalar_depthwise_block *block, uint32_t count, uint32_t step,
                                    uint8_t *output);

#endif
