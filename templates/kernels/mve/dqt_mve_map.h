/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Depthwise convolution on cores with MVE, one channel after the other: what the kernel and its micro-kernels share.
 *
 * The lanes of a vector are outputs of one channel; a weight is a general register by which VMLA multiplies all lanes.
 * So twice a centred weight, 2 * (w & ~m) + m, may have its nine bits. Where sums fit 16 bits (dqt-edge's page
 * 'kernels') there are eight lanes, else four.
 *
 * A channel's map lies in scratch as bytes, row behind row: lane i of an output row meets byte i + kx of an input row,
 * or 2 * i + kx, and lanes run on into the next row. With a vertical stride the rows are dealt out to planes, so that
 * consecutive output rows meet consecutive rows of a plane. Padding on the right is the left padding of the next row.
 *
 * Tables say where lanes lie in the tensors: 1 + offset from the channel in the first row, or 0 for none. */
#ifndef DQT_MVE_MAP_H
#define DQT_MVE_MAP_H

#include "dqt_mve_depthwise.h"

/* Taps that the micro-kernels multiply: a 3x3 row by row, with weights of 0 where the kernel is smaller. */
#define DQT_MVE_TAPS 9u

/* Most lanes of a vector; bytes behind a plane that are read and not used. */
#define DQT_MVE_MAP_LANES 8u
#define DQT_MVE_MAP_SLACK 24u

/* A run of a micro-kernel: outputs of one channel. The first thirteen words are loaded at once. */
typedef struct {
    int32_t weights[4];      /* of taps 0 to 3 of the 3x3: twice the centred weight; 4 lanes: times 2^(8 - bits of a) */
    const uint16_t *targets; /* of each lane, 2-byte aligned */
    const uint8_t *row[3];   /* bytes under the first window's rows; stride 2: 2-byte aligned */
    int32_t next_weights[4]; /* of taps 4 to 7 */
    uint32_t vectors;        /* fours or eights of outputs, 1 or more */
    uint8_t *output;         /* less 1 */
    int32_t last_weight;     /* of tap 8 */
    int32_t scale;           /* 8 lanes: 2^(8 - bits of a), which makes a sum one of master codes */
    int32_t bias_twice;
    int32_t multiplier; /* shift 32 */
} dqt_mve_map;

_Static_assert(__builtin_offsetof(dqt_mve_map, output) == 52 && __builtin_offsetof(dqt_mve_map, last_weight) == 56 &&
                   __builtin_offsetof(dqt_mve_map, bias_twice) == 64,
               "the micro-kernels address the job by number");

/* Views of a channel, not at their master's place: min((a + 2^(7 - bits)) >> (8 - bits), 2^bits - 1).
 * input: less 1; read where a source is not 0. to: `count` bytes, 1 or more; those without a source are kept. */
void dqt_mve_map_load(const uint8_t *input, const uint16_t *sources, uint8_t *to, uint32_t count, uint32_t bits);

/* Codes 0..255 of lanes with a target; lanes and horizontal stride by name. */
typedef void dqt_mve_map_kernel(const dqt_mve_map *job);
dqt_mve_map_kernel dqt_mve_map_8_1, dqt_mve_map_8_2, dqt_mve_map_4_1, dqt_mve_map_4_2;

/* Where everything is for one run of a layer. */
typedef struct {
    const dqt_mac *mac;
    uint32_t pitch;      /* lanes from an output row to the next */
    uint32_t rows;       /* output rows of a strip */
    uint32_t planes;     /* that input rows are dealt out to, 1..3 */
    uint32_t extra;      /* rows of a plane beyond those of the output */
    uint32_t row_bytes;  /* of a plane's row */
    uint32_t plane_size; /* with the slack */
    uint16_t *sources, *targets;
    uint8_t *map;
    uint32_t bits;  /* of activations */
    uint32_t lanes; /* 8 or 4 */
    int32_t shift;  /* of the weights */
    dqt_mve_map_kernel *multiply;
    /* By tap: offset of the weight, mask of its view, what the middle of its step adds. 0 where there is no tap. */
    uint32_t offset[DQT_MVE_TAPS];
    int32_t keep[DQT_MVE_TAPS], half[DQT_MVE_TAPS];
} dqt_mve_maps;

/* Geometry and both tables of a layer whose `mac` is set; the map is filled with padding. */
void dqt_mve_map_lay_out(dqt_mve_maps *maps, uint8_t *scratch);

/* The layer, at any width pair. scratch: dqt_mve_depthwise_scratch bytes, 8-byte aligned. */
void dqt_mve_depthwise_maps(const dqt_layer *layer, uint8_t *arena, uint8_t *scratch, uint32_t candidate);

#endif
