/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Depthwise convolution of any window on cores with MVE: what the kernel and its micro-kernel share.
 *
 * Lanes are channels. Sixteen channels at a time, padded rows of the input are laid out as pixels of sixteen bytes,
 * which are views at their master's place; taps of a window then lie at fixed distances from each other, at any stride.
 *
 * Tops of windows repeat modulo the distance of taps: rows with the same remainder are a class, which has a ring of as
 * many rows as the window.
 *
 * A "row" is whatever runs along the map: where that costs less, it is a column, and the window is transposed. */
#ifndef DQT_MVE_TAPS_H
#define DQT_MVE_TAPS_H

#include "dqt_mve.h"

/* Bits of the layer's `block`: rows are the map's columns; rows are kept in rings. */
#define DQT_MVE_BY_COLUMN 1u
#define DQT_MVE_KEEPS 4u

/* One direction of the map: along a row, or across. Steps: bytes between neighbours of the tensors. */
typedef struct {
    uint32_t inputs, outputs, kernel, stride, apart, pad, in_step, out_step;
    uint32_t masters; /* elements between neighbouring masters */
} dqt_mve_taps_axis;

/* Eight channels, those at even places and those at odd ones. */
typedef struct {
    int32_t bias_twice[2][4], multiplier[2][4];
} dqt_mve_taps_channels;

_Static_assert(sizeof(dqt_mve_taps_channels) == DQT_MVE_TAPS_CHANNELS_SIZE, "the exporter counts scratch with it");

/* Where everything is for one run of a layer. */
typedef struct {
    dqt_mve_taps_axis along, across;
    const dqt_mac *mac;
    dqt_mve_pair pair;
    const uint8_t *input; /* of the sixteen's first channel */
    uint32_t live;        /* channels of the sixteen, 1..16 */
    uint32_t keeps;       /* 1: rows are kept in rings */
    uint32_t classes;
    uint32_t most;    /* outputs of a row at a time */
    uint32_t columns; /* pixels of a row, with padding */
    dqt_mve_taps_channels *channels;
    int16_t *weights;     /* of eight channels by tap, row by row; then of the next eight */
    const uint8_t **rows; /* of a window, when a row of outputs is due */
    uint32_t *known;      /* which row each place of the rings has, or DQT_NONE */
    uint8_t *rings;       /* by class, place, pixel, channel */
    int32_t *sums;        /* of a row of eight channels; only where codes are not made in the micro-kernel */
} dqt_mve_taps;

/* A row of outputs of eight channels. */
typedef struct {
    const int16_t *weights;
    const uint8_t *const *rows; /* of the window of the first output */
    const dqt_mve_taps_channels *channels;
    uint32_t height, width; /* taps of the window, 1 or more */
    uint32_t apart;         /* bytes from a tap to the next of its row */
    uint32_t step;          /* bytes from an output's window to the next's */
    uint8_t *output;        /* the first code */
    uint32_t out_step;      /* bytes from a code to the next of its channel */
    uint32_t outputs;       /* 1 or more; windows of one more are read where they are odd in number */
    uint32_t live;          /* channels, 1..8 and more */
    int32_t *sums; /* 0: codes, shift 32, limits 0 and 255; else twice-accumulators go there, [output][channel] */
} dqt_mve_taps_row;

_Static_assert(__builtin_offsetof(dqt_mve_taps_row, channels) == 8 &&
                   __builtin_offsetof(dqt_mve_taps_row, output) == 28 &&
                   __builtin_offsetof(dqt_mve_taps_row, sums) == 44,
               "the micro-kernel addresses the row by number");

/* Everything lies at multiples of its element's size, but codes at any byte. */
void dqt_mve_taps_multiply(const dqt_mve_taps_row *row);

/* Views of `live` channels, 1..16 and more, of `count` pixels, 1 or more, `step` bytes apart; what lies beyond `live`
 * is not read, and 0 or another constant byte in the ring. */
void dqt_mve_taps_copy(const uint8_t *from, uint32_t step, uint8_t *to, uint32_t count, uint32_t live,
                       const dqt_mve_pair *pair);

/* Geometry, and where everything lies in scratch. */
void dqt_mve_taps_lay_out(dqt_mve_taps *d, const dqt_layer *layer, uint8_t *arena, uint8_t *scratch,
                          uint32_t candidate);

/* Padding beside the rows, for outputs from `first` on, once for all rows and channels. */
void dqt_mve_taps_pad(const dqt_mve_taps *d, uint32_t first);

/* Weights, biases and multipliers of the sixteen channels from `first` on. */
void dqt_mve_taps_load(const dqt_mve_taps *d, uint32_t first, const int32_t *bias);

/* Fill a place of a ring with padded row `row`, for outputs from `first` on; row 0 is the first of the padding. */
void dqt_mve_taps_expand(const dqt_mve_taps *d, uint32_t row, uint32_t first, uint8_t *to);

#endif
