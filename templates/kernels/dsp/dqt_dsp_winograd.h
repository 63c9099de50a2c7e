/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Convolution with windows three columns wide by Winograd's F(2,3) along the row, on cores with the DSP extension: what
 * its units share. Exact: all of it is sums and products of integers. dqt-edge's page 'kernels' derives it.
 *
 * Two outputs of a row are a pair. From their four input columns e0..e3 and the weights g0..g2 of a row of the window
 * come four products instead of six, which are called positions, here in the order in which they are computed:
 *
 *   3: (e2 - e1) * (g0 - g1 + g2)   1: (e0 - e2) * 2 * g0   2: (e1 + e2) * (g0 + g1 + g2)   4: (e1 - e3) * 2 * g2
 *
 * Twice the outputs are 1 + 2 + 3 and 2 - 3 - 4. Both factors fit 16 bits: codes are 0..255, and weights less their
 * zero point are -255..255. Sums wrap modulo 2^32; the exporter has proved that the result does not. */
#ifndef DQT_DSP_WINOGRAD_H
#define DQT_DSP_WINOGRAD_H

#include "dqt_dsp_conv.h"

/* Pixels that the micro-kernel computes at a time: two pairs. */
#define DQT_DSP_WINOGRAD_PIXELS 4u

/* Input columns under them. */
#define DQT_DSP_WINOGRAD_COLUMNS 6u

/* Products of a pair. */
#define DQT_DSP_WINOGRAD_POSITIONS 4u

/* What a call of the micro-kernel computes: tiles of four channels at some groups of four pixels. The micro-kernel
 * knows the offsets. Code addresses have bit 0 set. */
typedef struct {
    const uint32_t *operands; /* of the first group at position 3 */
    uint32_t position;        /* bytes from there to the next position */
    uint32_t group;           /* and to the next group */
    uint32_t groups;          /* 1 or more */
    const dqt_dsp_run *runs;  /* for each position: offsets of operands, code, bytes of weights to pass over before */
    const dqt_dsp_run *runs_end; /* behind the last one; there is one at least */
    uintptr_t weights; /* where the first run begins to pass over them; positions follow one another, and tiles */
    const dqt_dsp_channel *first; /* of its channels */
    const dqt_dsp_channel *end;
    uint8_t *output;      /* of the first channel at the first pixel */
    uint32_t pixel;       /* bytes between outputs of neighbouring pixels */
    uint32_t output_step; /* from the output behind the last tile to that of the next group */
    uint32_t residual;    /* from an output to its residual code, modulo 2^32 */
    uintptr_t outputs;    /* dqt_dsp_winograd_codes or dqt_dsp_winograd_fused */
} dqt_dsp_winograd_job;

/* The micro-kernel (dqt_dsp_winograd.S), and labels in it. In a run, `step` is the bytes of weights to pass over. */
void dqt_dsp_winograd(const dqt_dsp_winograd_job *job);
extern const uint8_t dqt_dsp_winograd_loop[];
extern const uint8_t dqt_dsp_winograd_codes[], dqt_dsp_winograd_fused[];

/* Operands of a row of codes: for each group of four pixels and four channels, the words of channels 0|2 of both pairs,
 * then of 1|3 of both. `position` and `group` in words; codes: six columns for each group, `step` bytes from group to
 * group. */
void dqt_dsp_winograd_codes_of(const uint8_t *codes, uint32_t step, uint32_t channels, uint32_t groups,
                               uint32_t position, uint32_t group, uint32_t *to);

/* Operands of a tile: for each position, row of the window and four input channels the words of channels 0|2 of the
 * four outputs, then of 1|3. wide: the tile as dqt_dsp_decode() leaves it at 8 bits; rows: of the window. */
void dqt_dsp_winograd_weights_of(const uint32_t *wide, uint32_t channels, uint32_t rows, int32_t weight_zero,
                                 uint32_t *to);

#endif
