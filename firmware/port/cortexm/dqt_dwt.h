/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The counter of ports whose core has DWT_CYCCNT: cycles of the core, 32 bits (Armv7-M DDI0403E C1.6.5 and C1.8.8;
 * Armv8-M DDI0553B D1.2). A port includes this file, which defines dqt_port_counter() and dqt_port_counter_mask. The
 * Cortex-M7 has a lock before it, and its port another counter. */
#ifndef DQT_DWT_H
#define DQT_DWT_H

#include "dqt_port.h"

#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CTRL_CYCCNTENA (1u << 0)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

/* For dqt_port_init(). */
static inline void dqt_dwt_init(void) {
    DEMCR |= DEMCR_TRCENA;
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
}

uint64_t dqt_port_counter(void) {
    return DWT_CYCCNT;
}

#endif
