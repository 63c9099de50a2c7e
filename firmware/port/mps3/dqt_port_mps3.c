/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * MPS3 image AN547 (Cortex-M55 in Corstone SSE-300), as QEMU models it. The core starts in the secure state. */
#define DQT_CMSDK_UART 0x59303000u     /* secure alias */
#define DQT_CMSDK_HZ 25000000u         /* of the peripherals; the core has 32 MHz */
#define DQT_CMSDK_WATCHDOG 0x5802E000u /* the secure one on the slow clock */
#define DQT_CMSDK_WATCHDOG_HZ 32000u

#include "dqt_cmsdk_port.h"

/* The 64-bit system counter of the subsystem (Arm 101773, system counter): a control and a read frame. */
#define COUNTER_CONTROL (*(volatile uint32_t *)0x58100000u) /* CNTCR; bit 0: enable */
#define COUNTER_LOW (*(volatile uint32_t *)0x58101000u)     /* CNTCV, low and high word */
#define COUNTER_HIGH (*(volatile uint32_t *)0x58101004u)

const uint64_t dqt_port_counter_mask = UINT64_MAX;

void dqt_port_init(void) {
    COUNTER_CONTROL = 1;
    dqt_cmsdk_uart_init();
    dqt_watchdog_start();
}

uint64_t dqt_port_counter(void) {
    uint32_t high;
    uint32_t low;
    do { /* the low word may carry into the high word between two reads */
        high = COUNTER_HIGH;
        low = COUNTER_LOW;
    } while (high != COUNTER_HIGH);
    return ((uint64_t)high << 32) | low;
}
