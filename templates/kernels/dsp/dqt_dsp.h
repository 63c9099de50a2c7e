/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What the kernels for cores with the DSP extension share. */
#ifndef DQT_DSP_H
#define DQT_DSP_H

#include "dqt_arith.h"
#include "dqt_limits.h"

#include <arm_acle.h>

/* K of one turn of an inner loop. */
#define DQT_DSP_BLOCK 16u

/* K of the shortest run between two folds for which an even sum is unwrapped once a run. */
#define DQT_DSP_RUN_MIN 64u

/* The bits of plane A that make the wide form of the stored one: there, the channels 0 and 1 are two's complement and 2
 * and 3 offset-binary. They are the top bits of channels 0 and 3. */
#define DQT_DSP_WIDE_TOPS 0x208A208Au

/* Forms of operands. */
#define DQT_DSP_WIDE 0u
#define DQT_DSP_PACKED 1u
#define DQT_DSP_PACKED_LONG 2u

/* How a width pair is computed. */
typedef struct {
    uint32_t form; /* DQT_DSP_WIDE, DQT_DSP_PACKED: unwrapped every 16 K, or DQT_DSP_PACKED_LONG: once a run */
    uint32_t weight_bits;
    uint32_t run;         /* K between folds */
    uint32_t top_most;    /* K until a top (packed: odd) sum may leave its field */
    uint32_t low_most;    /* packed: K until an even sum may leave 16 bits */
    uint32_t rounding;    /* four bytes: half a step of the activation view */
    uint32_t keep;        /* four bytes: mask of the bits of the view, at the place of the master code */
    uint32_t right, left; /* from there to the operand; one of the two is 0 */
    uint32_t centring;    /* 2^(8 - weight_bits) - 1 */
    uint32_t low_shift;   /* packed: left shift of an even sum, to twice-accumulator units */
    uint32_t top_shift;   /* packed: right shift of an odd sum in the high half, to the same */
} dqt_dsp_pair;

/* bits: 2..8 each. */
dqt_dsp_pair dqt_dsp_choose(uint32_t weight_bits, uint32_t activation_bits);

static inline uint32_t dqt_dsp_least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Bytes 0 and 2 of a word as halves, and bytes 1 and 3. */
static inline uint32_t dqt_dsp_even_bytes(uint32_t word) {
    uint32_t halves;
    __asm__("uxtb16 %0, %1" : "=r"(halves) : "r"(word));
    return halves;
}

static inline uint32_t dqt_dsp_odd_bytes(uint32_t word) {
    uint32_t halves;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
}

/* The same of signed bytes 1 and 3. */
static inline int16x2_t dqt_dsp_odd_signed_bytes(uint32_t word) {
    int16x2_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
    return halves;
}

/* The low halves of two words, and the high halves: the first word's below the second's. */
static inline uint32_t dqt_dsp_low_halves(uint32_t below, uint32_t above) {
    uint32_t word;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(word) : "r"(below), "r"(above));
    return word;
}

static inline uint32_t dqt_dsp_high_halves(uint32_t below, uint32_t above) {
    uint32_t word;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(word) : "r"(above), "r"(below));
    return word;
}

/* The fields of `high` under the mask change places with those of `low` that lie `shift` bits above them. */
static inline void dqt_dsp_swap(uint32_t *high, uint32_t *low, uint32_t shift, uint32_t mask) {
    const uint32_t swap = (*high ^ (*low >> shift)) & mask;
    *high ^= swap;
    *low ^= swap << shift;
}

/* Even and odd bytes added to the halves of `sums`. */
static inline uint32_t dqt_dsp_add_even_bytes(uint32_t sums, uint32_t word) {
    __asm__("uxtab16 %0, %0, %1" : "+r"(sums) : "r"(word));
    return sums;
}

static inline uint32_t dqt_dsp_add_odd_bytes(uint32_t sums, uint32_t word) {
    __asm__("uxtab16 %0, %0, %1, ror #8" : "+r"(sums) : "r"(word));
    return sums;
}

/* (a * b + 2^31) >> 32: with shift 32 the whole requantisation but for the clamp. */
static inline int32_t dqt_dsp_smmulr(int32_t a, int32_t b) {
    int32_t product;
    __asm__("smmulr %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

/* Code of a twice-accumulator of channel c: as dqt_requantize_channel. */
static inline uint8_t dqt_dsp_requantize(const dqt_requantize *rq, int32_t twice, uint32_t c) {
    if (rq->shift != 0 && rq->shift[c] != 32u) {
        return dqt_requantize_channel(rq, twice, c);
    }
    const int32_t low = rq->low;
    const int32_t high = rq->high;
    int32_t code = dqt_dsp_smmulr(twice, rq->multiplier[c]);
    code = code < low ? low : code;
    return (uint8_t)(code > high ? high : code);
}

#endif
