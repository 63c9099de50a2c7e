/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Four codes in a word: what the kernels in C for any Cortex-M share. Instructions for bytes are used where the core
 * has them; else the same is done in a few operations on whole words. */
#ifndef DQT_WORDS_H
#define DQT_WORDS_H

#include "dqt_arith.h"

#include <stdbool.h>

/* Codes of a word. */
#define DQT_WORD 4u

/* Whether the core has instructions for the four bytes of a word. */
#if defined(__ARM_FEATURE_SIMD32) && __ARM_FEATURE_SIMD32
#define DQT_WORD_BYTES 1
#else
#define DQT_WORD_BYTES 0
#endif

/* Whether words may be read and written at a place that is no multiple of four; `places`: addresses and distances, all
 * joined by |. */
static inline bool dqt_word_places(uintptr_t places) {
#if defined(__ARM_FEATURE_UNALIGNED)
    (void)places;
    return true;
#else
    return (places & 3u) == 0u;
#endif
}

/* The word at a place that dqt_word_places() allows. */
static inline uint32_t dqt_word_load(const uint8_t *from) {
#if defined(__ARM_FEATURE_UNALIGNED)
    uint32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
#else
    return *(const uint32_t *)(const void *)from;
#endif
}

static inline void dqt_word_store(uint8_t *to, uint32_t word) {
#if defined(__ARM_FEATURE_UNALIGNED)
    __builtin_memcpy(to, &word, sizeof word);
#else
    *(uint32_t *)(void *)to = word;
#endif
}

static inline uint32_t dqt_word_least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* A code four times. */
static inline uint32_t dqt_word_of(uint32_t code) {
    return code * 0x01010101u;
}

#if !DQT_WORD_BYTES
/* Four masks: 0xFF where the byte of a is the byte of b or more. The difference of the low seven bits, with a bit above
 * each that stops the borrow, decides where the top bits are equal. */
static inline uint32_t dqt_word_not_less(uint32_t a, uint32_t b) {
    const uint32_t low = (a | 0x80808080u) - (b & 0x7F7F7F7Fu);
    const uint32_t decided = (((a ^ b) & (a ^ low)) ^ low) & 0x80808080u;
    return (decided << 1) - (decided >> 7);
}
#endif

/* The larger code of each byte. */
static inline uint32_t dqt_word_larger(uint32_t a, uint32_t b) {
#if DQT_WORD_BYTES
    uint32_t larger;
    __asm__("usub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(larger) : "r"(a), "r"(b));
    return larger;
#else
    return b ^ ((a ^ b) & dqt_word_not_less(a, b));
#endif
}

/* The smaller code of each byte. */
static inline uint32_t dqt_word_smaller(uint32_t a, uint32_t b) {
#if DQT_WORD_BYTES
    uint32_t smaller;
    __asm__("usub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(smaller) : "r"(a), "r"(b));
    return smaller;
#else
    return a ^ ((a ^ b) & dqt_word_not_less(a, b));
#endif
}

/* The nearest code of each byte within a byte of `low` and of `high`, which hold one code four times. */
static inline uint32_t dqt_word_clamp(uint32_t codes, uint32_t low, uint32_t high) {
#if !DQT_WORD_BYTES
    if (low == 0u && high == UINT32_MAX) {
        return codes;
    }
#endif
    return dqt_word_smaller(dqt_word_larger(codes, low), high);
}

/* The same of a single value, which may be no code. */
static inline uint8_t dqt_word_clamp_one(int32_t value, uint32_t low, uint32_t high) {
    const int32_t least = (int32_t)(low & 0xFFu);
    const int32_t most = (int32_t)(high & 0xFFu);
    value = value < least ? least : value;
    return (uint8_t)(value > most ? most : value);
}

/* Bytes 0 and 2 of a word added to the halves of `sums`, and bytes 1 and 3. */
static inline uint32_t dqt_word_add_even(uint32_t sums, uint32_t word) {
#if DQT_WORD_BYTES
    __asm__("uxtab16 %0, %0, %1" : "+r"(sums) : "r"(word));
    return sums;
#else
    return sums + (word & 0x00FF00FFu);
#endif
}

static inline uint32_t dqt_word_add_odd(uint32_t sums, uint32_t word) {
#if DQT_WORD_BYTES
    __asm__("uxtab16 %0, %0, %1, ror #8" : "+r"(sums) : "r"(word));
    return sums;
#else
    return sums + (word >> 8 & 0x00FF00FFu);
#endif
}

/* (a * b + 2^31) >> 32; b > 0. */
static inline int32_t dqt_word_scale(int32_t a, int32_t b) {
#if DQT_SHORT_PRODUCTS
    return dqt_product_scale(a, b);
#elif DQT_WORD_BYTES
    int32_t product;
    __asm__("smmulr %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
#else
    const int64_t product = (int64_t)a * b;
    return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
#endif
}

/* 0..255, or what is nearest. */
static inline uint32_t dqt_word_saturate(int32_t value) {
#if DQT_SHORT_PRODUCTS
    if ((uint32_t)value <= 255u) {
        return (uint32_t)value;
    }
    return value < 0 ? 0u : 255u;
#else
    uint32_t code;
    __asm__("usat %0, #8, %1" : "=r"(code) : "r"(value));
    return code;
#endif
}

/* Requantisation in one product, before the clamp. left: 32 less the right shift; the exporter has proved that an
 * accumulator shifted by it fits int32. */
static inline int32_t dqt_word_value(int32_t twice, int32_t multiplier, uint32_t left) {
    return dqt_word_scale(dqt_shift_left(twice, left), multiplier);
}

/* Four values as codes. */
static inline uint32_t dqt_word_codes(int32_t a, int32_t b, int32_t c, int32_t d) {
    const uint32_t even = dqt_word_saturate(a) | dqt_word_saturate(c) << 16;
    const uint32_t odd = dqt_word_saturate(b) | dqt_word_saturate(d) << 16;
    return even | odd << 8;
}

#endif
