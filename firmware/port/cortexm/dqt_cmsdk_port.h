/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * What the ports of MPS2 and MPS3 images share: the UART of Arm's Cortex-M System Design Kit (Arm DDI 0479, APB UART),
 * and that these machines are emulated. A port defines DQT_CMSDK_UART, the UART's address, DQT_CMSDK_HZ, its clock, and
 * what dqt_cmsdk_watchdog.h needs, and includes this file, which defines all functions of dqt_port.h but those of the
 * counter and dqt_port_init(). */
#ifndef DQT_CMSDK_PORT_H
#define DQT_CMSDK_PORT_H

#include "dqt_board.h"
#include "dqt_cmsdk_watchdog.h"
#include "dqt_cortexm.h"
#include "dqt_fixed_baud.h"
#include "dqt_port.h"
#include "dqt_semihosting.h"

_Static_assert(DQT_CMSDK_HZ / DQT_UART_BAUD >= 16u, "the CMSDK UART divides by 16 at least");

typedef struct {
    volatile uint32_t data;
    volatile uint32_t state;   /* bit 0: transmit buffer full; bit 1: receive buffer full */
    volatile uint32_t control; /* bit 0: transmit; bit 1: receive */
    volatile uint32_t interrupts;
    volatile uint32_t divider; /* of the clock, at least 16 */
} dqt_cmsdk_uart;

#define CMSDK_UART ((dqt_cmsdk_uart *)DQT_CMSDK_UART)

/* For dqt_port_init(). */
static inline void dqt_cmsdk_uart_init(void) {
    CMSDK_UART->divider = DQT_CMSDK_HZ / DQT_UART_BAUD;
    CMSDK_UART->control = 3u;
    /* Drops what a boot loader left. QEMU 7.2 looks for input again only after this register has been read: without it,
     * what the host sent before this moment waits until the emulator wakes up for another reason. A byte that comes
     * between the two lines is lost, now and then on a busy machine; a host sends its request again. */
    (void)CMSDK_UART->data;
}

int dqt_port_read(void) {
    return (CMSDK_UART->state & 2u) != 0 ? (int)(CMSDK_UART->data & 0xFFu) : -1;
}

int dqt_port_can_write(void) {
    return (CMSDK_UART->state & 1u) == 0;
}

void dqt_port_write(uint8_t byte) {
    CMSDK_UART->data = byte;
}

void dqt_port_wait(void) {
}

void dqt_port_reset(void) {
    while (!dqt_port_can_write()) {
    }
    dqt_cortexm_reset();
}

void dqt_port_fault(const dqt_fault_info *info) {
    dqt_watchdog_fault(info);
    dqt_semihosting_fault(info);
}

#endif
