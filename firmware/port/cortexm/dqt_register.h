/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * A register by its address, and waiting for one. */
#ifndef DQT_REGISTER_H
#define DQT_REGISTER_H

#include <stdint.h>

#define DQT_REG(address) (*(volatile uint32_t *)(address))

/* Reads of a register until hardware is given up: about 30 ms at 16 MHz, ten times what the slowest crystal takes to
 * start. Whoever waits in vain stays at the clock after reset. */
#define DQT_POLLS 50000u

/* Polls a register until (value & mask) == wanted. Returns 1 if it came true. */
static inline int dqt_wait(const volatile uint32_t *address, uint32_t mask, uint32_t wanted) {
    for (uint32_t i = 0; i < DQT_POLLS; i++) {
        if ((*address & mask) == wanted) {
            return 1;
        }
    }
    return 0;
}

/* value / by, to the nearest. `value` + `by` / 2: below 2^32; `by`: 1 .. 2^31 - 1. */
static inline uint32_t dqt_divided(uint32_t value, uint32_t by) {
    value += by / 2u;
#ifdef __ARM_FEATURE_IDIV
    return value / by;
#else
    uint32_t quotient = 0, rest = 0;
    for (uint32_t bit = 0; bit < 32u; bit++) {
        rest = rest << 1 | value >> 31;
        value <<= 1;
        quotient <<= 1;
        if (rest >= by) {
            rest -= by;
            quotient |= 1u;
        }
    }
    return quotient;
#endif
}

#endif
