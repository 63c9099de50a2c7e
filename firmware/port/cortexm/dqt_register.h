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

#endif
