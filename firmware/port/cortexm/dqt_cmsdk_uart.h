/* The UART of Arm's Cortex-M System Design Kit, on every MPS2 and MPS3 image (Arm DDI 0479, APB UART). */
#ifndef DQT_CMSDK_UART_H
#define DQT_CMSDK_UART_H

#include <stdint.h>

typedef struct {
    volatile uint32_t data;
    volatile uint32_t state;   /* bit 0: transmit buffer full; bit 1: receive buffer full */
    volatile uint32_t control; /* bit 0: transmit; bit 1: receive */
    volatile uint32_t interrupts;
    volatile uint32_t divider; /* of the peripheral clock, at least 16 */
} dqt_cmsdk_uart;

static inline void dqt_cmsdk_uart_init(dqt_cmsdk_uart *uart, uint32_t divider) {
    uart->divider = divider;
    uart->control = 3u;
    /* Drops what a boot loader left. QEMU 7.2 looks for input again only after this register has been read: without it,
     * what the host sent before this moment waits until the emulator wakes up for another reason. */
    (void)uart->data;
}

static inline int dqt_cmsdk_uart_read(dqt_cmsdk_uart *uart) {
    return (uart->state & 2u) != 0 ? (int)(uart->data & 0xFFu) : -1;
}

static inline int dqt_cmsdk_uart_can_write(const dqt_cmsdk_uart *uart) {
    return (uart->state & 1u) == 0;
}

static inline void dqt_cmsdk_uart_write(dqt_cmsdk_uart *uart, uint8_t byte) {
    uart->data = byte;
}

#endif
