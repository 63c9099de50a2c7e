/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Depthwise 3x3 convolution on cores with the DSP extension: what the kernel and its micro-kernels share.
 *
 * Four channels at a time, rows of the input are laid out as planes of 16-bit views, two neighbours in a word, so that
 * one SMLAD multiplies two taps. A ring of three rows lies interleaved, [channel][word][row], so that one LDM reads a
 * word of each: row r of the padded input is element r % 3, and the weights turn with it.
 *
 * A "row" is whatever runs along the map: where columns are longer, it is a column, and the kernel is transposed. */
#ifndef DQT_DSP_DEPTHWISE_H
#define DQT_DSP_DEPTHWISE_H

#include "dqt_dsp.h"

#define DQT_DSP_TAPS 3u

/* Weights of a channel, twice the centred ones, by kernel row: taps 0 and 1, taps 1 and 2 (low half | high half). The
 * rows are 0, 1, 2, 0, 1, so that three from any of the first three on are those of a ring that has turned. */
typedef struct {
    int32_t bias_twice, multiplier;
    uint32_t taps[2u * (2u * DQT_DSP_TAPS - 1u)];
} dqt_dsp_depthwise_channel;

_Static_assert(sizeof(dqt_dsp_depthwise_channel) == DQT_DSP_DEPTHWISE_CHANNEL_SIZE,
               "the micro-kernels address the channel by number");

/* A row of outputs of `live` channels. */
typedef struct {
    const uint32_t *planes; /* live * words * 3 words */
    const dqt_dsp_depthwise_channel *channels;
    uint32_t words;   /* of a row of a plane, one more than outputs take: stride 1: (outputs + 1) / 2 + 1, stride 2:
                         outputs + 1 */
    uint32_t turn;    /* kernel row that meets the first row of the ring, 0..2 */
    uint32_t outputs; /* of a channel, 1 or more */
    uint32_t live;    /* 1..4 */
    uint32_t step;    /* bytes from a code to the next of its channel; those of the next channel lie one byte behind */
    void *output;     /* the first code; or int32 twice-accumulators: whole words of outputs of each channel in turn */
} dqt_dsp_depthwise;

_Static_assert(sizeof(void *) != 4 || (__builtin_offsetof(dqt_dsp_depthwise, words) == 8 &&
                                       __builtin_offsetof(dqt_dsp_depthwise, output) == 28),
               "dqt_dsp_depthwise.S loads the row as a whole");

/* By stride along the row. `codes`: shift 32, limits 0 and 255. `raw`: twice-accumulators, biases included. */
typedef void dqt_dsp_depthwise_row(const dqt_dsp_depthwise *row);
dqt_dsp_depthwise_row dqt_dsp_depthwise_codes_1, dqt_dsp_depthwise_codes_2;
dqt_dsp_depthwise_row dqt_dsp_depthwise_raw_1, dqt_dsp_depthwise_raw_2;

/* One direction of the map: along a row of the ring, or across. Steps: bytes between neighbours of the tensors. */
typedef struct {
    uint32_t inputs, outputs, stride, pad, in_step, out_step;
    uint32_t taps; /* elements between neighbouring masters */
} dqt_dsp_axis;

/* What fills the ring. */
typedef struct {
    dqt_dsp_axis along, across;
    const uint8_t *input; /* of the tile's first channel */
    uint32_t live;        /* channels of the tile, 1..4 */
    uint32_t words;       /* of a row of one plane */
    uint32_t padding;     /* four codes */
    uint32_t rounding;    /* four bytes: half a step of the activation view */
    uint32_t keep;        /* four bytes: mask of the bits of the view, at the place of the master code */
} dqt_dsp_depthwise_map;

_Static_assert(sizeof(void *) != 4 || (__builtin_offsetof(dqt_dsp_depthwise_map, along.inputs) == 0 &&
                                       __builtin_offsetof(dqt_dsp_depthwise_map, along.pad) == 12 &&
                                       __builtin_offsetof(dqt_dsp_depthwise_map, along.in_step) == 16 &&
                                       __builtin_offsetof(dqt_dsp_depthwise_map, words) == 64 &&
                                       __builtin_offsetof(dqt_dsp_depthwise_map, rounding) == 72),
               "dqt_dsp_depthwise_spread.S has these numbers");

/* A row of the ring, of four channels, padded by at most one pixel in front; `to`: its place in the first plane. at:
 * codes of its first pixel, at any alignment. */
void dqt_dsp_depthwise_spread(const dqt_dsp_depthwise_map *d, const uint8_t *at, uint32_t *to);

/* Fill the place `to` of padded row `row` in the ring, live * words words, three words apart; row 0 is the first of the
 * padding. */
void dqt_dsp_depthwise_expand(const dqt_dsp_depthwise_map *d, uint32_t row, uint32_t *to);

/* The four channels of a tile; biases and multipliers of the live ones. mask: 2^(8 - weight bits) - 1. */
void dqt_dsp_depthwise_weights(const dqt_dsp_depthwise_map *d, const dqt_mac *mac, uint32_t first, uint32_t mask,
                               const int32_t *bias, dqt_dsp_depthwise_channel *channels);

#endif
