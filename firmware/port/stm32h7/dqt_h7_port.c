/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * dqt_port.h for STM32H743 and STM32H735: USART3 to the ST-LINK, cycle counter of the core. The board's constants: chip
 * (743 or 735), hse_hz, hse_bypass (1: a clock, 0: a crystal), pll_m, pll_n and pll_p, gpio_port (0: A), tx, rx and af
 * of USART3, red_port, red and red_low (1: low lights it) of a red light; trigger_port and trigger_pin, if there is a
 * trigger; watchdog_ms, if there is a watchdog. */
#include "dqt_board.h"
#include "dqt_cortexm.h"
#include "dqt_h7_clock.h"
#include "dqt_h7_registers.h"
#include "dqt_messages.h"
#include "dqt_port.h"
#include "dqt_stm32_trigger.h"
#include "dqt_stm32_watchdog.h"

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

static void barrier(void) {
    __asm__ volatile("dsb\n\tisb" : : : "memory");
}

/* The core may read ahead into external memory areas where nothing answers, and stall (ST AN4838, AN4839). One region
 * over all 4 GB without access, with the eighths 0x00000000-0x5FFFFFFF and 0xE0000000-0xFFFFFFFF left to the default
 * map. */
static void forbid_external_memory(void) {
    const uint32_t execute_never = 1u << 28;
    const uint32_t subregions_off = 0x87u << 8;
    const uint32_t size_4gb = 31u << 1;
    DQT_MPU_CTRL = 0;
    DQT_MPU_RNR = 0;
    DQT_MPU_RBAR = 0;
    DQT_MPU_RASR = execute_never | subregions_off | size_4gb | 1u;
    DQT_MPU_CTRL = DQT_MPU_CTRL_PRIVDEFENA | DQT_MPU_CTRL_ENABLE;
    barrier();
}

/* Both caches hold garbage after power-on and are invalidated first; skipped where they run already, because
 * invalidating a live data cache would lose what it holds. */
static void enable_caches(void) {
    if ((DQT_SCB_CCR & DQT_SCB_CCR_IC) == 0) {
        DQT_SCB_ICIALLU = 0;
        barrier();
        DQT_SCB_CCR |= DQT_SCB_CCR_IC;
        barrier();
    }
    if ((DQT_SCB_CCR & DQT_SCB_CCR_DC) == 0) {
        DQT_SCB_CSSELR = 0; /* level 1, data */
        barrier();
        const uint32_t size = DQT_SCB_CCSIDR;
        const uint32_t last_set = (size >> 13) & 0x7FFFu;
        const uint32_t last_way = (size >> 3) & 0x3FFu;
        for (uint32_t set = 0; set <= last_set; set++) {
            for (uint32_t way = 0; way <= last_way; way++) {
                DQT_SCB_DCISW = (way << 30) | (set << 5); /* 4 ways, lines of 32 bytes: DDI0489 section 4.2 */
            }
        }
        barrier();
        DQT_SCB_CCR |= DQT_SCB_CCR_DC;
        barrier();
    }
}

/* The red light says that the core runs at 64 MHz instead of its full clock. */
static void light_red(void) {
    const uint32_t port = DQT_GPIO + 0x400u * DQT_BOARD_RED_PORT;
    DQT_RCC_AHB4ENR |= 1u << DQT_BOARD_RED_PORT;
    (void)DQT_RCC_AHB4ENR;
    dqt_set_field(&DQT_GPIO_MODER(port), DQT_BOARD_RED * 2u, 2, DQT_GPIO_MODE_OUTPUT);
    DQT_GPIO_BSRR(port) = 1u << (DQT_BOARD_RED + (DQT_BOARD_RED_LOW ? 16u : 0u));
}

static uint32_t usart_hz; /* of its clock, APB1's */

/* 16 samples a bit. The USART is off. */
static void set_uart(uint32_t baud) {
    DQT_USART3_BRR = dqt_divided(usart_hz, baud);
    DQT_USART3_CR1 = DQT_USART_CR1_FIFOEN | DQT_USART_CR1_TE | DQT_USART_CR1_RE;
    DQT_USART3_CR1 |= DQT_USART_CR1_UE;
    const uint32_t ready = DQT_USART_ISR_TEACK | DQT_USART_ISR_REACK;
    (void)dqt_h7_wait(&DQT_USART3_ISR, ready, ready, DQT_H7_POLLS);
    DQT_USART3_ICR = DQT_USART_ISR_ERRORS;
}

static void start_uart(void) {
    DQT_RCC_D2CCIP2R &= ~DQT_RCC_D2CCIP2R_USART234578SEL_MASK;
    DQT_RCC_APB1LENR |= DQT_RCC_APB1LENR_USART3EN;
    (void)DQT_RCC_APB1LENR;
    DQT_USART3_CR1 = 0;
    const uint32_t port = DQT_GPIO + 0x400u * DQT_BOARD_GPIO_PORT;
    dqt_alternate_pin(port, DQT_BOARD_TX, DQT_BOARD_AF);
    dqt_alternate_pin(port, DQT_BOARD_RX, DQT_BOARD_AF);
    DQT_USART3_CR2 = 0; /* 8 data bits, one stop bit, no parity */
    DQT_USART3_CR3 = 0;
    DQT_USART3_PRESC = 0;
    set_uart(DQT_UART_BAUD);
}

static void start_counter(void) {
    DQT_DEMCR |= DQT_DEMCR_TRCENA;
    DQT_DWT_LAR = DQT_DWT_LAR_KEY; /* without it the Cortex-M7 ignores the next two writes */
    DQT_DWT_CYCCNT = 0;
    DQT_DWT_CTRL |= DQT_DWT_CTRL_CYCCNTENA;
}

/* Every reset but that of a core alone pulls the pin too, so that one counts last. */
static uint32_t cause_of_reset(void) {
    const uint32_t flags = DQT_RCC_RSR;
    DQT_RCC_RSR |= DQT_RCC_RSR_RMVF;
    if ((flags & DQT_RCC_RSR_POWER) != 0) {
        return DQT_RESTART_POWER;
    }
    if ((flags & DQT_RCC_RSR_WATCHDOG) != 0) {
        return DQT_RESTART_WATCHDOG;
    }
    if ((flags & DQT_RCC_RSR_SOFTWARE) != 0) {
        return DQT_RESTART_UNKNOWN; /* who it was, he left word of */
    }
    return (flags & DQT_RCC_RSR_PIN) != 0 ? DQT_RESTART_PIN : DQT_RESTART_UNKNOWN;
}

void dqt_port_init(void) {
    dqt_cortexm_started(cause_of_reset());
    forbid_external_memory();
    usart_hz = dqt_h7_clock_init();
    enable_caches();
    DQT_RCC_AHB4ENR |= 1u << DQT_BOARD_GPIO_PORT;
    (void)DQT_RCC_AHB4ENR;
    if (dqt_h7_clock_outcome != DQT_H7_CLOCK_FULL) {
        light_red();
    }
    start_uart();
    dqt_trigger_start();
    start_counter();
    dqt_watchdog_start();
}

int dqt_port_read(void) {
    const uint32_t status = DQT_USART3_ISR;
    if ((status & DQT_USART_ISR_ERRORS) != 0) {
        DQT_USART3_ICR =
            status & DQT_USART_ISR_ERRORS; /* an overrun left set would stop reception; the CRC finds the gap */
    }
    if ((status & DQT_USART_ISR_RXFNE) == 0) {
        return -1;
    }
    return (int)(DQT_USART3_RDR & 0xFFu);
}

int dqt_port_can_write(void) {
    return (DQT_USART3_ISR & DQT_USART_ISR_TXFNF) != 0 ? 1 : 0;
}

void dqt_port_write(uint8_t byte) {
    DQT_USART3_TDR = byte;
}

/* Nothing to flush, and no sleep: only an interrupt would end it, and the next byte is at most 11 microseconds away. */
void dqt_port_wait(void) {
}

uint32_t dqt_port_baud(uint32_t baud) {
    const uint32_t divider = dqt_divided(usart_hz, baud);
    return divider < 16u ? 0u : dqt_divided(usart_hz, divider);
}

void dqt_port_set_baud(uint32_t baud) {
    (void)dqt_h7_wait(&DQT_USART3_ISR, DQT_USART_ISR_TC, DQT_USART_ISR_TC, DQT_H7_POLLS);
    DQT_USART3_CR1 &= ~DQT_USART_CR1_UE;
    set_uart(baud);
}

uint64_t dqt_port_counter(void) {
    return DQT_DWT_CYCCNT;
}

void dqt_port_reset(void) {
    (void)dqt_h7_wait(&DQT_USART3_ISR, DQT_USART_ISR_TC, DQT_USART_ISR_TC, DQT_H7_POLLS);
    dqt_cortexm_reset();
}

void dqt_port_fault(const dqt_fault_info *info) {
    (void)info; /* for a debugger */
    dqt_cortexm_fault();
}
