/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * MPS2 image AN505 (Cortex-M33 in the IoT Kit, with TrustZone), as QEMU models it. The core starts in the secure state
 * and stays there: every address is the secure alias, which has bit 28 set. */
#define DQT_CMSDK_UART 0x50200000u /* UART 0 */
#define DQT_CMSDK_HZ DQT_CORE_HZ
#define DQT_CMSDK_TIMER 0x50000000u    /* timer 0 */
#define DQT_CMSDK_WATCHDOG 0x50081000u /* the secure one, which raises a secure NMI */
#define DQT_CMSDK_WATCHDOG_HZ DQT_CMSDK_HZ

#include "dqt_cmsdk_port.h"
#include "dqt_cmsdk_timer.h"

void dqt_port_init(void) {
    dqt_cmsdk_timer_init();
    dqt_cmsdk_uart_init();
    dqt_watchdog_start();
}
