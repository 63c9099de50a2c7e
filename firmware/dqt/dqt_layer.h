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

/* Where an input or output lies: an offset into the arena, a multiple of 8, and bytes. */
typedef struct {
    uint32_t offset, size;
} dqt_place;

/* A tensor that is kept between inferences: words at `write` are copied to `read` behind each. Both offsets are
 * multiples of 8. The last word may reach behind the tensor, into bytes that belong to nothing. */
typedef struct {
    uint32_t read, write;
    uint32_t words;
    uint32_t fill; /* the initial code, four times */
} dqt_state;

/* An offset that is not there. */
#define DQT_NONE 0xFFFFFFFFu

struct dqt_layer;

/* Runs a layer at one of its candidates. arena: 8-byte aligned tensors. scratch: 8-byte aligned, clobbered. */
typedef void dqt_kernel(const struct dqt_layer *layer, uint8_t *arena, uint8_t *scratch, uint32_t candidate);

typedef struct dqt_layer {
    dqt_kernel *run;
    const void *parameters; /* one of the structures below, by kernel */
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
    uint8_t block;      /* convolutions: weight tiles decoded at a time, 1..255; depthwise: how, by kernel; else 0 */
    uint8_t strip;      /* conv2d_dsp: pairs of pixels whose operands lie in scratch at a time, depthwise of any window:
                           turns of the micro-kernel in a part of a row, 1..255 */
    int8_t weight_zero; /* what every weight is less than its master; of most layers 0 */
} dqt_mac;

/* Convolution, depthwise or not, whose taps may lie apart. The padding above and left of it is here, not in the window.
 */
typedef struct {
    dqt_mac mac;
    uint16_t apart_y, apart_x; /* rows and columns from one tap to the next, 1..32768 */
    uint16_t pad_top, pad_left;
} dqt_dilated;

/* Convolution of which a kernel computes the pair 8x8 in a way of its own: `block` and `strip` of that, as in dqt_mac,
 * where they are for all other pairs. */
typedef struct {
    dqt_mac mac;
    uint8_t block, strip;
    uint8_t reserved[2];
} dqt_winograd;

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

/* Two inputs that may broadcast: three loops over the output, which is written without a gap, and the bytes from one
 * step of each loop to the next in both inputs; 0 where an input stays. Those of the last loop are 0 or 1. */
typedef struct {
    uint32_t input[2], output;
    uint32_t size[3]; /* all 1 or more */
    uint32_t first[3], second[3];
} dqt_operands;

/* Addition that broadcasts, else like dqt_sum. */
typedef struct {
    dqt_operands operands;
    int32_t multiplier[2], offset;
    uint8_t shift, low, high, reserved;
} dqt_broadcast_sum;

/* Product: clamp(((2*(x1 - zero[0])*(x2 - zero[1]) + bias_twice) * multiplier + 2^(shift-1)) >> shift, low, high). */
typedef struct {
    dqt_operands operands;
    int32_t bias_twice, multiplier;
    uint8_t zero[2];
    uint8_t shift, low, high;
    uint8_t reserved[3];
} dqt_multiplication;

/* Table of codes: element i is table[256 * (i % tables) + x]. tables: 1, or the channels, of which size is a multiple.
 */
typedef struct {
    uint32_t input, output, size;
    uint32_t tables;
    const uint8_t *table;
} dqt_code_table;

/* Softmax of each row: min(255, (512*e + S) / (2*S)), e = exponentials[most - x], S their sum, which fits 30 bits. */
typedef struct {
    uint32_t input, output;
    uint32_t rows, channels;      /* channels: 1..32768 */
    const uint16_t *exponentials; /* [256], 0..32768, the first one not 0 */
} dqt_row_softmax;

/* Codes in another order: six loops over the output, which is written without a gap, the last one fastest; and the
 * bytes from one step of each to the next in the input, beginning at its byte `start`. */
typedef struct {
    uint32_t input, output, start;
    uint32_t size[6]; /* all 1 or more */
    int32_t stride[6];
} dqt_rearrangement;

/* Input element (y, x, c) goes to (top + y*step_y, left + x*step_x, first + c); all other codes are `value`. */
typedef struct {
    uint32_t input, output;
    uint16_t in_height, in_width, in_channels;
    uint16_t out_height, out_width, out_channels;
    uint16_t top, left, first;
    uint16_t step_y, step_x; /* 1 or more */
    uint8_t value;
    uint8_t reserved;
} dqt_padding;

/* Interpolation: row i lies between input rows n = rows[2*i] and min(n + 1, in_height - 1), with rows[2*i+1] of 1024
 * parts of the second; columns likewise. */
typedef struct {
    uint32_t input, output;
    const uint16_t *rows, *columns;
    uint16_t in_height, in_width;
    uint16_t out_height, out_width;
    uint16_t channels;
    uint8_t reserved[2];
} dqt_resizing;

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

/* A layer that may be skipped: its last candidate is 0x0. Of that the bias and the residual are left. */
typedef struct {
    dqt_layer layer;           /* what runs at all other candidates; its parameters begin with a dqt_mac */
    const int32_t *bias_twice; /* [out_channels] */
} dqt_skippable;

/* A layer that nobody reads where a later one is skipped, and that does not run then. */
typedef struct {
    dqt_layer layer;
    uint32_t choice; /* offset in the arena of the later one's candidate */
    uint8_t skipped; /* the candidate that is 0x0 */
    uint8_t reserved[3];
} dqt_branch_layer;

#if UINTPTR_MAX == 0xFFFFFFFFu
/* The sizes that the exporter predicts with. */
_Static_assert(sizeof(dqt_width) == 4u, "dqt_width");
_Static_assert(sizeof(dqt_place) == 8u, "dqt_place");
_Static_assert(sizeof(dqt_state) == 16u, "dqt_state");
_Static_assert(sizeof(dqt_layer) == 24u, "dqt_layer");
_Static_assert(sizeof(dqt_mac) == 76u, "dqt_mac");
_Static_assert(sizeof(dqt_pool) == 52u, "dqt_pool");
_Static_assert(sizeof(dqt_sum) == 32u, "dqt_sum");
_Static_assert(sizeof(dqt_part) == 20u, "dqt_part");
_Static_assert(sizeof(dqt_concatenation) == 16u, "dqt_concatenation");
_Static_assert(sizeof(dqt_dilated) == 84u, "dqt_dilated");
_Static_assert(sizeof(dqt_winograd) == 80u, "dqt_winograd");
_Static_assert(sizeof(dqt_operands) == 48u, "dqt_operands");
_Static_assert(sizeof(dqt_broadcast_sum) == 64u, "dqt_broadcast_sum");
_Static_assert(sizeof(dqt_multiplication) == 64u, "dqt_multiplication");
_Static_assert(sizeof(dqt_code_table) == 20u, "dqt_code_table");
_Static_assert(sizeof(dqt_row_softmax) == 20u, "dqt_row_softmax");
_Static_assert(sizeof(dqt_rearrangement) == 60u, "dqt_rearrangement");
_Static_assert(sizeof(dqt_padding) == 32u, "dqt_padding");
_Static_assert(sizeof(dqt_resizing) == 28u, "dqt_resizing");
_Static_assert(sizeof(dqt_skippable) == 28u, "dqt_skippable");
_Static_assert(sizeof(dqt_branch_layer) == 32u, "dqt_branch_layer");
#endif

#endif
