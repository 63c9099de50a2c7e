/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Weight tiles: decoding from the prefix planes (dqt-edge's page 'layout'), and the product of a tile with activations.
 */
#ifndef DQT_TILE_H
#define DQT_TILE_H

#include "dqt_arith.h"
#include "dqt_limits.h"

/* Byte `index` of `word` as a signed view. shift: 8 - bits. */
/*@ requires index <= 3 && shift <= 6; */
static inline int8_t dqt_byte_view(uint32_t word, uint32_t index, uint32_t shift) {
    return (int8_t)((int8_t)(uint8_t)(word >> (8u * index)) >> shift);
}

/* Store the sixteen weights of a group, given as the four words that decoding leaves; row c begins at c * depth. */
static inline void dqt_store_group(int8_t *view, uint32_t depth, uint32_t odd, uint32_t odd_low, uint32_t even,
                                   uint32_t even_low, uint32_t shift) {
    int8_t *row0 = view;
    int8_t *row1 = view + depth;
    int8_t *row2 = row1 + depth;
    int8_t *row3 = row2 + depth;
    row0[0] = dqt_byte_view(even_low, 0u, shift);
    row0[1] = dqt_byte_view(even, 1u, shift);
    row0[2] = dqt_byte_view(even_low, 2u, shift);
    row0[3] = dqt_byte_view(even, 3u, shift);
    row1[0] = dqt_byte_view(odd, 1u, shift);
    row1[1] = dqt_byte_view(odd_low, 3u, shift);
    row1[2] = dqt_byte_view(odd, 3u, shift);
    row1[3] = dqt_byte_view(odd_low, 1u, shift);
    row2[0] = dqt_byte_view(even_low, 3u, shift);
    row2[1] = dqt_byte_view(even, 0u, shift);
    row2[2] = dqt_byte_view(even_low, 1u, shift);
    row2[3] = dqt_byte_view(even, 2u, shift);
    row3[0] = dqt_byte_view(odd, 0u, shift);
    row3[1] = dqt_byte_view(odd_low, 2u, shift);
    row3[2] = dqt_byte_view(odd, 2u, shift);
    row3[3] = dqt_byte_view(odd_low, 0u, shift);
}

/* Decode tile `tile` of a layer to signed views.
 * view: out, DQT_TILE rows of `depth` bytes. depth: K rounded up to a multiple of 4. bits: 2..8.
 * Reads plane A always, plane B above 2 bits, plane L above 4: a narrow layer never touches the rest. */
/*@ requires depth % 4 == 0 && 2 <= bits <= 8 && \valid(view + (0 .. 4 * depth - 1));
    requires \valid_read(mac->plane_a + (tile * (depth / 4) .. (tile + 1) * (depth / 4) - 1));
    requires bits > 2 ==> \valid_read(mac->plane_b + (tile * (depth / 4) .. (tile + 1) * (depth / 4) - 1));
    requires bits > 4 ==> \valid_read(mac->plane_l + (tile * (depth / 2) .. (tile + 1) * (depth / 2) - 1)); */
static inline void dqt_decode_tile(const dqt_mac *mac, uint32_t tile, uint32_t depth, uint32_t bits, int8_t *view) {
    const uint32_t groups = depth / DQT_TILE;
    const uint32_t shift = 8u - bits;
    for (uint32_t group = 0; group < groups; ++group) {
        const uint32_t at = tile * groups + group;
        uint32_t odd = mac->plane_a[at];
        uint32_t even = bits > 2u ? mac->plane_b[at] : 0u;
        uint32_t odd_low = bits > 4u ? mac->plane_l[2u * at] : 0u;
        uint32_t even_low = bits > 4u ? mac->plane_l[2u * at + 1u] : 0u;
        /* Delta swaps: 2-bit fields of A and B to nibbles, then nibbles and L to bytes. Byte i of the four words is
         * the weight of field 4i+3, 4i+1, 4i+2 and 4i. Fields of even channels are offset-binary. */
        uint32_t swap = (odd ^ (even >> 2)) & 0x33333333u;
        odd ^= swap;
        even ^= swap << 2;
        swap = (odd ^ (odd_low >> 4)) & 0x0F0F0F0Fu;
        odd ^= swap;
        odd_low ^= swap << 4;
        swap = (even ^ (even_low >> 4)) & 0x0F0F0F0Fu;
        even ^= swap;
        even_low ^= swap << 4;
        dqt_store_group(view + group * DQT_TILE, depth, odd, odd_low, even ^ 0x80808080u, even_low ^ 0x80808080u,
                        shift);
    }
}

/* Products of the four channels of a tile with one column of activation views.
 * view: DQT_TILE rows of `depth` bytes; column: `depth` bytes, zero beyond K; products: out. */
static inline void dqt_tile_products(const int8_t *view, const uint8_t *column, uint32_t depth,
                                     int32_t products[DQT_TILE]) {
    const int8_t *row0 = view;
    const int8_t *row1 = view + depth;
    const int8_t *row2 = row1 + depth;
    const int8_t *row3 = row2 + depth;
    int32_t p0 = 0;
    int32_t p1 = 0;
    int32_t p2 = 0;
    int32_t p3 = 0;
    for (uint32_t k = 0; k < depth; ++k) {
        const int32_t a = column[k];
        p0 += row0[k] * a;
        p1 += row1[k] * a;
        p2 += row2[k] * a;
        p3 += row3[k] * a;
    }
    products[0] = p0;
    products[1] = p1;
    products[2] = p2;
    products[3] = p3;
}

#endif
