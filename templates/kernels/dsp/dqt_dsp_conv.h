/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Convolution on cores with the DSP extension: what its units share. dqt-edge's page 'kernels' derives the formats and
 * bounds.
 *
 * Two output channels travel in one 16-bit half, so that one SMLAD makes four products. Two formats:
 *
 *   wide    half = top * 2^8 + low, a channel as a signed byte over another as an offset-binary byte. The fields
 *           overlap; a second SMLAD on the bytes of the low channel alone tells the two sums apart.
 *   packed  half = odd * 2^(16-b) + even, b <= 4 bits of weight, where 2 * b + (bits of activation) <= 12.
 *           Activations are scaled by 2^b, so that the sum of the even channel fills the low 16 bits of the result and
 *           the sum of the odd one the high 16. Either the even sum is unwrapped before it can lap itself, or it
 * cannot: then no sum of its own is needed, and eight channels fit into the registers (`long`). */
#ifndef DQT_DSP_CONV_H
#define DQT_DSP_CONV_H

#include "dqt_dsp.h"

/* Pixels that the micro-kernel computes at a time. */
#define DQT_DSP_PIXELS 2u

/* One step of the program that the micro-kernel follows for each tile. Activation operands of a run follow one another,
 * four words for each group of four K:
 * k0|k2 of pixel 0, k0|k2 of pixel 1, k1|k3 of pixel 0, k1|k3 of pixel 1 (low half | high half). */
typedef struct {
    uintptr_t start;  /* first operand; dqt_dsp_skip: bytes of weights to pass over */
    uintptr_t target; /* code: into an inner loop, dqt_dsp_skip, or the end of a form; bit 0 set */
    uintptr_t end;    /* end of the operands; not 0, but in the last step */
    uint32_t step;    /* from `start` to that of the next pair of pixels, in bytes */
} dqt_dsp_run;

typedef struct {
    int32_t bias_twice; /* with the zero point of the residual folded in */
    int32_t multiplier;
    int32_t residual_multiplier; /* dqt_dsp_shifted: see there */
} dqt_dsp_channel;

/* What a call of the micro-kernel computes: some tiles of four channels at some pairs of pixels. The micro-kernel
 * knows the offsets. Code addresses have bit 0 set. */
typedef struct {
    int32_t low_centre[2]; /* by pixel: what low fields (packed: even channels) lack, in twice-accumulator units */
    int32_t top_centre[2]; /* by pixel: the same for the other field */
    int32_t low_power;     /* packed: an even sum times this is in twice-accumulator units */
    int32_t top_power;     /* packed: the same for an odd sum */
    const dqt_dsp_channel *first_channel;
    const uint32_t *first_weights;
    const dqt_dsp_channel *channels; /* scratch of the micro-kernel */
    const uint32_t *weights;         /* scratch */
    void *output[2];                 /* of the first tile, by pixel; may be the same: then the first pixel's is kept */
    const dqt_dsp_channel *channels_end;
    const uint32_t *sums; /* of the views under the windows, two for each pair of pixels; advanced */
    uint32_t centring;    /* 2^(8 - bits of weight) - 1 - 2 * weight_zero */
    dqt_dsp_run *runs;    /* advanced by one pair less than there are */
    uintptr_t rest;       /* where the first run goes on after its first two K */
    uintptr_t outputs;    /* dqt_dsp_codes, dqt_dsp_fused, dqt_dsp_shifted, or dqt_dsp_raw */
    uintptr_t tile;       /* where the first tile of a pair of pixels begins: dqt_dsp_tile, or dqt_dsp_single */
    uintptr_t again;      /* scratch: where the next one does */
    uint32_t pairs;       /* 1 or more */
    uint32_t output_step; /* bytes from the outputs behind the last tile to those of the next pair of pixels */
    uint32_t residual;    /* from an output to its residual code, in bytes, modulo 2^32 */
    uint32_t spare[4];    /* scratch */
} dqt_dsp_job;

_Static_assert(sizeof(void *) != 4 ||
                   (sizeof(dqt_dsp_run) == DQT_DSP_RUN_SIZE && sizeof(dqt_dsp_channel) == DQT_DSP_CHANNEL_SIZE),
               "the exporter counts scratch with these");

/* The micro-kernel (dqt_dsp_multiply.S), and labels in it. */
void dqt_dsp_multiply(dqt_dsp_job *job);
extern const uint8_t dqt_dsp_tile[], dqt_dsp_single[]; /* start of a tile; of those whose program has one run */
extern const uint8_t dqt_dsp_skip[];                   /* step of the program */
extern const uint8_t dqt_dsp_codes[], dqt_dsp_fused[]; /* codes; with a residual */
extern const uint8_t dqt_dsp_shifted[], dqt_dsp_raw[]; /* codes of any shifts; int32: see docs */
extern const uint8_t dqt_dsp_wide_first[], dqt_dsp_wide_loop[], dqt_dsp_wide_end[];
extern const uint8_t dqt_dsp_packed_first[], dqt_dsp_packed_loop[], dqt_dsp_packed_end[];
extern const uint8_t dqt_dsp_long_first[], dqt_dsp_long_loop[], dqt_dsp_long_end[];

/* Where everything is for one run of a layer. The exporter counts its sizes. */
typedef struct {
    const dqt_mac *mac;
    uint8_t *arena;
    const uint8_t *input;
    dqt_dsp_pair pair; /* its form is that of the layer: DQT_DSP_PACKED_LONG only where nothing needs unwrapping */
    uint32_t pass;     /* K that one pass may take, a multiple of 4: a longer window takes several */
    uint32_t height;   /* runs of a window: rows of the kernel, or 1 */
    uint32_t depth;    /* K of a run */
    uint32_t total;    /* K of a window */
    uint32_t line;     /* pixels of an output row; or all pixels, where rows of the image do not count */
    uint32_t width;    /* pixels of a row of operands: strips of that width are computed one after the other */
    uint32_t left;     /* pixels of the line left of the strip */
    uint32_t pitch;    /* rows: operand columns between two pairs of pixels */
    uint32_t columns;  /* rows: operand columns */
    uint32_t row;      /* words of operands of a row */
    uint32_t step;     /* words between two pairs of pixels */
    uint32_t plain;    /* 1: the micro-kernel requantises */
    uintptr_t outputs; /* of the micro-kernel, if plain */
    dqt_dsp_job job;
    dqt_dsp_run *runs;
    dqt_dsp_channel *channels;
    uint32_t *weights;
    int32_t *raw[2];       /* twice-accumulators that plain C requantises, by pixel */
    uint32_t *rows;        /* operands: a ring of kernel height rows, by row; or a segment */
    uint32_t *sums;        /* by ring place and pixel: sum of the views under the window in that row */
    uint32_t *window_sums; /* the same under the whole window */
    uint32_t *column_sums; /* rows: of each column, every second word */
    union {
        uint32_t *padding; /* rows: operands of a run in the padding, where that is not zero */
        uint32_t *band;    /* gathered: codes of windows that reach into the padding; DQT_DSP_BAND times a window's */
    };
} dqt_dsp_convolution;

/* Operands of `tiles` weight tiles from tile `first` of a layer: four words for each group, tile after tile;
 * DQT_DSP_PACKED_LONG: two tiles alternate every two words. */
void dqt_dsp_decode(const dqt_mac *mac, uint32_t first, uint32_t tiles, uint32_t groups, const dqt_dsp_pair *pair,
                    uint32_t *operands);

/* The same in wide form, from words of the planes; low: 0 if weights have four bits or less. keep: four masks. */
void dqt_dsp_decode_wide(const uint32_t *a, const uint32_t *b, const uint32_t *low, uint32_t count, uint32_t keep,
                         uint32_t *to);

/* Master codes in memory: `units` units of `columns` columns of 4 * groups codes, at any alignment. */
typedef struct {
    const uint8_t *codes;
    uint32_t groups; /* 1 or more, as columns and units */
    uint32_t columns;
    uint32_t step; /* bytes from a column to the next */
    uint32_t units;
    uint32_t unit_step;  /* bytes from a unit to the next */
    uint32_t unit_words; /* and words of operands */
} dqt_dsp_source;

/* Operands of one pixel of a pair, every second word from `to`; within a unit they follow one another. sums: of the
 * views of each unit, each at the scale of a master code; every second word. */
void dqt_dsp_expand(const dqt_dsp_pair *pair, const dqt_dsp_source *source, uint32_t *to, uint32_t *sums);

_Static_assert(sizeof(void *) != 4 ||
                   (__builtin_offsetof(dqt_dsp_pair, rounding) == 20 && __builtin_offsetof(dqt_dsp_pair, left) == 32 &&
                    __builtin_offsetof(dqt_dsp_source, unit_words) == 24),
               "dqt_dsp_expand.S, dqt_dsp_expand_rest.S and dqt_dsp_expand_rgb.S have these numbers");

/* The same of windows of three rows of nine codes, in the order of dqt_dsp_gather, at 8 bits in wide form. */
void dqt_dsp_expand_rgb(const dqt_dsp_source *source, uint32_t *to, uint32_t *sums);

/* The same of the last `groups` codes, 1 to 3, of each column: those of a unit fill groups one after the other, the
 * last one up with zeros. Adds to the sums, or begins them if there are no whole groups in front. */
void dqt_dsp_expand_rest(const dqt_dsp_pair *pair, const dqt_dsp_source *source, uint32_t *to, uint32_t *sums);

/* Operands and window sums of the windows of output row y, of rows of which those from *next on are not yet there. */
void dqt_dsp_expand_rows(const dqt_dsp_convolution *c, uint32_t y, uint32_t *next);

/* Operands and sums of `count` windows from pixel `first` on, gathered; a layer whose channels are no multiple of four.
 */
void dqt_dsp_gather(const dqt_dsp_convolution *c, uint32_t first, uint32_t count);

/* All channels of a block of tiles from tile `first` at `live` pixels from `pixel` on, whose operands are there.
 * top: input row of the first row of the windows, modulo 2^32. */
void dqt_dsp_run_pixels(dqt_dsp_convolution *c, uint32_t first, uint32_t tiles, uint32_t pixel, uint32_t live,
                        uint32_t top);

#endif
