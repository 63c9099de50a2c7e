/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The watchdog of Arm's Cortex-M System Design Kit (Arm DDI 0479, APB watchdog), as QEMU models it: when its counter
 * reaches 0 it raises an NMI, and at the next 0 it resets the machine. A port defines DQT_CMSDK_WATCHDOG, its address,
 * and DQT_CMSDK_WATCHDOG_HZ, its clock, and calls dqt_watchdog_start() last in dqt_port_init(). The board's constant:
 * watchdog_ms, the time-out; without it, nothing is compiled. */
#ifndef DQT_CMSDK_WATCHDOG_H
#define DQT_CMSDK_WATCHDOG_H

#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_messages.h"
#include "dqt_port.h"

#ifdef DQT_BOARD_WATCHDOG_MS
_Static_assert(DQT_BOARD_WATCHDOG_MS >= 1u && DQT_BOARD_WATCHDOG_MS <= 0xFFFFFFFFu / (DQT_CMSDK_WATCHDOG_HZ / 1000u),
               "the counter has 32 bits");

#define DQT_CMSDK_UNLOCK 0x1ACCE551u
#define DQT_NMI 2u

typedef struct {
    volatile uint32_t load;    /* what the counter begins with */
    volatile uint32_t value;   /* the counter */
    volatile uint32_t control; /* bit 0: count and interrupt; bit 1: reset when the interrupt was not cleared */
    volatile uint32_t clear;   /* written: clears the interrupt, and the counter begins anew */
    volatile uint32_t raw;     /* bit 0: the counter has reached 0 */
    volatile uint32_t masked;
    uint32_t reserved[762];
    volatile uint32_t lock; /* anything but DQT_CMSDK_UNLOCK: the others cannot be written */
} dqt_cmsdk_watchdog;

_Static_assert(sizeof(dqt_cmsdk_watchdog) == 0xC04u, "the lock is at 0xC00");

#define CMSDK_WATCHDOG ((dqt_cmsdk_watchdog *)DQT_CMSDK_WATCHDOG)

static inline void dqt_watchdog_start(void) {
    CMSDK_WATCHDOG->lock = DQT_CMSDK_UNLOCK;
    CMSDK_WATCHDOG->load = DQT_BOARD_WATCHDOG_MS * (DQT_CMSDK_WATCHDOG_HZ / 1000u);
    CMSDK_WATCHDOG->control = 3u;
}

void dqt_port_feed(void) {
    CMSDK_WATCHDOG->clear = 1;
}

/* Restarts if it is the watchdog that raised the fault's NMI: the record of the fault says where the program hung. */
static inline void dqt_watchdog_fault(const dqt_fault_info *info) {
    if (info->exception == DQT_NMI && (CMSDK_WATCHDOG->raw & 1u) != 0u) {
        dqt_cortexm_keep_cause(DQT_RESTART_WATCHDOG);
        dqt_cortexm_fault();
    }
}
#else
static inline void dqt_watchdog_start(void) {
}

static inline void dqt_watchdog_fault(const dqt_fault_info *info) {
    (void)info;
}
#endif

#endif
