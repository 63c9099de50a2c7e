/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Fully connected layers on cores with the DSP extension: what the kernels and the micro-kernels share.
 *
 * Each weight is used once, so it goes from flash to a multiplication without a stop in RAM: a group of four channels
 * by four K at a time. dqt_dsp.h has the two formats, wide and packed; dqt-edge's page 'layout' the planes, which are
 * bytes, nibbles (the high ones and the low ones) or two, two and four bits. */
#ifndef DQT_DSP_DENSE_H
#define DQT_DSP_DENSE_H

#include "dqt_dsp.h"

/* Groups after which the sums of the two channels of a word are unpacked, if nothing is proved of the weights: 256 K,
 * of 257 that are safe in wide form. */
#define DQT_DSP_DENSE_RUN 64u

struct dqt_dsp_dense_job;

/* Sums tiles. Wide: products at the scale of the masters, the weights of channels 2 and 3 offset-binary and their sums
 * those of low fields. Packed: products of views, those of channels 0 and 2 times a power of two, offset-binary and of
 * low fields. */
typedef void dqt_dsp_dense_sum(struct dqt_dsp_dense_job *job);

/* How a width pair is computed. */
typedef struct {
    dqt_dsp_dense_sum *sum;
    uint32_t codes;  /* 1: it requantises */
    uint32_t packed; /* 1: packed form */
    uint32_t mask, period;
    uint32_t even_scale; /* packed: even sums are times 2 to the power of this */
} dqt_dsp_dense_form;

/* Tiles of four channels. A micro-kernel leaves the planes that it has read at the next tile. */
typedef struct dqt_dsp_dense_job {
    const uint32_t *planes[3];   /* bytes; high nibbles, none, low nibbles; or A, B, L */
    const uint32_t *activations; /* two words a group: k0|k2 and k1|k3 (low half | high half) */
    uint32_t groups;             /* 1 or more */
    uint32_t run;                /* groups between two folds, 1 or more */
    uint32_t mask;               /* wide: the bits of the view in each byte; packed: the fields of a word */
    uint32_t period;             /* packed: groups after which even sums are unwrapped; the micro-kernel knows which */
    int32_t sums[DQT_TILE];      /* zero at the call; out, if there are no tiles to requantise: of one tile */
    uint32_t top_centre, low_centre; /* a tile to requantise: (sum << shift) + centre + bias, by the field of its sum */
    uint32_t top_shift, low_shift;
    uint32_t tiles;            /* tiles to requantise with shift 32 and the clamp 0 and 255; 0: one, to `sums` */
    const int32_t *bias;       /* with tiles: of each of their channels; these three advance */
    const int32_t *multiplier; /* the same */
    uint8_t *output;
    uint32_t sum;                    /* half a tile to `sums`: the sum of the codes; out */
    const uint32_t *weights, *bytes; /* half tiles: their weights, which advance, and codes of whole groups */
    uint32_t centring;               /* half tiles to requantise: what the sum of codes counts, of a top field */
    const dqt_mac *mac;              /* the rest is none of a micro-kernel's business */
    const int32_t *bias_row;
    const uint8_t *codes;
    uint8_t *outputs;
    uint32_t *scratch;
    dqt_width bits;
    uint32_t rounding, keep; /* of four codes: half a step of the view, and its bits */
    dqt_dsp_dense_form form;
    uint32_t first, end; /* channels that are not done */
    uint32_t waiting;    /* 1: the sums of a tile are there, and to be finished */
} dqt_dsp_dense_job;

/* Bytes. Weights of 8 bits. */
dqt_dsp_dense_sum dqt_dsp_dense_bytes;

/* Half tiles of bytes, channel 0 over 2, of codes as they are. `tiles` of them to codes, two channels each; or one to
 * sums[0], sums[2] and the sum of the codes. */
dqt_dsp_dense_sum dqt_dsp_dense_two;

/* Planes of nibbles. wide_8: 8-bit weights; masked: 2..8 bits by mask; packed: 2..4 bits by mask, period 4 or 16.
 * Activations of packed form are views times 2^(bits of the weights). No plane is read whose bits the mask leaves out.
 */
dqt_dsp_dense_sum dqt_dsp_nibbles_wide_8, dqt_dsp_nibbles_masked, dqt_dsp_nibbles_packed;

/* Planes A, B, L: one tile, to sums; without regard to `run`. packed_2 has a period of a multiple of 4 up to
 * DQT_DSP_DENSE_RUN, packed_4 of 4. */
dqt_dsp_dense_sum dqt_dsp_planes_wide_8, dqt_dsp_planes_wide, dqt_dsp_planes_packed_2, dqt_dsp_planes_packed_4;

/* Fills in the job. */
void dqt_dsp_dense_start(const dqt_layer *layer, uint8_t *arena, uint8_t *scratch, uint32_t candidate,
                         const dqt_dsp_dense_form *form, dqt_dsp_dense_job *job);

/* Views of four codes from k on, at the place of the master's bits; beyond the last input 0. */
static inline uint32_t dqt_dsp_dense_views(const dqt_dsp_dense_job *job, uint32_t k, uint32_t count) {
    uint32_t word = 0;
    if (k + 4u <= count) {
        __builtin_memcpy(&word, job->codes + k, 4);
    } else {
        for (uint32_t i = 0; k + i < count; ++i) {
            word |= (uint32_t)job->codes[k + i] << (8u * i);
        }
    }
    return __uqadd8(word, job->rounding) & job->keep;
}

/* Where half tiles find the codes; scratch takes them if they are no whole groups of 8 bits. */
void dqt_dsp_dense_take(dqt_dsp_dense_job *job);

/* What does not depend on the channel. sum: of the views, each at the scale of a master code. */
void dqt_dsp_dense_centre(dqt_dsp_dense_job *job, uint32_t sum);

/* Codes or accumulators of a tile from channel `first` on that a micro-kernel left as sums; step 2: of half a tile. */
void dqt_dsp_dense_finish(const dqt_dsp_dense_job *job, uint32_t first, uint32_t step);

/* Expands the activations to scratch. */
void dqt_dsp_dense_expand(dqt_dsp_dense_job *job);

/* Finishes what the micro-kernel left, and prepares its next call; 0: the layer is done. */
uint32_t dqt_dsp_dense_next(dqt_dsp_dense_job *job);

#endif
