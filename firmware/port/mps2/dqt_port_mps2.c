/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * MPS2 images AN385 (Cortex-M3), AN386 (M4) and AN500 (M7), as QEMU models them. */
#define DQT_CMSDK_UART 0x40004000u
#define DQT_CMSDK_HZ DQT_CORE_HZ
#define DQT_CMSDK_TIMER 0x40000000u /* timer 0 */
#define DQT_CMSDK_WATCHDOG 0x40008000u
#define DQT_CMSDK_WATCHDOG_HZ DQT_CMSDK_HZ

#include "dqt_cmsdk_port.h"
#include "dqt_cmsdk_timer.h"

void dqt_port_init(void) {
    dqt_cmsdk_timer_init();
    dqt_cmsdk_uart_init();
    dqt_watchdog_start();
}
