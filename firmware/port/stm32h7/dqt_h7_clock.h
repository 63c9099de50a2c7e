/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * Clock tree: the full clock from the board's HSE, or 64 MHz from the internal oscillator. */
#ifndef DQT_H7_CLOCK_H
#define DQT_H7_CLOCK_H

#include <stdint.h>

/* What kept the core from its full clock. */
typedef enum {
    DQT_H7_CLOCK_FULL = 0,
    DQT_H7_CLOCK_NO_SUPPLY, /* regulator not ready after the supply was configured */
    DQT_H7_CLOCK_NO_VOS1,
    DQT_H7_CLOCK_NO_VOS0,
    DQT_H7_CLOCK_NO_HSE, /* no clock from the ST-LINK, or no crystal */
    DQT_H7_CLOCK_NO_PLL,
    DQT_H7_CLOCK_NO_FLASH, /* wait states not taken over */
    DQT_H7_CLOCK_NO_SWITCH
} dqt_h7_clock_status;

/* Outcome of dqt_h7_clock_init(), for a debugger: `print dqt_h7_clock_outcome`. */
extern volatile dqt_h7_clock_status dqt_h7_clock_outcome;

/* Sets the clock tree up. Every wait is bounded; on failure the core stays at 64 MHz and the outcome says why.
 * Returns the frequency of the APB1 clock in Hz: a quarter of the full clock, or 32 MHz. */
uint32_t dqt_h7_clock_init(void);

/* Polls a register until (value & mask) == wanted, at most `polls` times. Returns 1 if it came true. */
int dqt_h7_wait(volatile const uint32_t *address, uint32_t mask, uint32_t wanted, uint32_t polls);

/* About 40 ms at 64 MHz, ten times the slowest transition (LDO and PLL: below 1 ms, DS12110 section 6.3). */
#define DQT_H7_POLLS 200000u

#endif
