/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * nRF51822 as QEMU's machine microbit models it: UART and TIMER0 (nRF51 Series Reference Manual v3.0.1). */
#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_fixed_baud.h"
#include "dqt_port.h"
#include "dqt_semihosting.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define UART_STARTRX REGISTER(0x40002000u)
#define UART_STARTTX REGISTER(0x40002008u)
#define UART_RXDRDY REGISTER(0x40002108u) /* event: a byte waits in RXD, which six bytes queue for */
#define UART_TXDRDY REGISTER(0x4000211Cu) /* event: the byte written to TXD has been sent */
#define UART_ENABLE REGISTER(0x40002500u)
#define UART_PSELTXD REGISTER(0x4000250Cu)
#define UART_PSELRXD REGISTER(0x40002514u)
#define UART_RXD REGISTER(0x40002518u)
#define UART_TXD REGISTER(0x4000251Cu)
#define UART_BAUDRATE REGISTER(0x40002524u)

#define UART_ENABLED 4u
#define UART_BAUD_115200 0x01D7E000u
#define PIN_TXD 24u /* of the micro:bit's USB serial line */
#define PIN_RXD 25u

_Static_assert(DQT_UART_BAUD == 115200, "the register takes one of a few values, and this port only this one");

#define TIMER0_START REGISTER(0x40008000u)
#define TIMER0_CAPTURE0 REGISTER(0x40008040u)
#define TIMER0_BITMODE REGISTER(0x40008508u)
#define TIMER0_PRESCALER REGISTER(0x40008510u)
#define TIMER0_CC0 REGISTER(0x40008540u)

#define TIMER_32_BITS 3u /* TIMER0 only */

#define TIMER1_START REGISTER(0x40009000u)
#define TIMER1_STOP REGISTER(0x40009004u)
#define TIMER1_COMPARE0 REGISTER(0x40009140u)
#define TIMER1_INTENSET REGISTER(0x40009304u)
#define TIMER1_INTENCLR REGISTER(0x40009308u)
#define TIMER1_CC0 REGISTER(0x40009540u)
#define TIMER1_ON_COMPARE0 (1u << 16)

#define NVIC_ISER REGISTER(0xE000E100u)
#define NVIC_ICER REGISTER(0xE000E180u)
#define NVIC_ICPR REGISTER(0xE000E280u)
#define NVIC_TIMER1 (1u << 9)

#define NAP_TICKS 0x4000u /* about a millisecond */

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

static uint32_t sending; /* TXD holds a byte whose event has not come */

/* Sleeps for a moment; masked, the interrupt of the timer ends that without being taken. QEMU 7.2 looks whether the
 * UART takes input again only when a byte has been read from it or when the core sleeps: without it, what the host
 * sends after a reset waits for ever. */
static void sleep_once(void) {
    __asm__ volatile("cpsid i" : : : "memory");
    TIMER1_CC0 = NAP_TICKS;
    TIMER1_INTENSET = TIMER1_ON_COMPARE0;
    NVIC_ISER = NVIC_TIMER1;
    TIMER1_START = 1;
    __asm__ volatile("dsb\n\twfi" : : : "memory");
    TIMER1_STOP = 1;
    TIMER1_INTENCLR = TIMER1_ON_COMPARE0;
    TIMER1_COMPARE0 = 0;
    NVIC_ICER = NVIC_TIMER1;
    NVIC_ICPR = NVIC_TIMER1;
    __asm__ volatile("cpsie i" : : : "memory");
}

void dqt_port_init(void) {
    TIMER0_BITMODE = TIMER_32_BITS;
    TIMER0_PRESCALER = 0;
    TIMER0_START = 1;
    UART_PSELTXD = PIN_TXD;
    UART_PSELRXD = PIN_RXD;
    UART_BAUDRATE = UART_BAUD_115200;
    UART_ENABLE = UART_ENABLED;
    UART_STARTTX = 1;
    UART_STARTRX = 1;
    sleep_once();
}

uint64_t dqt_port_counter(void) {
    TIMER0_CAPTURE0 = 1;
    return TIMER0_CC0;
}

int dqt_port_read(void) {
    if (UART_RXDRDY == 0u) {
        return -1;
    }
    UART_RXDRDY = 0; /* before the byte is taken: the next one sets it again */
    return (int)(UART_RXD & 0xFFu);
}

int dqt_port_can_write(void) {
    return sending == 0u || UART_TXDRDY != 0u;
}

void dqt_port_write(uint8_t byte) {
    UART_TXDRDY = 0;
    UART_TXD = byte;
    sending = 1;
}

void dqt_port_wait(void) {
}

void dqt_port_reset(void) {
    while (!dqt_port_can_write()) {
    }
    dqt_cortexm_reset();
}

void dqt_port_fault(const dqt_fault_info *info) {
    dqt_semihosting_fault(info);
}
