/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The counter of ports with a timer of Arm's Cortex-M System Design Kit (Arm DDI 0479, APB timer): counts down, 32
 * bits, one tick a period of its clock. A port defines DQT_CMSDK_TIMER, the timer's address, and includes this file,
 * which defines dqt_port_counter() and dqt_port_counter_mask. */
#ifndef DQT_CMSDK_TIMER_H
#define DQT_CMSDK_TIMER_H

#include "dqt_port.h"

typedef struct {
    volatile uint32_t control;
    volatile uint32_t value;
    volatile uint32_t reload;
} dqt_cmsdk_timer;

#define CMSDK_TIMER ((dqt_cmsdk_timer *)DQT_CMSDK_TIMER)

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

/* For dqt_port_init(). */
static inline void dqt_cmsdk_timer_init(void) {
    CMSDK_TIMER->reload = 0xFFFFFFFFu;
    CMSDK_TIMER->value = 0xFFFFFFFFu;
    CMSDK_TIMER->control = 1;
}

uint64_t dqt_port_counter(void) {
    return ~CMSDK_TIMER->value;
}

#endif
