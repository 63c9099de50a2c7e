/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Dense layers on cores without the DSP extension: products of one weight tile, from the planes.
 *
 * After the delta swaps a word x has the weights u0..u3 of the four channels at one K, a byte each. Their products with
 * an activation are unpacked in three ways:
 *
 *   bytes    three sums, of x * a, (x >> 8 & 0x00FF00FF) * a and (x >> 16) * a, hold four sums of 24 bits;
 *   halves   two sums, of the even and the odd channels, of 16 bits each;
 *   quarters one sum of 8 bits for each channel, spread to halves after every group of four K. */
#ifndef DQT_SCALAR_DENSE_H
#define DQT_SCALAR_DENSE_H

#include "dqt_scalar.h"

/* The planes of a tile, from a group on; those that a width does not read are not looked at. */
typedef struct {
    const uint32_t *a, *b, *low;
} dqt_scalar_planes;

/* Add the products of `groups` groups, 1..limit, to the sums of the four channels; the planes advance.
 * activations: a word for each K. keep: mask of the bits of the view in every byte of the weights. */
typedef void dqt_scalar_sum_groups(dqt_scalar_planes *planes, const uint32_t *activations, uint32_t groups,
                                   uint32_t keep, uint32_t sums[DQT_TILE]);

dqt_scalar_sum_groups dqt_scalar_bytes;        /* weights of 8 bits; limit 64 groups */
dqt_scalar_sum_groups dqt_scalar_bytes_masked; /* of 5 to 7 bits; the same limit */
dqt_scalar_sum_groups dqt_scalar_halves_4;     /* of 3 or 4 bits: as nibbles */
dqt_scalar_sum_groups dqt_scalar_halves_2;     /* of 2 bits */
dqt_scalar_sum_groups dqt_scalar_quarters; /* of 2 bits and activations of at most 4: four products of 45 fit a byte */

#define DQT_SCALAR_HALVES 0x00FF00FFu

/* The four sums in those of `bytes`. Each line takes out of a word what the lines before it have found. */
static inline void dqt_scalar_tell_bytes(uint32_t whole, uint32_t odd, uint32_t high, uint32_t *sums) {
    const uint32_t field = 0x00FFFFFFu;
    const uint32_t even = whole - (odd << 8);                          /* p0 + (p2 << 16) */
    const uint32_t p0 = (even - ((high & 0xFFu) << 16)) & field;       /* high is p2 + (p3 << 8) */
    const uint32_t p2 = (even - p0) >> 16;                             /* its low 16 bits */
    const uint32_t p1 = (odd - ((high - p2) >> 8 << 24 >> 8)) & field; /* odd is p1 + (p3 << 16) */
    const uint32_t p3 = (odd - p1) >> 16;                              /* its low 16 bits */
    const uint32_t rest = high - p2 - (p3 << 8);                       /* (p2 >> 16 << 16) + (p3 >> 16 << 24) */
    sums[0] += p0;
    sums[1] += p1;
    sums[2] += p2 + (rest & 0x00FF0000u);
    sums[3] += p3 + (rest >> 24 << 16);
}

/* How a width pair is computed: twice-accumulator = (sum << shift) - centring * sum of the activations + bias. */
typedef struct {
    dqt_scalar_sum_groups *sum_groups;
    uint32_t limit; /* groups until a field could overflow */
    uint32_t keep;
    uint32_t shift;
} dqt_scalar_dense;

/* bits: 2..8 each. */
dqt_scalar_dense dqt_scalar_dense_choose(uint32_t weight_bits, uint32_t activation_bits);

#endif
