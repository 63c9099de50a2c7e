/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Kernels for cores without the DSP extension: what they share.
 *
 * A 32-bit multiplication by an activation serves several channels, because a weight operand holds several
 * offset-binary weights u, 0 or more, in fields that stay apart. Two forms, for the channels 0 to 3 of a tile:
 *
 *   wide    three words: u0 + u1 * 2^8, u1 + u2 * 2^8, u2 + u3 * 2^8. Sums of up to 24 bits: alternately added, the
 *           words leave channel 0 and a multiple of 2^24; channel 0 taken out of the first leaves 1, and so on.
 *   packed  two words: u0 + u2 * 2^16, u1 + u3 * 2^16. Sums of up to 16 bits.
 *
 * dqt-edge's page 'kernels' derives the formats and every bound. */
#ifndef DQT_SCALAR_H
#define DQT_SCALAR_H

#include "dqt_arith.h"
#include "dqt_limits.h"

/* K of one turn of the inner loop of a micro-kernel. */
#define DQT_SCALAR_BLOCK 16u

/* Words of the operands of a tile at one K. */
#define DQT_SCALAR_WIDE_WORDS 3u
#define DQT_SCALAR_PACKED_WORDS 2u

/* Consecutive activation operands: a word for each of two pixels, K after K; an even number of K. */
typedef struct {
    const uint32_t *start; /* NULL: unpack the field sums here. Two NULLs in a row end the table */
    uint32_t entry;        /* bytes of the inner loop to jump over, where the run is no multiple of DQT_SCALAR_BLOCK */
    uint32_t skip;         /* bytes of weights to pass over before the run */
    const uint32_t *end;
} dqt_scalar_run;

/* How a width pair is computed: twice-accumulator = (sum(u * a) << shift) - centring * sum(a) + bias. */
typedef struct {
    uint32_t packed;      /* 1: packed form; 0: wide, where views stay at the place of the master's bits */
    uint32_t weight_bits; /* 2..8 */
    uint32_t narrow;      /* 8 - activation bits */
    uint32_t left;        /* activation operands are views shifted left by it */
    uint32_t words;       /* of a tile's operands at one K */
    uint32_t limit;       /* K until a field could overflow; 16 or more, a power of two */
    uint32_t shift;
    uint32_t centring;
} dqt_scalar_pair;

/* bits: 2..8 each. */
dqt_scalar_pair dqt_scalar_choose(uint32_t weight_bits, uint32_t activation_bits, int32_t weight_zero);

/* Operands of one weight tile, `rows` times `depth` K; where depth is odd, a zero operand follows each row.
 * to: rows * (depth rounded up to 2) * words. */
void dqt_scalar_decode(const dqt_mac *mac, uint32_t tile, uint32_t rows, uint32_t depth, const dqt_scalar_pair *pair,
                       uint32_t *to);

/* Two-bit fields of planes A and B to nibbles. */
static inline void dqt_scalar_join(uint32_t *a, uint32_t *b) {
    const uint32_t swap = (*a ^ (*b >> 2)) & 0x33333333u;
    *a ^= swap;
    *b ^= swap << 2;
}

/* Nibbles and nibbles of plane L to bytes. */
static inline void dqt_scalar_join_low(uint32_t *high, uint32_t *low) {
    const uint32_t swap = (*high ^ (*low >> 4)) & 0x0F0F0F0Fu;
    *high ^= swap;
    *low ^= swap << 4;
}

/* The views of all codes at 8 - narrow bits, shifted left: DQT_SCALAR_TABLE bytes. narrow: 1..6; left: 0..narrow. */
void dqt_scalar_table(uint32_t narrow, uint32_t left, uint8_t *table);

typedef struct {
    int32_t bias_twice; /* with the zero point of the residual folded in */
    int32_t multiplier;
    int32_t residual_multiplier;
} dqt_scalar_channel;

/* Flags of dqt_scalar_job.mode. */
#define DQT_SCALAR_RAW 1u      /* outputs are int32 twice-accumulators, not codes */
#define DQT_SCALAR_FOLDED 2u   /* the table of runs has a NULL before its end */
#define DQT_SCALAR_RESIDUAL 4u /* codes: a residual operand enters the accumulator */

/* One call of a micro-kernel: `tiles` tiles of four channels at two pixels. */
typedef struct {
    const dqt_scalar_run *runs;         /* at least one */
    const uint32_t *weights;            /* operands of the first tile; advanced */
    uint32_t tile_bytes;                /* of the operands of one tile */
    const dqt_scalar_channel *channels; /* four for each tile; advanced */
    void *output[2];                    /* four elements a tile for each pixel; advanced */
    uint32_t centre[2];                 /* by pixel: centring * sum of the activations */
    uint32_t shift;                     /* left shift of a sum */
    uint32_t mode;
    uint32_t tiles;    /* 1 or more; counted down to 0 */
    uint32_t residual; /* from an output to its residual code, in bytes, modulo 2^32 */
    uint32_t sums[8];  /* [channel][pixel]; 0 before and after */
} dqt_scalar_job;

#if UINTPTR_MAX == 0xFFFFFFFFu
_Static_assert(sizeof(dqt_scalar_run) == DQT_SCALAR_RUN_SIZE && sizeof(dqt_scalar_channel) == DQT_SCALAR_CHANNEL_SIZE,
               "the exporter counts scratch with these");
_Static_assert(__builtin_offsetof(dqt_scalar_job, channels) == 12 && __builtin_offsetof(dqt_scalar_job, output) == 16 &&
                   __builtin_offsetof(dqt_scalar_job, centre) == 24 &&
                   __builtin_offsetof(dqt_scalar_job, shift) == 32 && __builtin_offsetof(dqt_scalar_job, tiles) == 40 &&
                   __builtin_offsetof(dqt_scalar_job, sums) == 48,
               "the micro-kernels address the job by number");
#endif

/* The micro-kernels (dqt_scalar_multiply.S; Armv6-M: dqt_scalar_multiply_thumb1.c). */
typedef void dqt_scalar_multiply(dqt_scalar_job *job);
dqt_scalar_multiply dqt_scalar_wide;
dqt_scalar_multiply dqt_scalar_packed;

/* Bytes of code of the inner loops for one K: 8 instructions, and 5 (10 for two K), of four bytes each; on Armv6-M 16
 * and 11, of two bytes each. */
#define DQT_SCALAR_WIDE_STEP 32u
#if DQT_SHORT_PRODUCTS
#define DQT_SCALAR_PACKED_STEP 22u
#else
#define DQT_SCALAR_PACKED_STEP 20u
#endif

/* Keeps loads of memory behind it from being moved before it, where registers are short. */
#define DQT_SCALAR_BARRIER() __asm__ volatile("" : : : "memory")

/* (twice * multiplier + 2^31) >> 32: with shift 32 the whole requantisation but for the clamp. */
static inline int32_t dqt_scalar_scale(int32_t twice, int32_t multiplier) {
#if DQT_SHORT_PRODUCTS
    return dqt_product_scale(twice, multiplier);
#else
    const int64_t product = (int64_t)twice * multiplier;
    return (int32_t)((uint32_t)((uint64_t)product >> 32) + ((uint32_t)product >> 31));
#endif
}

/* Saturate to 0..255. */
static inline uint8_t dqt_scalar_saturate(int32_t code) {
#if defined(__ARM_FEATURE_SAT)
    __asm__("usat %0, #8, %0" : "+r"(code));
    return (uint8_t)code;
#else
    return (uint8_t)(code < 0 ? 0 : code > 255 ? 255 : code);
#endif
}

/* Code of a twice-accumulator of channel c: as dqt_requantize_channel. */
static inline uint8_t dqt_scalar_requantize(const dqt_requantize *rq, int32_t twice, uint32_t c) {
    if (rq->shift != 0) {
        return dqt_requantize_channel(rq, twice, c);
    }
    const int32_t low = rq->low;
    const int32_t high = rq->high;
    int32_t code = dqt_scalar_scale(twice, rq->multiplier[c]);
    code = code < low ? low : code;
    return (uint8_t)(code > high ? high : code);
}

#endif
