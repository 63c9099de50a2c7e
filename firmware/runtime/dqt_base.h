/* Kernels for cores without the DSP extension: what they share.
 *
 * A 32-bit multiplication by an activation serves several channels, because a weight operand holds several
 * offset-binary weights u, 0 or more, in fields that stay apart. Two forms, for the channels 0 to 3 of a tile:
 *
 *   wide    three words: u0 + u3 * 2^24, u1 + u3 * 2^16, u2 + u3 * 2^8. Sums of up to 24 bits: the high byte of the
 *           first word is the low byte of channel 3, which taken out of the second leaves the next byte, and so on.
 *   packed  two words: u0 + u2 * 2^16, u1 + u3 * 2^16. Sums of up to 16 bits.
 *
 * docs/kernels.md derives the formats and every bound. */
#ifndef DQT_BASE_H
#define DQT_BASE_H

#include "dqt_arith.h"

/* Pixels that a micro-kernel computes at a time, and K of one turn of its inner loop. */
#define DQT_BASE_PIXELS 2u
#define DQT_BASE_BLOCK 16u

/* Words of the operands of a tile at one K. */
#define DQT_BASE_WIDE_WORDS 3u
#define DQT_BASE_PACKED_WORDS 2u

/* Consecutive activation operands: a word for each of two pixels, K after K; an even number of K. */
typedef struct {
    const uint32_t *start; /* NULL: the sums are told apart here; twice: the table ends */
    uint32_t entry;        /* bytes of the inner loop to jump over, where the run is no multiple of DQT_BASE_BLOCK */
    uint32_t skip;         /* bytes of weights to pass over before the run */
    const uint32_t *end;
} dqt_base_run;

/* How a width pair is computed. */
typedef struct {
    uint32_t packed;           /* 1: packed form, 0: wide */
    uint32_t weight_bits;      /* 2..8 */
    uint32_t activation_shift; /* 8 - bits */
    uint32_t words;            /* of a tile's operands at one K */
    uint32_t limit;            /* K until a field could overflow; 16 or more, a power of two */
    uint32_t shift;            /* twice-accumulator = (sum(u * a) << shift) - centring * sum(a) + bias */
    uint32_t centring;
} dqt_base_pair;

/* bits: 2..8 each. */
dqt_base_pair dqt_base_choose(uint32_t weight_bits, uint32_t activation_bits);

/* Operands of one weight tile, `rows` times `depth` K; where depth is odd, a zero operand follows each row.
 * to: rows * (depth rounded up to 2) * words. */
void dqt_base_decode(const dqt_mac *mac, uint32_t tile, uint32_t rows, uint32_t depth, const dqt_base_pair *pair,
                     uint32_t *to);

/* The views of all codes: 256 bytes. shift: 8 - bits, 1..6. */
void dqt_base_table(uint32_t shift, uint8_t *table);

/* Operands of one pixel of a pair (every second word from `to`) of `columns` columns of `channels` codes; one column
 * lies `step` bytes behind the other. table: the views of the codes, or NULL where they are the codes. sums: of the
 * views of each column. */
void dqt_base_expand(const uint8_t *codes, uint32_t channels, uint32_t columns, uint32_t step, const uint8_t *table,
                     uint32_t *to, uint32_t *sums);

/* The micro-kernels: sums of products of a tile, [channel][pixel]. runs: at least one; weights: 4-byte aligned. */
typedef void dqt_base_multiply(const dqt_base_run *runs, const uint32_t *weights,
                               uint32_t sums[DQT_TILE * DQT_BASE_PIXELS]);
dqt_base_multiply dqt_base_wide;
dqt_base_multiply dqt_base_packed;

/* Bytes of code of the inner loops for one K: 8 instructions, and 5 (10 for two K), of four bytes each. */
#define DQT_BASE_WIDE_STEP 32u
#define DQT_BASE_PACKED_STEP 20u

/* Keeps loads of memory behind it from being moved before it, where registers are short. */
#define DQT_BASE_BARRIER() __asm__ volatile("" : : : "memory")

/* (twice * multiplier + 2^31) >> 32: with shift 32 the whole requantisation but for the clamp. */
static inline int32_t dqt_base_scale(int32_t twice, int32_t multiplier) {
    const int64_t product = (int64_t)twice * multiplier;
    return (int32_t)((uint32_t)((uint64_t)product >> 32) + ((uint32_t)product >> 31));
}

/* Saturate to 0..255. */
static inline uint8_t dqt_base_saturate(int32_t code) {
#if defined(__ARM_FEATURE_SAT)
    __asm__("usat %0, #8, %0" : "+r"(code));
    return (uint8_t)code;
#else
    return (uint8_t)(code < 0 ? 0 : code > 255 ? 255 : code);
#endif
}

/* Code of a twice-accumulator of channel c: as dqt_requantize_channel. */
static inline uint8_t dqt_base_requantize(const dqt_requantize *rq, int32_t twice, uint32_t c) {
    if (rq->shift != 0) {
        return dqt_requantize_channel(rq, twice, c);
    }
    const int32_t low = rq->low;
    const int32_t high = rq->high;
    int32_t code = dqt_base_scale(twice, rq->multiplier[c]);
    code = code < low ? low : code;
    return (uint8_t)(code > high ? high : code);
}

#endif
