/* Dense layers on cores without the DSP extension: products of one weight tile, from the planes. */
#ifndef DQT_BASE_DENSE_H
#define DQT_BASE_DENSE_H

#include "dqt_base.h"

/* The planes of a tile, from a group on; those that a width does not read are not looked at. */
typedef struct {
    const uint32_t *a, *b, *low;
} dqt_base_planes;

/* Add the products of `groups` groups, 1..limit, to the sums of the four channels; the planes advance.
 * activations: a word for each K. keep: mask of the bits of the view in every byte of the weights. */
typedef void dqt_base_sum_groups(dqt_base_planes *planes, const uint32_t *activations, uint32_t groups, uint32_t keep,
                                 uint32_t sums[DQT_TILE]);

/* How a width pair is computed: twice-accumulator = (sum << shift) - centring * sum of the activations + bias. */
typedef struct {
    dqt_base_sum_groups *sum_groups;
    uint32_t limit; /* groups until a field could overflow */
    uint32_t keep;
    uint32_t shift;
} dqt_base_dense;

/* bits: 2..8 each. */
dqt_base_dense dqt_base_dense_choose(uint32_t weight_bits, uint32_t activation_bits);

#endif
