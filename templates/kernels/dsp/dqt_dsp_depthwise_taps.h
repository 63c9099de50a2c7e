/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Depthwise convolution of any window on cores with the DSP extension: what the kernel and its micro-kernels share.
 *
 * Four channels at a time, rows of the input are laid out as planes of words: two views as halves, those under two taps
 * that one SMLAD multiplies. The two taps are neighbours of a column of the window or, where its columns have a single
 * tap, of a row. Both are called a pair; where the taps are odd in number, the last pair has a second weight of 0.
 *
 * Columns lie sorted by what is left of them after division by the stride, so the words that neighbouring outputs
 * multiply by a pair are neighbours at any stride and distance of the taps.
 *
 * Pairs repeat across the map every `unit` rows. Rows with the same remainder after division by it are a class, which
 * has a ring of as many rows as the window has pairs across. A ring turns, and the weights turn with it: offsets of the
 * pairs stay the same.
 *
 * A "row" is whatever runs along the map: where that costs less, it is a column, and the window is transposed. */
#ifndef DQT_DSP_DEPTHWISE_TAPS_H
#define DQT_DSP_DEPTHWISE_TAPS_H

#include "dqt_dsp.h"

/* Bits of the layer's `block`: rows are the map's columns; pairs lie along a row; rows are kept in rings. */
#define DQT_DSP_BY_COLUMN 1u
#define DQT_DSP_PAIRS_ALONG 2u
#define DQT_DSP_KEEPS 4u

/* One direction of the map: along a row, or across. Steps: bytes between neighbours of the tensors. */
typedef struct {
    uint32_t inputs, outputs, kernel, stride, apart, pad, in_step, out_step;
    uint32_t masters; /* elements between neighbouring masters */
} dqt_dsp_taps_axis;

/* Words of a sort. Each has two codes, one of either stream: the left or upper one of its pair, and the other. */
typedef struct {
    uint32_t column[2];        /* of the map, under the first word; modulo 2^32 */
    uint32_t begin[2], end[2]; /* words whose column lies in the map */
    uint32_t last;             /* the larger end */
} dqt_dsp_taps_span;

_Static_assert(sizeof(dqt_dsp_taps_span) == DQT_DSP_TAPS_SPAN_SIZE, "the exporter counts scratch with it");

/* Where everything is for one run of a layer. */
typedef struct {
    dqt_dsp_taps_axis along, across;
    const dqt_mac *mac;
    const uint8_t *input; /* of the tile's first channel */
    uint32_t live;        /* channels of the tile, 1..4 */
    uint32_t pairs[2];    /* of a row, and rows of pairs */
    uint32_t beside[2];   /* 1 in the direction in which the two taps of a pair are neighbours, else 0 */
    uint32_t apart, unit; /* columns, and rows, from a pair to the next */
    uint32_t sorts;       /* remainders of columns that are used */
    uint32_t sort;        /* words of each */
    uint32_t plane;       /* words of a row of a channel */
    uint32_t classes;     /* 1: rows are expanded anew for each row of outputs */
    uint32_t keeps;       /* 1: rows are kept in rings */
    uint32_t padding;     /* four codes */
    uint32_t rounding;    /* four bytes: half a step of the activation view */
    uint32_t keep;        /* four bytes: mask of the bits of the view, at the place of the master code */
    uint32_t mask;        /* 2^(8 - weight bits) - 1 */
    uint32_t most;        /* outputs of a row at a time */
    uint32_t outputs;     /* the same with those that only fill up the last of the micro-kernel's turns */
    uint32_t channel;     /* words of a channel's record: twice its bias, multiplier, weights */
    int32_t *records;     /* of four channels */
    uint32_t *offsets;    /* of the pairs, bytes; then a negative word */
    uint32_t *rows;       /* which row each place of the rings has, or DQT_NONE */
    dqt_dsp_taps_span *spans;
    uint32_t *rings; /* by class, place, channel, word */
    int32_t *sums;   /* of four channels' rows; only where codes are not made in the micro-kernel */
} dqt_dsp_taps;

/* A row of outputs of `live` channels. */
typedef struct {
    const uint32_t *ring;    /* of the class */
    const int32_t *channels; /* records */
    const uint32_t *offsets;
    uint32_t plane;   /* bytes of a row of a channel */
    uint32_t channel; /* bytes of a record */
    uint32_t turned;  /* bytes from a record to the weights of the ring's first place */
    uint32_t live;    /* 1..4 */
    uint32_t outputs; /* of a channel, 1 or more */
    uint32_t step;    /* bytes from a code to the next of its channel; those of the next channel lie one byte behind */
    void *output;     /* the first code: shift 32, limits 0 and 255; or, if the multipliers are 0, int32
                         twice-accumulators: whole turns of each channel */
} dqt_dsp_taps_row;

_Static_assert(sizeof(void *) != 4 ||
                   (__builtin_offsetof(dqt_dsp_taps_row, plane) == 12 &&
                    __builtin_offsetof(dqt_dsp_taps_row, output) == 36 && sizeof(dqt_dsp_taps_row) == 40),
               "dqt_dsp_depthwise_taps.S loads the row by number");

/* Reads words of the ring for whole turns. Offsets are multiples of 4 below 2^31, at least one. */
void dqt_dsp_taps_multiply(const dqt_dsp_taps_row *row);

/* Two streams of codes of four channels. */
typedef struct {
    const uint8_t *from[2]; /* at any alignment */
    uint32_t step[2];       /* bytes from a pixel to the next; 0 in the padding */
    uint32_t rounding, keep;
    uint32_t plane; /* bytes from a channel to the next */
} dqt_dsp_taps_streams;

/* Words from `to` to `end`, 1 or more, of the first channel, and of the other three. */
void dqt_dsp_taps_spread(const dqt_dsp_taps_streams *streams, uint32_t *to, const uint32_t *end);

/* Geometry, and where everything lies in scratch; the offsets are written. */
void dqt_dsp_taps_lay_out(dqt_dsp_taps *d, const dqt_layer *layer, uint8_t *arena, uint8_t *scratch,
                          uint32_t candidate);

/* Where rows have codes, for outputs from `first` on; what lies beside them is filled with padding, once for all rows
 * and channels. */
void dqt_dsp_taps_pad(const dqt_dsp_taps *d, uint32_t first);

/* Records of the channels of a tile. */
void dqt_dsp_taps_load(const dqt_dsp_taps *d, uint32_t first, const int32_t *bias);

/* Fill a place of a ring with the pairs of padded row `row`; row 0 is the first of the padding. */
void dqt_dsp_taps_expand(const dqt_dsp_taps *d, uint32_t row, uint32_t *to);

#endif
