/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Convolution on cores with MVE: what the kernel and its micro-kernels share. */
#ifndef DQT_MVE_CONV_H
#define DQT_MVE_CONV_H

#include "dqt_mve.h"

/* An output pixel: where its window begins, where its channels go, and centring * the sum of its views. */
typedef struct {
    const uint8_t *from;
    uint8_t *to; /* advanced by the micro-kernel */
    int32_t centre;
} dqt_mve_pixel;

/* One call of the micro-kernel: all tiles of four channels at some pairs of pixels. */
typedef struct {
    const uint8_t *weights;      /* decoded blocks of the first tile */
    uint32_t turns;              /* rows of a window less 1, 0..32767, in the high half; blocks of a row, 1..65535 */
    uint32_t step;               /* from behind the blocks of a window's row to the next row; may be negative */
    uint32_t tile_bytes;         /* DQT_MVE_BLOCK for each block of a tile */
    dqt_mve_pixel *pixels, *end; /* an even number, 2 or more */
    const int32_t *bias_twice;   /* by channel, as the next three; exactly `channels` are read */
    const int32_t *multiplier;
    const uint8_t *shift;  /* NULL: 32 */
    const int32_t *factor; /* of the residual; NULL: there is none */
    uint32_t distance;     /* from an output element to its residual */
    int32_t residual_zero;
    uint32_t low, high; /* 0..255 */
    uint32_t channels;  /* 1 or more */
} dqt_mve_job;

_Static_assert(sizeof(dqt_mve_pixel) == 12 && __builtin_offsetof(dqt_mve_job, pixels) == 16 &&
                   __builtin_offsetof(dqt_mve_job, bias_twice) == 24 && __builtin_offsetof(dqt_mve_job, shift) == 32 &&
                   __builtin_offsetof(dqt_mve_job, distance) == 40 && __builtin_offsetof(dqt_mve_job, low) == 48 &&
                   __builtin_offsetof(dqt_mve_job, channels) == 56,
               "the micro-kernels address them by number");

void dqt_mve_multiply(const dqt_mve_job *job);

/* Pixels whose windows lie in the input as the micro-kernel reads them, side by side. */
typedef struct {
    const uint8_t *from;
    uint8_t *to;
    uint32_t count;    /* 1 or more */
    uint32_t advance;  /* from a window to the next */
    uint32_t channels; /* from an output to the next */
    uint32_t rows;     /* of a window, 1 or more */
    uint32_t run;      /* bytes of a row, 1 or more */
    uint32_t step;     /* from behind the blocks of a row to the next row */
    uint32_t centring;
} dqt_mve_stretch;

/* Pairs of columns, of `depth` bytes each, where `pairs` pairs of pixels are computed at a time. */
static inline uint32_t dqt_mve_column_pairs(uint32_t pairs, uint32_t depth) {
    const uint32_t most = DQT_MVE_COLUMNS / (2u * depth);
    return most < 2u ? 1u : most < pairs ? most : pairs;
}

/* Write the pixels of a stretch, with the sums of all bytes under their windows; returns the end of what it wrote. */
dqt_mve_pixel *dqt_mve_place(dqt_mve_pixel *pixels, const dqt_mve_stretch *stretch);

/* The input of a convolution, and how its windows lie in it. Windows that are single pixels, one after the other, are
 * one row of inputs and outputs. */
typedef struct {
    const dqt_window *window;
    const uint8_t *input;
    dqt_mve_pair pair;
    uint32_t height, columns; /* of the input, and of the outputs: */
    uint32_t out_width;
    bool flat;
    uint32_t width;     /* bytes of an input row */
    uint32_t run;       /* bytes of a window's row */
    uint32_t pitch;     /* of a row in a column: run, or run in whole blocks */
    uint32_t whole;     /* first columns, from 0 on, of windows without padding at the sides */
    uint32_t left, end; /* columns of outputs that have such windows: from left on and before end */
} dqt_mve_windows;

/* by_rows: whether rows of a window begin at whole blocks. */
dqt_mve_windows dqt_mve_windows_of(const dqt_window *window, dqt_mve_pair pair, const uint8_t *input, bool by_rows);

/* Where the window at output element (y, x) begins, if it has no padding. */
const uint8_t *dqt_mve_window_at(const dqt_mve_windows *windows, uint32_t y, uint32_t x);

/* Column of outputs before which windows in row y can be read where they lie, from windows->left on: they have no
 * padding, and what the micro-kernel reads ahead lies in the input too. */
uint32_t dqt_mve_whole(const dqt_mve_windows *windows, uint32_t y);

/* Gather the views under the window at output element (y, x); returns their sum. Padding is the input's zero point,
 * which is 0 unless activations have 8 bits. Bytes between rows and beyond K stay as they are: their weights are zero
 * bytes. */
uint32_t dqt_mve_gather(const dqt_mve_windows *windows, uint32_t y, uint32_t x, uint8_t *to);

/* The same of a window whose taps lie apart: windows->window is that of a dqt_dilated. K lie without a gap. */
uint32_t dqt_mve_gather_apart(const dqt_mve_windows *windows, uint32_t y, uint32_t x, uint8_t *to);

typedef uint32_t dqt_mve_gatherer(const dqt_mve_windows *windows, uint32_t y, uint32_t x, uint8_t *to);

/* The same of a window without padding that begins at `from`. */
uint32_t dqt_mve_gather_whole(const dqt_mve_windows *windows, const uint8_t *from, uint8_t *to);

/* Where everything is for one run of the layer, and what waits to be computed. The exporter counts its sizes. */
typedef struct {
    const dqt_mac *mac;
    dqt_mve_gatherer *gather;
    const int32_t *bias; /* of all channels, */
    uint8_t *output;     /* and their output element 0 */
    uint32_t blocks;     /* of a tile */
    dqt_mve_windows windows;
    dqt_mve_job job;         /* of the block of tiles: all but the pixels and the form of their windows */
    dqt_mve_stretch stretch; /* of windows that are read where they lie, */
    bool in_place;           /* if there are any */
    uint8_t *to;             /* the block's first channel at output element 0 */
    uint8_t *columns;        /* side by side */
    uint32_t depth;          /* bytes of a column */
    uint32_t pitch;          /* from a column to the next: single pixels lie without a gap */
    uint32_t column_count;   /* an even number */
    uint32_t gathered;       /* pixels that wait in columns */
    dqt_mve_pixel *waiting;  /* they */
    dqt_mve_pixel *pixels;   /* those that are read where they lie */
    uint32_t placed;         /* how many wait */
    uint32_t end;            /* those of this row of outputs end before this column */
    uint32_t most;           /* pixels of a strip */
} dqt_mve_convolution;

/* layer: its parameters begin with a dqt_mac. scratch: the exporter counts it; its first `block` tiles are for decoded
 * weights. */
dqt_mve_convolution dqt_mve_conv_begin(const dqt_layer *layer, uint8_t *arena, uint8_t *scratch, uint32_t candidate,
                                       uint32_t block, dqt_mve_gatherer *gather);

/* Compute `channels` channels from `channel` on, a multiple of four, of all pixels. */
void dqt_mve_conv_block(dqt_mve_convolution *convolution, const uint8_t *weights, uint32_t channel, uint32_t channels);

/* Planes of nibbles, from a block on; low ones may be NULL where they are not read. */
typedef struct {
    const uint8_t *high, *low;
} dqt_mve_nibbles;

/* Decode `blocks` blocks, 1 or more, to bytes [block][channel][lane].
 * high: weights of 2 to 4 bits, keep: mask of the view. low: of 5 to 8, keep: of the low nibbles, in both halves. */
void dqt_mve_decode_low(const dqt_mve_nibbles *from, uint32_t blocks, uint32_t keep, uint8_t *to);
void dqt_mve_decode_high(const dqt_mve_nibbles *from, uint32_t blocks, uint32_t keep, uint8_t *to);
void dqt_mve_decode_two_bits(const uint8_t *from, uint32_t blocks, uint8_t *to);

#endif
