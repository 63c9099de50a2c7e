/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Words and numbers on the line, for dqt_text.c. */
#ifndef DQT_SAY_H
#define DQT_SAY_H

#include <stdint.h>

/* Words that are said: each a constant of its own, or the linker would merge those that end alike, and the exporter
 * could not know the size. */
#define DQT_WORDS(name, words) static const char name[] __attribute__((aligned(4))) = words

extern const char dqt_closing[4]; /* a bracket and the end of the line */

void dqt_say(const char *words);

/* Words, a number in decimal digits, and the end of the line. */
void dqt_say_line(const char *words, uint64_t value);

/* An error, as a line: e-[reason]. */
void dqt_say_refusal(const char *reason);

void dqt_say_number(uint64_t value);

/* A number in units of 2^-16, to three decimals; half of the last one goes away from zero. */
void dqt_say_fixed(int32_t number);

/* value / by, and what is left over. by: 1 .. 2^31 - 1. */
uint64_t dqt_divide(uint64_t value, uint32_t by, uint32_t *left);

#endif
