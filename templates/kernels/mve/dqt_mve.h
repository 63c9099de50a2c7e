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

/* One call of the convolution's micro-kernel: `tiles` tiles of four channels at two pixels. */
typedef struct {
    const uint8_t *weights;    /* decoded blocks of the first tile; advanced */
    uint32_t tile_bytes;       /* DQT_MVE_BLOCK for each block, at least one block */
    const uint8_t *column[2];  /* activation views of each pixel, whole blocks; any alignment */
    const int32_t *bias_twice; /* four a tile; advanced */
    const int32_t *multiplier; /* four a tile; advanced */
    uint8_t *output[2];        /* four elements a tile for each pixel; advanced */
    int32_t centre[2];         /* by pixel: centring * sum of the views */
    uint32_t tiles;            /* 1 or more; counted down to 0 */
    uint32_t raw; /* 0: outputs are codes, 0..255 after shift 32; 1: int32 twice-accumulators without the bias */
} dqt_mve_job;

_Static_assert(__builtin_offsetof(dqt_mve_job, column) == 8 && __builtin_offsetof(dqt_mve_job, bias_twice) == 16 &&
                   __builtin_offsetof(dqt_mve_job, output) == 24 && __builtin_offsetof(dqt_mve_job, centre) == 32 &&
                   __builtin_offsetof(dqt_mve_job, tiles) == 40,
               "the micro-kernel addresses the job by number");

void dqt_mve_multiply(dqt_mve_job *job);

/* The input of a convolution, and how its windows lie in it. */
typedef struct {
    const dqt_window *window;
    const uint8_t *input;
    dqt_mve_pair pair;
    uint32_t width; /* bytes of an input row */
    uint32_t run;   /* bytes of a window's row */
    uint32_t whole; /* first columns, from 0 on, of windows without padding at the sides */
    uint32_t flat;  /* 1: windows are single pixels, one after the other */
} dqt_mve_windows;

dqt_mve_windows dqt_mve_windows_of(const dqt_window *window, const uint8_t *input, dqt_mve_pair pair);

/* Gather the views under the window at output element (y, x), the `pixel`th; returns their sum. Padding is the input's
 * zero point, which is 0 unless activations have 8 bits. Bytes beyond K stay as they are: their weights are zero
 * bytes. */
uint32_t dqt_mve_gather(const dqt_mve_windows *windows, uint32_t pixel, uint32_t y, uint32_t x, uint8_t *to);

/* Decode `blocks` consecutive blocks (64 bytes each) from block `first` of a layer: [block][channel][lane]. */
void dqt_mve_decode(const dqt_mac *mac, uint32_t first, uint32_t blocks, const dqt_mve_pair *pair, uint8_t *to);

/* The planes of a layer, from a block on; those that a width does not read are not looked at. */
typedef struct {
    const uint32_t *a, *b, *l;
} dqt_mve_planes;

/* The same by how many planes a width reads (dqt_mve_planes.S). blocks: 1 or more; keep: mask of the weight view. */
void dqt_mve_decode_1(const dqt_mve_planes *planes, uint32_t blocks, uint32_t keep, uint8_t *to);
void dqt_mve_decode_2(const dqt_mve_planes *planes, uint32_t blocks, uint32_t keep, uint8_t *to);
void dqt_mve_decode_3(const dqt_mve_planes *planes, uint32_t blocks, uint32_t keep, uint8_t *to);

/* Residual, bias, requantisation, clamp and store of `count` accumulators that the micro-kernel left.
 * channel: of the first; place: index of its output element. Reads and writes exactly `count` elements. */
void dqt_mve_finish(const dqt_mac *mac, const int32_t *bias_twice, uint8_t *arena, const int32_t *raw, uint32_t channel,
                    uint32_t count, uint32_t place);

#endif
