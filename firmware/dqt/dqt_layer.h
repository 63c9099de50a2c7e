/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What kernels and model tables share: one descriptor for each kind of layer, all of it constant data.
 *
 * Tensors are uint8 codes in (height, width, channel) order; a tensor is named by its offset into the arena.
 * "Twice" counts halves of (weight scale * activation scale). The arithmetic is in dqt-edge's page 'arithmetic'. */
#ifndef DQT_LAYER_H
#define DQT_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the exporter has proved of the weights of a layer at a width, for every channel and any activations: the sum of
 * a top field over a whole window fits its field (conv2d_dsp: dqt-edge's page 'kernels'); and that of a low field does
 * too. */
#define DQT_PROOF_NONE 0u
#define DQT_PROOF_TOP 1u
#define DQT_PROOF_BOTH 2u

/* A candidate: bits of the weight view and of the activation view, each 2..8. */
typedef struct {
    uint8_t weight_bits, activation_bits;
    uint8_t proof; /* DQT_PROOF_..., for kernels that ask */
    uint8_t reserved;
} dqt_width;

/* An offset that is not there. */
#define DQT_NONE 0xFFFFFFFFu

struct dqt_layer;

/* Runs a layer at one of its candidates. arena: 8-byte aligned tensors. scratch: 8-byte aligned, clobbered. */
typedef void dqt_kernel(const struct dqt_layer *layer, uint8_t *arena, uint8_t *scratch, uint32_t candidate);

typedef struct dqt_layer {
    dqt_kernel *run;
    const void *parameters; /* dqt_mac, dqt_pool, dqt_sum or dqt_concatenation, by kernel */
    const dqt_width *widths;
    uint16_t width_count;
    bool adaptive;   /* a position of the width vector */
    bool controller; /* belongs to the controller; skipped when the widths are given */
    uint32_t output; /* offset and size of what the layer writes, for checksums */
    uint32_t output_size;
} dqt_layer;

/* Geometry of a sliding window; padding below and right follows from the output size. All sizes 1..32768. */
typedef struct {
    uint16_t in_height, in_width, in_channels;
    uint16_t out_height, out_width, out_channels;
    uint8_t kernel_height, kernel_width;
    uint8_t stride_y, stride_x;
    uint8_t pad_top, pad_left;
    uint8_t in_zero; /* zero point of the input, and the value of its padding */
    uint8_t reserved;
} dqt_window;

/* From twice-accumulators to codes, by channel: clamp((twice * multiplier + 2^(shift-1)) >> shift, low, high). */
typedef struct {
    const int32_t *multiplier; /* 1 .. 2^31 - 1 */
    const uint8_t *shift;      /* 1 .. 62; NULL: 32 for all channels */
    uint8_t low, high;
    uint8_t reserved[2];
} dqt_requantize;

/* Convolution, depthwise convolution, dense. Dense: a 1x1 window over a 1x1 input of in_channels = K. */
typedef struct {
    dqt_window window;
    uint32_t input, output;
    uint32_t residual;         /* arena offset of the fused residual, or DQT_NONE */
    const uint32_t *plane_a;   /* top two bits of the weights; see dqt-edge's page 'layout' */
    const uint32_t *plane_b;   /* the next two */
    const uint32_t *plane_l;   /* the low four */
    const int8_t *masters;     /* depthwise: [tap][channel] bytes instead of planes */
    const int32_t *bias_twice; /* [1 or candidates][out_channels] */
    const int32_t *residual_multiplier;
    uint32_t bias_stride; /* 0: one row for all candidates; else out_channels */
    dqt_requantize requantize;
    uint8_t residual_zero;
    uint8_t block; /* convolutions: weight tiles decoded at a time, 1..255; depthwise_dsp: 1 by column; else 0 */
    uint8_t strip; /* conv2d_dsp: pairs of pixels whose operands lie in scratch at a time, 1..255 */
    uint8_t reserved;
} dqt_mac;

/* Average and maximum pooling. Average: entry i serves the windows with counts[i] elements. */
typedef struct {
    dqt_window window;
    uint32_t input, output;
    const uint16_t *counts;
    const int32_t *bias_twice;
    uint32_t count_count;
    dqt_requantize requantize;
} dqt_pool;

/* Addition of two stored tensors: clamp((x1*m1 + x2*m2 + offset + 2^(shift-1)) >> shift, low, high). */
typedef struct {
    uint32_t input[2], output, size;
    int32_t multiplier[2], offset;
    uint8_t shift, low, high, reserved;
} dqt_sum;

/* An input of a concatenation: size bytes of each row, copied if shift is 0, else
 * clamp(((2*x + offset) * multiplier + 2^(shift-1)) >> shift, low, high). |2*x + offset| fits int32. */
typedef struct {
    uint32_t input, size;
    int32_t multiplier, offset;
    uint8_t shift, low, high, reserved;
} dqt_part;

/* Concatenation: each row of the output is a row of every part, one behind the other. */
typedef struct {
    const dqt_part *parts;
    uint32_t part_count, output, rows;
} dqt_concatenation;

#if UINTPTR_MAX == 0xFFFFFFFFu
/* The sizes that the exporter predicts with. */
_Static_assert(sizeof(dqt_width) == 4u, "dqt_width");
_Static_assert(sizeof(dqt_layer) == 24u, "dqt_layer");
_Static_assert(sizeof(dqt_mac) == 76u, "dqt_mac");
_Static_assert(sizeof(dqt_pool) == 52u, "dqt_pool");
_Static_assert(sizeof(dqt_sum) == 32u, "dqt_sum");
_Static_assert(sizeof(dqt_part) == 20u, "dqt_part");
_Static_assert(sizeof(dqt_concatenation) == 16u, "dqt_concatenation");
#endif

#endif
