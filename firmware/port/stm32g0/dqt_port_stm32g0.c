/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * STM32G0x1 (ST RM0444): 64 MHz from HSI16 through the PLL, USART2, and TIM2 as the counter, because SysTick has 24
 * bits and a Cortex-M0+ no cycle counter. The board's constants: gpio_port (0: A), tx, rx, af;
 * trigger_port and trigger_pin, if there is a trigger; watchdog_ms, if there is a watchdog. */
#include "dqt_board.h"

/* USART registers, "Universal synchronous/asynchronous receiver transmitter" */
#define DQT_USART 0x40004400u
#define DQT_USART_FIFO 1
#define DQT_USART_LOW_POWER 0
#include "dqt_stm32_usart.h"

/* 5.4, RCC */
#define RCC_CR DQT_REG(0x40021000u)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR DQT_REG(0x40021008u)
#define RCC_CFGR_SW_MASK (7u << 0)
#define RCC_CFGR_SW_PLLR (2u << 0)
#define RCC_CFGR_SWS_MASK (7u << 3)
#define RCC_CFGR_SWS_PLLR (2u << 3)
#define RCC_PLLCFGR DQT_REG(0x4002100Cu)
#define RCC_PLLCFGR_SRC_HSI16 (2u << 0) /* PLLM 0: by 1 */
#define RCC_PLLCFGR_N(n) ((n) << 8)
#define RCC_PLLCFGR_REN (1u << 28)
#define RCC_PLLCFGR_R_DIV2 (1u << 29)
#define RCC_IOPENR DQT_REG(0x40021034u)
#define RCC_APBENR1 DQT_REG(0x4002103Cu)
#define RCC_APBENR1_TIM2EN (1u << 0)
#define RCC_APBENR1_USART2EN (1u << 17)
#define RCC_CSR2 DQT_REG(0x40021060u)
#define RCC_CSR2_RMVF (1u << 23)
#define RCC_CSR2_PWRRSTF (1u << 27)

#define DQT_GPIO 0x50000000u
#define DQT_GPIO_CLOCK RCC_IOPENR
#include "dqt_stm32_trigger.h"

#define DQT_IWDG 0x40003000u
#include "dqt_stm32_watchdog.h"

/* 3.7.1, FLASH */
#define FLASH_ACR DQT_REG(0x40022000u)
#define FLASH_ACR_LATENCY_MASK 7u
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)

/* TIM2 registers, "General-purpose timers (TIM2/TIM3/TIM4)": 32 bits */
#define TIM2_CR1 DQT_REG(0x40000000u)
#define TIM2_CR1_CEN (1u << 0)
#define TIM2_CNT DQT_REG(0x40000024u)
#define TIM2_ARR DQT_REG(0x4000002Cu)

#define HSI16_HZ 16000000u
#define PLL_N (2u * DQT_CORE_HZ / HSI16_HZ)
_Static_assert(PLL_N *HSI16_HZ / 2u == DQT_CORE_HZ && PLL_N >= 8u && DQT_CORE_HZ <= 64000000u, "64 MHz");
#define WAIT_STATES ((DQT_CORE_HZ - 1u) / 24000000u) /* 3.3.4: one for each 24 MHz in range 1, that after reset */

const uint64_t dqt_port_counter_mask = 0xFFFFFFFFu;

/* Hz of the core, for a debugger: DQT_CORE_HZ, or that of HSI16 if the PLL or flash did not answer. */
volatile uint32_t dqt_clock_hz = HSI16_HZ;

static int to_pll(void) {
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_HSI16 | RCC_PLLCFGR_N(PLL_N) | RCC_PLLCFGR_REN | RCC_PLLCFGR_R_DIV2;
    RCC_CR |= RCC_CR_PLLON;
    if (!dqt_wait(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) {
        return 0;
    }
    FLASH_ACR = (FLASH_ACR & ~FLASH_ACR_LATENCY_MASK) | WAIT_STATES | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN;
    if (!dqt_wait(&FLASH_ACR, FLASH_ACR_LATENCY_MASK, WAIT_STATES)) { /* read back before the clock rises */
        return 0;
    }
    RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW_MASK) | RCC_CFGR_SW_PLLR;
    return dqt_wait(&RCC_CFGR, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLLR);
}

void dqt_port_init(void) {
    dqt_cortexm_started(dqt_reset_cause(&RCC_CSR2, RCC_CSR2_RMVF, RCC_CSR2_PWRRSTF));
    if (to_pll()) {
        dqt_clock_hz = DQT_CORE_HZ;
    } else {
        RCC_CFGR &= ~RCC_CFGR_SW_MASK; /* HSI16 */
    }
    RCC_IOPENR |= 1u << DQT_BOARD_GPIO_PORT;
    RCC_APBENR1 |= RCC_APBENR1_TIM2EN | RCC_APBENR1_USART2EN;
    (void)RCC_APBENR1; /* two cycles until the clock arrives */
    const uint32_t port = DQT_GPIO + 0x400u * DQT_BOARD_GPIO_PORT;
    dqt_alternate_pin(port, DQT_BOARD_TX, DQT_BOARD_AF);
    dqt_alternate_pin(port, DQT_BOARD_RX, DQT_BOARD_AF);
    dqt_usart_start(dqt_clock_hz);
    dqt_trigger_start();
    TIM2_ARR = 0xFFFFFFFFu;
    TIM2_CR1 = TIM2_CR1_CEN; /* one tick a cycle: the APB is not divided, nor is the timer's clock (PSC 0) */
    dqt_watchdog_start();
}

uint64_t dqt_port_counter(void) {
    return TIM2_CNT;
}
