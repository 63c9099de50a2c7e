/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * MPS2 images AN385 (Cortex-M3), AN386 (M4) and AN500 (M7), as QEMU models them. */
#define DQT_CMSDK_UART 0x40004000u
#define DQT_CMSDK_HZ DQT_CORE_HZ

#include "dqt_cmsdk_port.h"

/* CMSDK timer 0: counts down, 32 bits, one tick a period of the 25 MHz clock (Arm DDI 0479, APB timer). */
typedef struct {
    volatile uint32_t control;
    volatile uint32_t value;
    volatile uint32_t reload;
} timer;

#define TIMER0 ((timer *)0x40000000u)

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

void dqt_port_init(void) {
    TIMER0->reload = 0xFFFFFFFFu;
    TIMER0->value = 0xFFFFFFFFu;
    TIMER0->control = 1;
    dqt_cmsdk_uart_init();
}

uint64_t dqt_port_counter(void) {
    return ~TIMER0->value;
}
