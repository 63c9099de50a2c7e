/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * The serial line of ports whose STM32 has USARTs with ISR, RDR and TDR, or LPUARTs, which have the same registers
 * (chapter "Universal synchronous/asynchronous receiver transmitter" of each reference manual, USART registers). A
 * port defines DQT_USART, its address, DQT_USART_FIFO, 1 if it has the FIFO mode, and DQT_USART_LOW_POWER, 1 for an
 * LPUART, and includes this file, which defines all functions of dqt_port.h but those of the counter and
 * dqt_port_init(). */
#ifndef DQT_STM32_USART_H
#define DQT_STM32_USART_H

#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_port.h"
#include "dqt_stm32.h"

#define USART_CR1 DQT_REG(DQT_USART + 0x00u)
#define USART_CR1_UE (1u << 0)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_FIFOEN (1u << 29)
#define USART_BRR DQT_REG(DQT_USART + 0x0Cu)
#define USART_ISR DQT_REG(DQT_USART + 0x1Cu)
#define USART_ISR_ERRORS 0x0Fu /* PE, FE, NE, ORE; the same bits of ICR clear them */
#define USART_ISR_RXNE (1u << 5)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXE (1u << 7)
#define USART_ISR_TEACK (1u << 21)
#define USART_ISR_REACK (1u << 22)
#define USART_ICR DQT_REG(DQT_USART + 0x20u)
#define USART_RDR DQT_REG(DQT_USART + 0x24u)
#define USART_TDR DQT_REG(DQT_USART + 0x28u)

static uint32_t dqt_usart_hz; /* of its clock */

/* BRR: clocks a bit for a USART that samples 16 times, 256 times that for an LPUART. */
#define DQT_USART_SHIFT (DQT_USART_LOW_POWER ? 8u : 0u)
#define DQT_USART_LEAST (DQT_USART_LOW_POWER ? 0x300u : 16u)

/* 8 data bits, one stop bit, no parity. The USART is off. */
static void dqt_usart_set(uint32_t baud) {
    USART_BRR = dqt_divided(dqt_usart_hz, baud >> DQT_USART_SHIFT);
    USART_CR1 = (DQT_USART_FIFO ? USART_CR1_FIFOEN : 0u) | USART_CR1_TE | USART_CR1_RE;
    USART_CR1 |= USART_CR1_UE;
    const uint32_t ready = USART_ISR_TEACK | USART_ISR_REACK;
    (void)dqt_wait(&USART_ISR, ready, ready);
    USART_ICR = USART_ISR_ERRORS;
}

/* For dqt_port_init(), when clock and pins are on. */
static inline void dqt_usart_start(uint32_t hz) {
    dqt_usart_hz = hz;
    dqt_usart_set(DQT_UART_BAUD);
}

uint32_t dqt_port_baud(uint32_t baud) {
    const uint32_t divider = dqt_divided(dqt_usart_hz, baud >> DQT_USART_SHIFT);
    return divider < DQT_USART_LEAST ? 0u : dqt_divided(dqt_usart_hz, divider) << DQT_USART_SHIFT;
}

void dqt_port_set_baud(uint32_t baud) {
    (void)dqt_wait(&USART_ISR, USART_ISR_TC, USART_ISR_TC);
    USART_CR1 &= ~USART_CR1_UE;
    dqt_usart_set(baud);
}

int dqt_port_read(void) {
    const uint32_t status = USART_ISR;
    if ((status & USART_ISR_ERRORS) != 0) {
        USART_ICR = status & USART_ISR_ERRORS; /* an overrun left set would stop reception; the CRC finds the gap */
    }
    return (status & USART_ISR_RXNE) != 0 ? (int)(USART_RDR & 0xFFu) : -1;
}

int dqt_port_can_write(void) {
    return (USART_ISR & USART_ISR_TXE) != 0 ? 1 : 0;
}

void dqt_port_write(uint8_t byte) {
    USART_TDR = byte;
}

/* Nothing to flush, and no sleep: only an interrupt would end it. */
void dqt_port_wait(void) {
}

void dqt_port_reset(void) {
    (void)dqt_wait(&USART_ISR, USART_ISR_TC, USART_ISR_TC);
    dqt_cortexm_reset();
}

void dqt_port_fault(const dqt_fault_info *info) {
    (void)info; /* for a debugger */
    dqt_cortexm_fault();
}

#endif
