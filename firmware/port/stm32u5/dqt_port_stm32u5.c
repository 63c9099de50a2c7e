/* SPDX-License-Identifier: Apache-2.0
 * Copyright 2026 The dqt-edge authors
 *
 * STM32U575 and U585 (ST RM0456) as delivered, without TrustZone: 160 MHz from HSI16 through PLL1, voltage range 1 with
 * the EPOD booster, instruction cache. The board's constants: usart (1, 2 or 3), gpio_port (0: A), tx, rx, af;
 * trigger_port and trigger_pin, if there is a trigger; watchdog_ms, if there is a watchdog. */
#include "dqt_board.h"
#include "dqt_dwt.h"

/* USART registers, "Universal synchronous/asynchronous receiver transmitter"; their clocks */
#if DQT_BOARD_USART == 1
#define DQT_USART 0x40013800u
#define USART_CLOCK DQT_REG(0x46020CA4u) /* RCC_APB2ENR */
#define USART_CLOCK_EN (1u << 14)
#elif DQT_BOARD_USART == 2
#define DQT_USART 0x40004400u
#define USART_CLOCK DQT_REG(0x46020C9Cu) /* RCC_APB1ENR1 */
#define USART_CLOCK_EN (1u << 17)
#elif DQT_BOARD_USART == 3
#define DQT_USART 0x40004800u
#define USART_CLOCK DQT_REG(0x46020C9Cu)
#define USART_CLOCK_EN (1u << 18)
#else
#error "constants.usart must be 1, 2 or 3"
#endif
#define DQT_USART_FIFO 1
#define DQT_USART_LOW_POWER 0
#include "dqt_stm32_usart.h"

/* RCC registers */
#define RCC_CR DQT_REG(0x46020C00u)
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLL1ON (1u << 24)
#define RCC_CR_PLL1RDY (1u << 25)
#define RCC_CFGR1 DQT_REG(0x46020C1Cu)
#define RCC_CFGR1_SW_MASK (3u << 0)
#define RCC_CFGR1_SW_PLL1 (3u << 0)
#define RCC_CFGR1_SWS_MASK (3u << 2)
#define RCC_CFGR1_SWS_PLL1 (3u << 2)
#define RCC_CFGR2 DQT_REG(0x46020C20u)
#define RCC_CFGR2_HPRE_MASK (15u << 0)
#define RCC_CFGR2_HPRE_DIV2 (8u << 0)
#define RCC_PLL1CFGR DQT_REG(0x46020C28u)
#define RCC_PLL1CFGR_SRC_HSI16 (2u << 0)
#define RCC_PLL1CFGR_RGE_8_16MHZ (3u << 2) /* PLL1M and PLL1MBOOST 0: by 1 */
#define RCC_PLL1CFGR_REN (1u << 18)
#define RCC_PLL1DIVR DQT_REG(0x46020C34u)
#define RCC_PLL1DIVR_N(n) (((n) - 1u) << 0)
#define RCC_PLL1DIVR_P(p) (((p) - 1u) << 9)
#define RCC_PLL1DIVR_Q(q) (((q) - 1u) << 16)
#define RCC_PLL1DIVR_R(r) (((r) - 1u) << 24)
#define RCC_AHB2ENR1 DQT_REG(0x46020C8Cu)
#define RCC_AHB3ENR DQT_REG(0x46020C94u)
#define RCC_AHB3ENR_PWREN (1u << 2)
#define RCC_CSR DQT_REG(0x46020CF4u)
#define RCC_CSR_RMVF (1u << 23)
#define RCC_CSR_BORRSTF (1u << 27)

#define DQT_GPIO 0x42020000u
#define DQT_GPIO_CLOCK RCC_AHB2ENR1
#include "dqt_stm32_trigger.h"

#define DQT_IWDG 0x40003000u
#include "dqt_stm32_watchdog.h"

/* PWR registers */
#define PWR_VOSR DQT_REG(0x4602080Cu)
#define PWR_VOSR_BOOSTRDY (1u << 14)
#define PWR_VOSR_VOSRDY (1u << 15)
#define PWR_VOSR_VOS_RANGE1 (3u << 16)
#define PWR_VOSR_BOOSTEN (1u << 18)

/* FLASH registers */
#define FLASH_ACR DQT_REG(0x40022000u)
#define FLASH_ACR_LATENCY_MASK 15u
#define FLASH_ACR_PRFTEN (1u << 8)

/* ICACHE registers */
#define ICACHE_CR DQT_REG(0x40030400u)
#define ICACHE_CR_EN (1u << 0)
#define ICACHE_SR DQT_REG(0x40030404u)
#define ICACHE_SR_BUSYF (1u << 0)

#define HSI16_HZ 16000000u
#define MSIS_HZ 4000000u /* after reset */
#define PLL_N (2u * DQT_CORE_HZ / HSI16_HZ)
_Static_assert(PLL_N *HSI16_HZ / 2u == DQT_CORE_HZ && PLL_N >= 8u && DQT_CORE_HZ <= 160000000u, "160 MHz");
#define WAIT_STATES ((DQT_CORE_HZ - 1u) / 32000000u) /* "Read access latency": one for each 32 MHz in range 1 */

/* Hz of the core, for a debugger: DQT_CORE_HZ, or that of MSIS if a step of the way did not answer. */
volatile uint32_t dqt_clock_hz = MSIS_HZ;

/* "Voltage scaling and EPOD booster": the booster's clock is PLL1's source, so that comes first. */
static int start_pll(void) {
    RCC_CR |= RCC_CR_HSION;
    if (!dqt_wait(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY)) {
        return 0;
    }
    RCC_PLL1CFGR = RCC_PLL1CFGR_SRC_HSI16 | RCC_PLL1CFGR_RGE_8_16MHZ | RCC_PLL1CFGR_REN;
    RCC_PLL1DIVR = RCC_PLL1DIVR_N(PLL_N) | RCC_PLL1DIVR_P(2u) | RCC_PLL1DIVR_Q(2u) | RCC_PLL1DIVR_R(2u);
    PWR_VOSR |= PWR_VOSR_VOS_RANGE1;
    if (!dqt_wait(&PWR_VOSR, PWR_VOSR_VOSRDY, PWR_VOSR_VOSRDY)) {
        return 0;
    }
    PWR_VOSR |= PWR_VOSR_BOOSTEN;
    if (!dqt_wait(&PWR_VOSR, PWR_VOSR_BOOSTRDY, PWR_VOSR_BOOSTRDY)) {
        return 0;
    }
    RCC_CR |= RCC_CR_PLL1ON;
    return dqt_wait(&RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY);
}

static int to_pll(void) {
    FLASH_ACR = (FLASH_ACR & ~FLASH_ACR_LATENCY_MASK) | WAIT_STATES | FLASH_ACR_PRFTEN;
    if (!dqt_wait(&FLASH_ACR, FLASH_ACR_LATENCY_MASK, WAIT_STATES)) { /* read back before the clock rises */
        return 0;
    }
    RCC_CFGR2 |= RCC_CFGR2_HPRE_DIV2; /* in two steps, which asks less of the regulator */
    RCC_CFGR1 |= RCC_CFGR1_SW_PLL1;
    if (!dqt_wait(&RCC_CFGR1, RCC_CFGR1_SWS_MASK, RCC_CFGR1_SWS_PLL1)) {
        return 0;
    }
    for (uint32_t i = 0; i < 100u; i++) { /* at 80 MHz: over a microsecond */
        (void)RCC_CFGR1;
    }
    RCC_CFGR2 &= ~RCC_CFGR2_HPRE_MASK;
    return 1;
}

void dqt_port_init(void) {
    dqt_cortexm_started(dqt_reset_cause(&RCC_CSR, RCC_CSR_RMVF, RCC_CSR_BORRSTF));
    RCC_AHB3ENR |= RCC_AHB3ENR_PWREN;
    (void)RCC_AHB3ENR; /* two cycles until the clock arrives */
    if (start_pll() && to_pll()) {
        dqt_clock_hz = DQT_CORE_HZ;
    } else {
        RCC_CFGR1 &= ~RCC_CFGR1_SW_MASK; /* MSIS */
        RCC_CFGR2 &= ~RCC_CFGR2_HPRE_MASK;
    }
    if (dqt_wait(&ICACHE_SR, ICACHE_SR_BUSYF, 0)) { /* it invalidates itself after reset */
        ICACHE_CR |= ICACHE_CR_EN;
    }
    RCC_AHB2ENR1 |= 1u << DQT_BOARD_GPIO_PORT;
    USART_CLOCK |= USART_CLOCK_EN;
    (void)USART_CLOCK;
    const uint32_t port = DQT_GPIO + 0x400u * DQT_BOARD_GPIO_PORT;
    dqt_alternate_pin(port, DQT_BOARD_TX, DQT_BOARD_AF);
    dqt_alternate_pin(port, DQT_BOARD_RX, DQT_BOARD_AF);
    dqt_usart_start(dqt_clock_hz);
    dqt_trigger_start();
    dqt_dwt_init();
    dqt_watchdog_start();
}
