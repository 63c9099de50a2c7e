/* Convolution on cores with the DSP extension: what the kernels and the micro-kernels share.
 *
 * Two output channels travel in one 16-bit half, so that one SMLAD makes four products. Two formats:
 *
 *   wide    half = top * 2^8 + low, a channel as a signed byte over another as an offset-binary byte. The fields
 *           overlap; a second SMLAD on the bytes of the low channel alone tells the two sums apart.
 *   packed  half = odd * 2^(16-b) + even, b <= 4 bits of weight, where 2 * b + (bits of activation) <= 12. Activations
 * are scaled by 2^b, so that the sum of the even channel fills the low 16 bits of the result and the sum of the odd one
 * the high 16. The even sum is unwrapped before it can lap itself.
 *
 * docs/kernels.md derives the formats and every bound. */
#ifndef DQT_DSP_H
#define DQT_DSP_H

#include "dqt_arith.h"

#include <arm_acle.h>

/* Pixels that a micro-kernel computes at a time, and K of one turn of its inner loop. */
#define DQT_DSP_PIXELS 2u
#define DQT_DSP_BLOCK 16u

/* Longest run of K between two folds, and the shortest that any width pair asks for; multiples of DQT_DSP_BLOCK. */
#define DQT_DSP_RUN_MOST 256u
#define DQT_DSP_RUN_LEAST 64u

/* Consecutive activation operands, four words for each group of four K:
 * k0|k2 of pixel 0, k0|k2 of pixel 1, k1|k3 of pixel 0, k1|k3 of pixel 1 (low half | high half). */
typedef struct {
    const uint32_t *start; /* NULL: no run, the table ends */
    uint32_t entry;        /* bytes of the inner loop to jump over, where the run is no multiple of DQT_DSP_BLOCK */
    const uint32_t *end;
    uint32_t skip; /* twice the bytes of weights to pass over before the run, plus 1 to fold after it */
} dqt_dsp_run;

typedef struct {
    int32_t bias_twice; /* with the zero point of the residual folded in */
    int32_t multiplier;
    int32_t residual_multiplier;
} dqt_dsp_channel;

/* Flags of dqt_dsp_job.mode. */
#define DQT_DSP_RAW 1u      /* outputs are int32 twice-accumulators, not codes */
#define DQT_DSP_FOLDED 2u   /* some run asks for a fold */
#define DQT_DSP_RESIDUAL 4u /* codes: a residual operand enters the accumulator */

/* One call of a micro-kernel: `tiles` tiles of four channels at two pixels. The micro-kernels know the offsets. */
typedef struct {
    const dqt_dsp_run *runs;         /* at least one */
    const uint32_t *weights;         /* operands of the first tile; advanced */
    uint32_t tile_bytes;             /* of the operands of one tile */
    const dqt_dsp_channel *channels; /* four for each tile; advanced */
    uint32_t mode;
    void *output[2];       /* four elements a tile for each pixel; advanced */
    int32_t low_centre[2]; /* by pixel: what low fields (packed: even channels) lack, in twice-accumulator units */
    int32_t top_centre[2]; /* by pixel: the same for the other field */
    int32_t folded[4];     /* 0 before and after */
    uint32_t low_shift;    /* packed: left shift of an even sum */
    uint32_t top_shift;    /* packed: right shift of an odd sum in the high half */
    uint32_t tiles;        /* 1 or more; counted down to 0 */
    uint32_t residual;     /* from an output to its residual code, in bytes, modulo 2^32 */
} dqt_dsp_job;

_Static_assert(__builtin_offsetof(dqt_dsp_job, channels) == 12 && __builtin_offsetof(dqt_dsp_job, output) == 20 &&
                   __builtin_offsetof(dqt_dsp_job, low_centre) == 28 && __builtin_offsetof(dqt_dsp_job, folded) == 44 &&
                   __builtin_offsetof(dqt_dsp_job, low_shift) == 60 && __builtin_offsetof(dqt_dsp_job, residual) == 72,
               "the micro-kernels address the job by number");

/* The micro-kernels (dqt_dsp_multiply.c). `packed` unwraps after every 16 K, `packed_long` once a run. */
typedef void dqt_dsp_multiply(dqt_dsp_job *job);
dqt_dsp_multiply dqt_dsp_wide;
dqt_dsp_multiply dqt_dsp_packed;
dqt_dsp_multiply dqt_dsp_packed_long;

/* Bytes of code for four K: 24 and 12 instructions of four bytes. */
#define DQT_DSP_WIDE_GROUP 96u
#define DQT_DSP_PACKED_GROUP 48u

/* The bits of plane A that make the wide form of the stored one: there, the channels 0 and 1 are two's complement and 2
 * and 3 offset-binary. They are the top bits of channels 0 and 3. */
#define DQT_DSP_WIDE_TOPS 0x208A208Au

/* Forms of operands and of micro-kernels. */
#define DQT_DSP_WIDE 0u
#define DQT_DSP_PACKED 1u
#define DQT_DSP_PACKED_LONG 2u

/* How a width pair is computed. */
typedef struct {
    uint32_t form; /* DQT_DSP_WIDE, DQT_DSP_PACKED: unwrapped every 16 K, or DQT_DSP_PACKED_LONG: once a run */
    uint32_t weight_bits;
    uint32_t group;       /* bytes of the micro-kernel's code for four K */
    uint32_t run;         /* K between folds */
    uint32_t rounding;    /* four bytes: half a step of the activation view */
    uint32_t keep;        /* four bytes: mask of the bits of the view, at the place of the master code */
    uint32_t right, left; /* from there to the operand; one of the two is 0 */
    uint32_t centring;    /* 2^(8 - weight_bits) - 1 */
    uint32_t low_shift, top_shift;
} dqt_dsp_pair;

/* bits: 2..8 each. */
dqt_dsp_pair dqt_dsp_choose(uint32_t weight_bits, uint32_t activation_bits);

/* Operands of `tiles` weight tiles from tile `first` of a layer: four words for each group, tile after tile. */
void dqt_dsp_decode(const dqt_mac *mac, uint32_t first, uint32_t tiles, uint32_t groups, const dqt_dsp_pair *pair,
                    uint32_t *operands);

/* Operands of one pixel of a pair (every second word from `to`) of columns of 4 * groups master codes; one column lies
 * `step` bytes behind the other, at any alignment. sums: of the views of each column, each at the scale of a master
 * code. */
void dqt_dsp_expand(const dqt_dsp_pair *pair, const uint8_t *codes, uint32_t groups, uint32_t columns, uint32_t step,
                    uint32_t *to, uint32_t *sums);

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

/* (a * b + 2^31) >> 32: with shift 32 the whole requantisation but for the clamp. */
static inline int32_t dqt_dsp_smmulr(int32_t a, int32_t b) {
    int32_t product;
    __asm__("smmulr %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

/* Code of a twice-accumulator of channel c: as dqt_requantize_channel. */
static inline uint8_t dqt_dsp_requantize(const dqt_requantize *rq, int32_t twice, uint32_t c) {
    if (rq->shift != 0) {
        return dqt_requantize_channel(rq, twice, c);
    }
    const int32_t low = rq->low;
    const int32_t high = rq->high;
    int32_t code = dqt_dsp_smmulr(twice, rq->multiplier[c]);
    code = code < low ? low : code;
    return (uint8_t)(code > high ? high : code);
}

#endif
