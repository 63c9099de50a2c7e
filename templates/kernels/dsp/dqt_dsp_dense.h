/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Fully connected layers on cores with the DSP extension: what the kernels and the micro-kernels share.
 *
 * Each weight is used once, so it goes from the planes in flash to a multiplication without a stop in RAM: a group of
 * four channels by four K at a time. dqt_dsp.h has the two formats, wide and packed; dqt-edge's page 'layout' the
 * planes, which are either nibbles (the high ones and the low ones) or two, two and four bits. */
#ifndef DQT_DSP_DENSE_H
#define DQT_DSP_DENSE_H

#include "dqt_dsp.h"

/* Groups after which the sums of the two channels of a word are unpacked in wide form: 256 K, of 257 that are safe.
 */
#define DQT_DSP_DENSE_RUN 64u

/* A tile of four channels. */
typedef struct {
    const uint32_t
        *planes[3]; /* high nibbles, none, low nibbles; or A, B, L. Those that are read advance to the next tile */
    const uint32_t *activations; /* two words a group: k0|k2 and k1|k3 (low half | high half) */
    uint32_t groups;             /* 1 or more */
    uint32_t mask;               /* wide: the bits of the view in each byte; packed: the fields of a word */
    uint32_t period; /* packed: groups after which even sums are unwrapped; the micro-kernel knows of which */
    int32_t sums[DQT_TILE];
} dqt_dsp_dense_tile;

_Static_assert(sizeof(void *) != 4 || (__builtin_offsetof(dqt_dsp_dense_tile, activations) == 12 &&
                                       __builtin_offsetof(dqt_dsp_dense_tile, sums) == 28),
               "the assembly has these numbers");

/* Writes the sums of a tile. Wide: products at the scale of the masters, the weights of channels 2 and 3 offset-binary.
 * Packed: products of views, those of channels 0 and 2 times a power of two and offset-binary. */
typedef void dqt_dsp_dense_sum(dqt_dsp_dense_tile *tile);

/* Planes of nibbles. wide_8: 8-bit weights; wide: 2..8 bits by mask; packed: 2..4 bits by mask, period 4 or 16 (powers
 * of two). Activations of packed form are views times 2^(bits of the weights). No plane is read whose bits the mask
 * leaves out.
 */
dqt_dsp_dense_sum dqt_dsp_nibbles_wide_8, dqt_dsp_nibbles_wide, dqt_dsp_nibbles_packed;

/* Planes A, B, L: the same; packed_2 has a period of a multiple of 4 up to DQT_DSP_DENSE_RUN, packed_4 of 4. */
dqt_dsp_dense_sum dqt_dsp_planes_wide_8, dqt_dsp_planes_wide, dqt_dsp_planes_packed_2, dqt_dsp_planes_packed_4;

/* How a width pair is computed. */
typedef struct {
    dqt_dsp_dense_sum *sum;
    uint32_t packed; /* 1: packed form */
    uint32_t mask, period;
    uint32_t even_scale; /* packed: even sums are times 2 to the power of this */
} dqt_dsp_dense_form;

#endif
